package poller

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// SetMark implements [Marker].
func (e *Epoll) SetMark(fd FD, mark uint32) error {
	b := &e.sock
	b.value = int32(mark)
	return setsockopt(fd, unix.SOL_SOCKET, unix.SO_MARK, unsafe.Pointer(&b.value), unsafe.Sizeof(b.value))
}
