package poller

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOriginalDstOfAConnectionThatWasNotRedirected(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			e := newEpoll(t)
			l, addr := listen(t, e, ip)
			_, fd := dial(t, e, l, addr)
			if got, err := e.OriginalDst(fd); err != syscall.ENOENT && err != syscall.ENOPROTOOPT && err != syscall.EOPNOTSUPP {
				t.Errorf("got %v, %v, want ENOENT, ENOPROTOOPT or EOPNOTSUPP", got, err)
			}
			if _, err := e.OriginalDst(-1); err != syscall.EBADF {
				t.Errorf("no descriptor: got %v, want EBADF", err)
			}
		})
	}
}

// With TPROXY the original destination is where the socket believes to be.
func TestOriginalDstOfATransparentSocket(t *testing.T) {
	for _, c := range []struct {
		ip          string
		level, name int
	}{{"127.0.0.1", unix.SOL_IP, unix.IP_TRANSPARENT}, {"::1", unix.SOL_IPV6, unix.IPV6_TRANSPARENT}} {
		t.Run(c.ip, func(t *testing.T) {
			e := newEpoll(t)
			l, addr := listen(t, e, c.ip)
			if err := unix.SetsockoptInt(int(l), c.level, c.name, 1); err != nil {
				t.Skipf("no right to be transparent: %v", err)
			}
			_, fd := dial(t, e, l, addr)
			if got, err := e.OriginalDst(fd); got != addr || err != nil {
				t.Errorf("got %v, %v, want %v", got, err, addr)
			}
		})
	}
}

func TestSetMark(t *testing.T) {
	e := newEpoll(t)
	fd, err := e.Socket(Inet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(fd) })
	const mark = 0x80000007 // the high bit is a bit like any other
	if err := e.SetMark(fd, mark); err == syscall.EPERM {
		t.Skip("no right to set marks")
	} else if err != nil {
		t.Fatal(err)
	}
	if got, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK); uint32(got) != mark || err != nil {
		t.Errorf("got mark %#x, %v, want %#x", uint32(got), err, uint32(mark))
	}
	if err := e.SetMark(-1, mark); err != syscall.EBADF {
		t.Errorf("no descriptor: got %v, want EBADF", err)
	}
}
