package poller

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// splicePipeSize is what the pipe holds. The kernel counts in packets of a page or
// more, so the default of 16 would be as many packets from a network card.
const splicePipeSize = 1 << 20

// splicePipe is what splice(2) needs between two sockets. It is made for the first
// Splice, serves all of them, and is empty between two.
type splicePipe struct{ r, w FD }

// Splice implements [Splicer]. The first call opens two more descriptors, until
// Release. A stream that is broken raises SIGPIPE, which splice(2) can not be told
// to leave out and the Go runtime ignores.
func (e *Epoll) Splice(to, from FD, rest []byte) (moved, kept int, err error) {
	if len(rest) == 0 {
		return 0, 0, syscall.EINVAL
	}
	if err := e.openPipe(); err != nil {
		return 0, 0, err
	}
	n, err := splice(e.pipe.w, from, len(rest))
	if err != nil {
		return 0, 0, err
	}
	for moved < n {
		m, err := splice(to, e.pipe.r, n-moved)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || m == 0 {
			break
		}
		moved += m
	}
	for moved+kept < n {
		m, err := e.Read(e.pipe.r, rest[kept:n-moved])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || m == 0 { // not from a pipe that has bytes
			e.closePipe()
			return moved, kept, syscall.EIO
		}
		kept += m
	}
	return moved, kept, nil
}

// openPipe wants a system that is short of descriptors, or of memory for pipes, to
// give it back later: the error is that of the call, not of the poller.
func (e *Epoll) openPipe() error {
	if e.pipe != nil {
		return nil
	}
	if e.epfd < 0 {
		return syscall.EBADF
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return err
	}
	e.pipe = &splicePipe{FD(fds[0]), FD(fds[1])}
	unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, splicePipeSize) // a wish
	return nil
}

func (e *Epoll) closePipe() {
	if e.pipe != nil {
		unix.Close(int(e.pipe.r))
		unix.Close(int(e.pipe.w))
		e.pipe = nil
	}
}

func splice(to, from FD, n int) (int, error) {
	m, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), uintptr(unsafe.Pointer(nil)), uintptr(to),
		uintptr(unsafe.Pointer(nil)), uintptr(n), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
	return count(m, errno)
}
