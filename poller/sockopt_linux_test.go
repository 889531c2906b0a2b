package poller

import (
	"math"
	"strconv"
	"syscall"
	"testing"
)

func TestOptionsAreReadBack(t *testing.T) {
	e := newEpoll(t)
	fd, err := e.Socket(Inet)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(fd)
	cases := []struct {
		opt        SockOpt
		value, got int
	}{
		{TCPNoDelay, 1, 1}, {TCPNoDelay, 0, 0}, {SOKeepAlive, 1, 1}, {SOReuseAddr, 1, 1}, {SOReusePort, 1, 1},
		{SOLinger, 7, 7}, {SOLinger, 0, 0}, {SOLinger, -5, -1}, {SORcvLowat, 9, 9},
		{SOSndBuf, 10000, 20000}, {SORcvBuf, 10000, 20000}, {TCPQuickAck, 0, 0}, {TCPQuickAck, 1, 1},
	}
	for _, c := range cases {
		if err := e.SetSockOpt(fd, c.opt, c.value); err != nil {
			t.Errorf("set %v %d: got %v, want nil", c.opt, c.value, err)
		}
		if got, err := e.SockOpt(fd, c.opt); got != c.got || err != nil {
			t.Errorf("%v after %d: got %d, %v, want %d", c.opt, c.value, got, err, c.got)
		}
	}
}

func TestLingerIsOffAtFirst(t *testing.T) {
	e := newEpoll(t)
	fd, err := e.Socket(Inet)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(fd)
	if got, err := e.SockOpt(fd, SOLinger); got != -1 || err != nil {
		t.Errorf("got %d, %v, want -1", got, err)
	}
}

func TestAnOptionThatIsNoCInt(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("every int is a C int here")
	}
	e := newEpoll(t)
	fd, err := e.Socket(Inet)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(fd)
	value := math.MaxInt32
	value++
	for _, opt := range []SockOpt{SOSndBuf, SOLinger} {
		if got := e.SetSockOpt(fd, opt, value); got != syscall.EINVAL {
			t.Errorf("%v: got %v, want EINVAL", opt, got)
		}
	}
}

func TestOptionsOfAClosedDescriptor(t *testing.T) {
	e := newEpoll(t)
	for _, opt := range []SockOpt{TCPNoDelay, SOLinger} {
		if got := e.SetSockOpt(-1, opt, 1); got != syscall.EBADF {
			t.Errorf("SetSockOpt %v: got %v, want EBADF", opt, got)
		}
		if _, got := e.SockOpt(-1, opt); got != syscall.EBADF {
			t.Errorf("SockOpt %v: got %v, want EBADF", opt, got)
		}
	}
	if _, got := e.SocketError(-1); got != syscall.EBADF {
		t.Errorf("SocketError: got %v, want EBADF", got)
	}
}

func TestUnknownOptions(t *testing.T) {
	e := newEpoll(t)
	fd, err := e.Socket(Inet)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(fd)
	for _, opt := range []SockOpt{0, TCPQuickAck + 1, 255} {
		if got := e.SetSockOpt(fd, opt, 1); got != syscall.ENOPROTOOPT {
			t.Errorf("SetSockOpt %v: got %v, want ENOPROTOOPT", opt, got)
		}
		if _, got := e.SockOpt(fd, opt); got != syscall.ENOPROTOOPT {
			t.Errorf("SockOpt %v: got %v, want ENOPROTOOPT", opt, got)
		}
	}
}
