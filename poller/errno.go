package poller

import (
	"strconv"
	"syscall"
)

// errnoNames holds the errors that cross the boundary, with Linux's numbers for
// them, which other systems do not share.
var errnoNames = [...]struct {
	errno syscall.Errno
	linux int
	name  string
}{
	{0, 0, "ok"}, {syscall.EAGAIN, 11, "EAGAIN"}, {syscall.EINPROGRESS, 115, "EINPROGRESS"}, // the usual ones: a test kernel asks for each call
	{syscall.EPERM, 1, "EPERM"}, {syscall.ENOENT, 2, "ENOENT"}, {syscall.EINTR, 4, "EINTR"}, {syscall.EBADF, 9, "EBADF"},
	{syscall.ENOMEM, 12, "ENOMEM"}, {syscall.EACCES, 13, "EACCES"}, {syscall.EFAULT, 14, "EFAULT"},
	{syscall.EEXIST, 17, "EEXIST"}, {syscall.EINVAL, 22, "EINVAL"}, {syscall.ENFILE, 23, "ENFILE"}, {syscall.EMFILE, 24, "EMFILE"},
	{syscall.ENOSPC, 28, "ENOSPC"}, {syscall.EPIPE, 32, "EPIPE"}, {syscall.EDEADLK, 35, "EDEADLK"}, {syscall.ENOSYS, 38, "ENOSYS"},
	{syscall.ELOOP, 40, "ELOOP"}, {syscall.EPROTO, 71, "EPROTO"}, {syscall.ENOTSOCK, 88, "ENOTSOCK"},
	{syscall.ENOPROTOOPT, 92, "ENOPROTOOPT"}, {syscall.EOPNOTSUPP, 95, "EOPNOTSUPP"}, {syscall.EAFNOSUPPORT, 97, "EAFNOSUPPORT"},
	{syscall.EADDRINUSE, 98, "EADDRINUSE"}, {syscall.EADDRNOTAVAIL, 99, "EADDRNOTAVAIL"}, {syscall.ENETDOWN, 100, "ENETDOWN"},
	{syscall.ENETUNREACH, 101, "ENETUNREACH"}, {syscall.ECONNABORTED, 103, "ECONNABORTED"}, {syscall.ECONNRESET, 104, "ECONNRESET"},
	{syscall.ENOBUFS, 105, "ENOBUFS"}, {syscall.EISCONN, 106, "EISCONN"}, {syscall.ENOTCONN, 107, "ENOTCONN"},
	{syscall.ETIMEDOUT, 110, "ETIMEDOUT"}, {syscall.ECONNREFUSED, 111, "ECONNREFUSED"}, {syscall.EHOSTUNREACH, 113, "EHOSTUNREACH"},
	{syscall.EALREADY, 114, "EALREADY"},
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

// LinuxErrno returns the number that Linux on amd64 gives to err, on every
// operating system: 0 for nil, -1 for what is not an errno or not known here.
func LinuxErrno(err error) int {
	if err == nil {
		return 0
	}
	e, ok := err.(syscall.Errno)
	if !ok {
		return -1
	}
	for i := range errnoNames {
		if errnoNames[i].errno == e {
			return errnoNames[i].linux
		}
	}
	return -1
}
