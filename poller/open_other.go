//go:build !linux

package poller

import "syscall"

// Open makes the operating system's poller: a new *Epoll on Linux, and ENOSYS
// elsewhere. Programs build everywhere, and run on a test kernel everywhere.
func Open() (System, error) {
	return nil, syscall.ENOSYS
}
