package poller

import (
	"net/netip"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxIovecs is UIO_MAXIOV. writev(2) says EINVAL beyond it; sendmsg(2), which is
// what Writev calls, would say EMSGSIZE.
const maxIovecs = 1024

// sockBuffers is what the kernel reads and fills during one call.
type sockBuffers struct {
	addr    unix.RawSockaddrAny
	addrLen uint32
	value   int32
	linger  unix.Linger
	optLen  uint32
	msg     unix.Msghdr
	iovecs  []unix.Iovec
}

// Accept implements [Sockets]. An IPv4 peer of an IPv6 listener is told as IPv4.
func (e *Epoll) Accept(fd FD) (FD, netip.AddrPort, error) {
	b := &e.sock
	b.addrLen = uint32(unsafe.Sizeof(b.addr))
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&b.addr)),
		uintptr(unsafe.Pointer(&b.addrLen)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, netip.AddrPort{}, errno
	}
	return FD(n), addrPortOf(&b.addr), nil
}

// Read implements [Sockets] with read(2): unlike recv(2) it answers 0 to an
// empty p whatever the state of the stream.
func (e *Epoll) Read(fd FD, p []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)))
	return count(n, errno)
}

// Peek implements [Sockets].
func (e *Epoll) Peek(fd FD, p []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), unix.MSG_PEEK, 0, 0)
	return count(n, errno)
}

// Write implements [Sockets].
func (e *Epoll) Write(fd FD, p []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	return count(n, errno)
}

// Writev implements [Sockets].
func (e *Epoll) Writev(fd FD, bufs [][]byte) (int, error) {
	if len(bufs) > maxIovecs {
		return 0, syscall.EINVAL
	}
	b := &e.sock
	b.iovecs = b.iovecs[:0]
	for _, p := range bufs {
		iov := unix.Iovec{Base: unsafe.SliceData(p)}
		iov.SetLen(len(p))
		b.iovecs = append(b.iovecs, iov)
	}
	b.msg.Iov = unsafe.SliceData(b.iovecs)
	b.msg.SetIovlen(len(b.iovecs))
	n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.msg)), unix.MSG_NOSIGNAL)
	runtime.KeepAlive(bufs)
	clear(b.iovecs) // the caller's memory is not ours to keep alive
	return count(n, errno)
}

// Shutdown implements [Sockets].
func (e *Epoll) Shutdown(fd FD, how How) error {
	return unix.Shutdown(int(fd), int(how))
}

// Close implements [Sockets]. The number is free again even after an error other
// than EBADF (close(2)). With SOLinger above 0 the call blocks, on a nonblocking
// socket too.
func (e *Epoll) Close(fd FD) error {
	_, _, errno := unix.Syscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	return errorOf(errno)
}

// Dup implements [System]. The new number is close-on-exec, as the old one is.
func (e *Epoll) Dup(fd FD) (FD, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return FD(n), nil
}

// Socket implements [Sockets]. An Inet6 socket speaks IPv4 as well unless
// net.ipv6.bindv6only says otherwise.
func (e *Epoll) Socket(domain Domain) (FD, error) {
	n, err := unix.Socket(int(domain), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return FD(n), nil
}

// Connect implements [Sockets]. An IPv4 address is mapped for an Inet6 socket.
func (e *Epoll) Connect(fd FD, to netip.AddrPort) error {
	return e.withAddr(unix.SYS_CONNECT, fd, to)
}

// Bind implements [Binder]. An IPv4 address is mapped for an Inet6 socket.
func (e *Epoll) Bind(fd FD, addr netip.AddrPort) error {
	return e.withAddr(unix.SYS_BIND, fd, addr)
}

// Listen implements [Binder].
func (e *Epoll) Listen(fd FD, backlog int) error {
	return unix.Listen(int(fd), backlog)
}

// LocalAddr implements [Sockets].
func (e *Epoll) LocalAddr(fd FD) (netip.AddrPort, error) {
	return e.name(unix.SYS_GETSOCKNAME, fd)
}

// PeerAddr implements [Sockets].
func (e *Epoll) PeerAddr(fd FD) (netip.AddrPort, error) {
	return e.name(unix.SYS_GETPEERNAME, fd)
}

// withAddr tries an IPv4 address as it is, in the length of an IPv6 one: an Inet6
// socket then says EAFNOSUPPORT before it does anything, and any other takes it. That
// spares the usual case a question for the domain.
func (e *Epoll) withAddr(call uintptr, fd FD, addr netip.AddrPort) error {
	b := &e.sock
	if err := putAddrPort(&b.addr, addr, false); err != nil {
		return err
	}
	_, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&b.addr)), unix.SizeofSockaddrInet6)
	if errno == syscall.EAFNOSUPPORT && b.addr.Addr.Family == unix.AF_INET {
		if err := putAddrPort(&b.addr, addr, true); err != nil {
			return err
		}
		_, _, errno = unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&b.addr)), unix.SizeofSockaddrInet6)
	}
	return errorOf(errno)
}

func (e *Epoll) name(call uintptr, fd FD) (netip.AddrPort, error) {
	b := &e.sock
	b.addrLen = uint32(unsafe.Sizeof(b.addr))
	_, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&b.addr)),
		uintptr(unsafe.Pointer(&b.addrLen)))
	if errno != 0 {
		return netip.AddrPort{}, errno
	}
	return addrPortOf(&b.addr), nil
}

// count is the result of a call that moves bytes.
func count(n uintptr, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
