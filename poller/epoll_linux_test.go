package poller

import (
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func newEpoll(t testing.TB) *Epoll {
	t.Helper()
	e, err := NewEpoll()
	if err != nil {
		t.Fatalf("NewEpoll: %v", err)
	}
	t.Cleanup(func() { e.Release() })
	return e
}

// listen returns a listener on a free port of ip, and its address.
func listen(t testing.TB, e *Epoll, ip string) (FD, netip.AddrPort) {
	t.Helper()
	fd, err := ListenTCP(e, netip.AddrPortFrom(netip.MustParseAddr(ip), 0), ListenConfig{})
	if err == syscall.EADDRNOTAVAIL || err == syscall.EAFNOSUPPORT {
		t.Skipf("no %s here: %v", ip, err)
	}
	if err != nil {
		t.Fatalf("ListenTCP %s: %v", ip, err)
	}
	t.Cleanup(func() { e.Close(fd) })
	addr, err := e.LocalAddr(fd)
	if err != nil {
		t.Fatalf("LocalAddr: %v", err)
	}
	return fd, addr
}

// dial returns both ends of a new connection to listener.
func dial(t testing.TB, e *Epoll, listener FD, to netip.AddrPort) (client, server FD) {
	t.Helper()
	client, err := e.Socket(DomainOf(to.Addr()))
	if err != nil {
		t.Fatalf("Socket: %v", err)
	}
	if err := e.Connect(client, to); err != syscall.EINPROGRESS {
		t.Fatalf("Connect %s: got %v, want EINPROGRESS", to, err)
	}
	waitFor(t, e, listener, In)
	server, _, err = e.Accept(listener)
	if err != nil {
		t.Fatalf("Accept: %v", err)
	}
	t.Cleanup(func() { e.Close(client); e.Close(server) })
	return client, server
}

// waitFor blocks until fd shows one of events.
func waitFor(t testing.TB, e *Epoll, fd FD, events Events) {
	t.Helper()
	if err := e.Add(fd, events, 0); err != nil {
		t.Fatalf("Add: %v", err)
	}
	var batch [1]Event
	if n, err := e.Wait(batch[:], 10*time.Second); n != 1 {
		t.Fatalf("Wait for %v: got %d, %v", events, n, err)
	}
	if err := e.Remove(fd); err != nil {
		t.Fatalf("Remove: %v", err)
	}
}

func TestHotCallsAllocateNothing(t *testing.T) {
	e := newEpoll(t)
	listener, addr := listen(t, e, "127.0.0.1")
	client, server := dial(t, e, listener, addr)
	watcher := newEpoll(t)
	if err := watcher.Add(server, In|Out, MakeToken(1, 1)); err != nil {
		t.Fatal(err)
	}
	var batch [64]Event
	buf := make([]byte, 64)
	parts := [][]byte{buf[:1], buf[1:3]}
	calls := []struct {
		name string
		call func() error
	}{
		{"Wait", func() error { _, err := watcher.Wait(batch[:], 0); return err }},
		{"Wait blocking", func() error { _, err := watcher.Wait(batch[:], -1); return err }},
		{"Wake", func() error { return e.Wake() }},
		{"Add, Modify, Remove", func() error {
			e.Add(server, In, 1)
			e.Modify(server, Out, 2)
			return e.Remove(server)
		}},
		{"Add EBADF", func() error { e.Add(-1, In, 1); return nil }},
		{"Read EAGAIN", func() error { e.Read(server, buf); return nil }},
		{"Write, Peek, Read", func() error {
			e.Write(client, buf[:3])
			e.Peek(server, buf)
			_, err := e.Read(server, buf)
			return err
		}},
		{"Writev, Read", func() error {
			e.Writev(client, parts)
			_, err := e.Read(server, buf)
			return err
		}},
		{"Accept EAGAIN", func() error { e.Accept(listener); return nil }},
		{"Socket, Connect, Accept, Close", func() error {
			fd, _ := e.Socket(Inet)
			e.Connect(fd, addr)
			accepted, _, err := e.Accept(listener)
			e.Close(accepted)
			e.Close(fd)
			return err
		}},
		{"SocketError", func() error { _, err := e.SocketError(server); return err }},
		{"LocalAddr, PeerAddr", func() error {
			e.LocalAddr(server)
			_, err := e.PeerAddr(server)
			return err
		}},
		{"SetSockOpt, SockOpt", func() error {
			e.SetSockOpt(server, TCPNoDelay, 1)
			_, err := e.SockOpt(server, SOLinger)
			return err
		}},
		{"Now", func() error { e.Now(); return nil }},
	}
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			if err := c.call(); err != nil {
				t.Fatalf("got %v, want no error", err)
			}
			if got := testing.AllocsPerRun(20, func() { c.call() }); got != 0 {
				t.Errorf("got %v allocations, want 0", got)
			}
		})
	}
}

func TestAddressesOfBothFamilies(t *testing.T) {
	cases := []struct{ name, listen, dialled string }{
		{"IPv4", "127.0.0.1", "127.0.0.1"},
		{"IPv6", "::1", "::1"},
		{"mapped address of an IPv4 listener", "::ffff:127.0.0.1", "::ffff:127.0.0.1"},
		{"IPv4 client of an IPv6 listener", "::", "127.0.0.1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := newEpoll(t)
			listener, addr := listen(t, e, c.listen)
			to := netip.AddrPortFrom(netip.MustParseAddr(c.dialled), addr.Port())
			client, server := dial(t, e, listener, to)
			want := netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
			for _, end := range []struct {
				name string
				of   func(FD) (netip.AddrPort, error)
				fd   FD
			}{{"PeerAddr of the client", e.PeerAddr, client}, {"LocalAddr of the server", e.LocalAddr, server}} {
				if got, err := end.of(end.fd); got != want || err != nil {
					t.Errorf("%s: got %v, %v, want %v", end.name, got, err, want)
				}
			}
		})
	}
}

func TestIPv4AddressIsMappedForAnInet6Socket(t *testing.T) {
	e := newEpoll(t)
	listener, addr := listen(t, e, "127.0.0.1")
	fd, err := e.Socket(Inet6)
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	defer e.Close(fd)
	if err := e.Connect(fd, addr); err != syscall.EINPROGRESS {
		t.Fatalf("Connect: got %v, want EINPROGRESS", err)
	}
	waitFor(t, e, listener, In)
	if got, err := e.PeerAddr(fd); got != addr || err != nil {
		t.Errorf("PeerAddr: got %v, %v, want %v", got, err, addr)
	}
}

func TestBadAddresses(t *testing.T) {
	e := newEpoll(t)
	fd, err := e.Socket(Inet)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(fd)
	cases := []struct {
		name string
		fd   FD
		addr netip.AddrPort
		want error
	}{
		{"the zero AddrPort", fd, netip.AddrPort{}, syscall.EINVAL},
		{"IPv6 on an IPv4 socket", fd, netip.MustParseAddrPort("[::1]:1"), syscall.EAFNOSUPPORT},
		{"an unknown zone", fd, netip.MustParseAddrPort("[fe80::1%no-such-link]:1"), syscall.ENODEV},
		{"a closed descriptor", -1, netip.MustParseAddrPort("127.0.0.1:1"), syscall.EBADF},
	}
	for _, c := range cases {
		if got := e.Connect(c.fd, c.addr); got != c.want {
			t.Errorf("Connect with %s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestMillisecondsAreNeverEarly(t *testing.T) {
	cases := []struct {
		d    time.Duration
		want int
	}{
		{-1, -1}, {-time.Hour, -1}, {0, 0}, {1, 1}, {time.Millisecond, 1}, {time.Millisecond + 1, 2},
		{time.Second, 1000}, {1<<63 - 1, 1<<31 - 1},
	}
	for _, c := range cases {
		if got := milliseconds(c.d); got != c.want {
			t.Errorf("milliseconds(%d): got %d, want %d", c.d, got, c.want)
		}
	}
}

func TestWakeEndsABlockedWait(t *testing.T) {
	e := newEpoll(t)
	var batch [4]Event
	for range 100 {
		woken := make(chan error)
		go func() { woken <- e.Wake() }()
		if n, err := e.Wait(batch[:], -1); n != 0 || err != nil {
			t.Fatalf("Wait: got %d, %v, want 0, nil", n, err)
		}
		if err := <-woken; err != nil {
			t.Fatalf("Wake: %v", err)
		}
	}
}

// TestWakeNeverHitsAReusedNumber closes pollers beside goroutines that wake
// them, while fresh sockets take the numbers over: a late write to one of those
// would say EPIPE. The window is narrow: -race sees a missing lock every time.
func TestWakeNeverHitsAReusedNumber(t *testing.T) {
	keeper := newEpoll(t)
	for range 200 {
		e, err := NewEpoll()
		if err != nil {
			t.Fatal(err)
		}
		var wakers sync.WaitGroup
		errs := make(chan error, 4)
		for range cap(errs) {
			wakers.Go(func() {
				for {
					if err := e.Wake(); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		e.Release()
		var taken [2]FD
		for i := range taken {
			if taken[i], err = keeper.Socket(Inet); err != nil {
				t.Fatal(err)
			}
		}
		wakers.Wait()
		for _, fd := range taken {
			keeper.Close(fd)
		}
		for range cap(errs) {
			if err := <-errs; err != syscall.EBADF {
				t.Fatalf("Wake after Release: got %v, want EBADF", err)
			}
		}
	}
}

func TestReleaseTwice(t *testing.T) {
	e, err := NewEpoll()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Release(); err != nil {
		t.Errorf("first Release: got %v, want nil", err)
	}
	if err := e.Release(); err != syscall.EBADF {
		t.Errorf("second Release: got %v, want EBADF", err)
	}
}

func TestOpenFailsWithANilSystem(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	sys, err := Open()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if sys != nil || err != syscall.EMFILE {
		t.Errorf("Open at the limit: got %v, %v, want nil, EMFILE", sys, err)
	}
}

func TestWritevKeepsNothingOfTheCaller(t *testing.T) {
	e := newEpoll(t)
	listener, addr := listen(t, e, "127.0.0.1")
	client, server := dial(t, e, listener, addr)
	parts := [][]byte{[]byte("one "), nil, []byte("two "), []byte("three")}
	if n, err := e.Writev(client, parts); n != 13 || err != nil {
		t.Fatalf("Writev: got %d, %v, want 13, nil", n, err)
	}
	waitFor(t, e, server, In)
	buf := make([]byte, 64)
	n, err := e.Read(server, buf)
	if got, want := string(buf[:n]), "one two three"; got != want || err != nil {
		t.Errorf("Read: got %q, %v, want %q", got, err, want)
	}
	for i, iov := range e.sock.iovecs[:cap(e.sock.iovecs)] {
		if iov.Base != nil {
			t.Errorf("iovec %d still points to the caller's slice", i)
		}
	}
}

func TestEveryErrnoIsBare(t *testing.T) {
	e := newEpoll(t)
	calls := map[string]error{}
	_, calls["Dup"] = e.Dup(-1)
	_, calls["Socket"] = e.Socket(-1)
	_, _, calls["Accept"] = e.Accept(-1)
	_, calls["Read"] = e.Read(-1, nil)
	_, calls["Writev"] = e.Writev(-1, nil)
	calls["Shutdown"] = e.Shutdown(-1, ShutBoth)
	calls["Listen"] = e.Listen(-1, 1)
	calls["Close"] = e.Close(-1)
	for name, err := range calls {
		if _, ok := err.(syscall.Errno); !ok || !strings.HasPrefix(ErrnoName(err), "E") {
			t.Errorf("%s: got %T %v, want a syscall.Errno", name, err, err)
		}
	}
}
