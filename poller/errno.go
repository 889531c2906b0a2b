package poller

import (
	"strconv"
	"syscall"
)

// errnoNames holds the errors that cross the boundary. Order is the order of
// Linux's numbers, so that an index means the same on every operating system.
var errnoNames = [...]struct {
	errno syscall.Errno
	name  string
}{
	{0, "ok"},
	{syscall.EPERM, "EPERM"}, {syscall.ENOENT, "ENOENT"}, {syscall.EINTR, "EINTR"}, {syscall.EBADF, "EBADF"},
	{syscall.EAGAIN, "EAGAIN"}, {syscall.ENOMEM, "ENOMEM"}, {syscall.EACCES, "EACCES"}, {syscall.EFAULT, "EFAULT"},
	{syscall.EEXIST, "EEXIST"}, {syscall.EINVAL, "EINVAL"}, {syscall.ENFILE, "ENFILE"}, {syscall.EMFILE, "EMFILE"},
	{syscall.ENOSPC, "ENOSPC"}, {syscall.EPIPE, "EPIPE"}, {syscall.EDEADLK, "EDEADLK"}, {syscall.ENOSYS, "ENOSYS"},
	{syscall.ELOOP, "ELOOP"}, {syscall.EPROTO, "EPROTO"}, {syscall.ENOTSOCK, "ENOTSOCK"},
	{syscall.ENOPROTOOPT, "ENOPROTOOPT"}, {syscall.EOPNOTSUPP, "EOPNOTSUPP"}, {syscall.EAFNOSUPPORT, "EAFNOSUPPORT"},
	{syscall.EADDRINUSE, "EADDRINUSE"}, {syscall.EADDRNOTAVAIL, "EADDRNOTAVAIL"}, {syscall.ENETDOWN, "ENETDOWN"},
	{syscall.ENETUNREACH, "ENETUNREACH"}, {syscall.ECONNABORTED, "ECONNABORTED"}, {syscall.ECONNRESET, "ECONNRESET"},
	{syscall.ENOBUFS, "ENOBUFS"}, {syscall.EISCONN, "EISCONN"}, {syscall.ENOTCONN, "ENOTCONN"},
	{syscall.ETIMEDOUT, "ETIMEDOUT"}, {syscall.ECONNREFUSED, "ECONNREFUSED"}, {syscall.EHOSTUNREACH, "EHOSTUNREACH"},
	{syscall.EALREADY, "EALREADY"}, {syscall.EINPROGRESS, "EINPROGRESS"},
}

// ErrnoName returns the symbol of errno(3) for err: "EAGAIN", "ok" for nil. An
// error that is not an errno gives its text.
func ErrnoName(err error) string {
	if err == nil {
		return "ok"
	}
	e, ok := err.(syscall.Errno)
	if !ok {
		return err.Error()
	}
	for _, n := range errnoNames {
		if n.errno == e {
			return n.name
		}
	}
	return "errno " + strconv.Itoa(int(e))
}

// ErrnoByName is the inverse of [ErrnoName] for the symbols that it knows.
func ErrnoByName(name string) (syscall.Errno, bool) {
	for _, n := range errnoNames {
		if n.name == name {
			return n.errno, true
		}
	}
	return 0, false
}
