package poller

import (
	"math"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockOpts holds the options that are plain ints to the kernel; SOLinger is not.
var sockOpts = [...]struct{ level, name int }{
	TCPNoDelay:  {unix.IPPROTO_TCP, unix.TCP_NODELAY},
	SOKeepAlive: {unix.SOL_SOCKET, unix.SO_KEEPALIVE},
	SOReuseAddr: {unix.SOL_SOCKET, unix.SO_REUSEADDR},
	SOReusePort: {unix.SOL_SOCKET, unix.SO_REUSEPORT},
	SORcvLowat:  {unix.SOL_SOCKET, unix.SO_RCVLOWAT},
	SOSndBuf:    {unix.SOL_SOCKET, unix.SO_SNDBUF},
	SORcvBuf:    {unix.SOL_SOCKET, unix.SO_RCVBUF},
	TCPQuickAck: {unix.IPPROTO_TCP, unix.TCP_QUICKACK},
}

// SetSockOpt implements [Sockets]: ENOPROTOOPT for an option that it does not
// know, EINVAL for a value that is no C int.
func (e *Epoll) SetSockOpt(fd FD, opt SockOpt, value int) error {
	if value < math.MinInt32 || value > math.MaxInt32 {
		return syscall.EINVAL
	}
	b := &e.sock
	if opt == SOLinger {
		b.linger = unix.Linger{}
		if value >= 0 {
			b.linger = unix.Linger{Onoff: 1, Linger: int32(value)}
		}
		return setsockopt(fd, unix.SOL_SOCKET, unix.SO_LINGER, unsafe.Pointer(&b.linger), unsafe.Sizeof(b.linger))
	}
	if int(opt) >= len(sockOpts) || sockOpts[opt].name == 0 {
		return syscall.ENOPROTOOPT
	}
	b.value = int32(value)
	return setsockopt(fd, sockOpts[opt].level, sockOpts[opt].name, unsafe.Pointer(&b.value), unsafe.Sizeof(b.value))
}

// SockOpt implements [Sockets]. SOLinger is -1 when it is off.
func (e *Epoll) SockOpt(fd FD, opt SockOpt) (int, error) {
	b := &e.sock
	if opt == SOLinger {
		err := e.getsockopt(fd, unix.SOL_SOCKET, unix.SO_LINGER, unsafe.Pointer(&b.linger), unsafe.Sizeof(b.linger))
		if err != nil {
			return 0, err
		}
		if b.linger.Onoff == 0 {
			return -1, nil
		}
		return int(b.linger.Linger), nil
	}
	if int(opt) >= len(sockOpts) || sockOpts[opt].name == 0 {
		return 0, syscall.ENOPROTOOPT
	}
	return e.getInt(fd, sockOpts[opt].level, sockOpts[opt].name)
}

// SocketError implements [Sockets].
func (e *Epoll) SocketError(fd FD) (pending, err error) {
	v, err := e.getInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return nil, err
	}
	return errorOf(syscall.Errno(v)), nil
}

func (e *Epoll) getInt(fd FD, level, name int) (int, error) {
	b := &e.sock
	if err := e.getsockopt(fd, level, name, unsafe.Pointer(&b.value), unsafe.Sizeof(b.value)); err != nil {
		return 0, err
	}
	return int(b.value), nil
}

func (e *Epoll) getsockopt(fd FD, level, name int, value unsafe.Pointer, size uintptr) error {
	e.sock.optLen = uint32(size)
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(value), uintptr(unsafe.Pointer(&e.sock.optLen)), 0)
	return errorOf(errno)
}

func setsockopt(fd FD, level, name int, value unsafe.Pointer, size uintptr) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(value), size, 0)
	return errorOf(errno)
}
