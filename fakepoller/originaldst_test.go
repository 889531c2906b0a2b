package fakepoller

import (
	"net/netip"
	"syscall"
	"testing"

	"edgewise.test/poller"
)

func TestRedirectedConnectionHasAnOriginalDestination(t *testing.T) {
	w := New(Config{})
	defer w.Close()
	k := w.NewWorker()
	l := listen(t, k, poller.ListenConfig{})
	original, from := netip.MustParseAddrPort("203.0.113.7:8443"), netip.MustParseAddrPort("198.51.100.1:1000")
	client := w.Hand("client")
	for _, c := range []struct {
		name string
		dial func() (*Conn, error)
		want netip.AddrPort
		err  error
	}{
		{"redirected", func() (*Conn, error) { return client.DialRedirected(netip.AddrPort{}, original, addr) }, original, nil},
		{"redirected from somewhere", func() (*Conn, error) { return client.DialRedirected(from, original, addr) }, original, nil},
		{"not redirected", func() (*Conn, error) { return client.Dial(addr) }, netip.AddrPort{}, syscall.ENOENT},
	} {
		if _, err := c.dial(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		fd, remote, err := k.Accept(l)
		if err != nil {
			t.Fatalf("%s: accept: %v", c.name, err)
		}
		if got, err := k.OriginalDst(fd); got != c.want || err != c.err {
			t.Errorf("%s: got %v, %v, want %v, %v", c.name, got, err, c.want, c.err)
		}
		if c.name == "redirected from somewhere" && remote != from {
			t.Errorf("%s: accepted from %v, want %v", c.name, remote, from)
		}
		if got, err := k.LocalAddr(fd); got != addr || err != nil {
			t.Errorf("%s: local address: got %v, %v, want %v", c.name, got, err, addr)
		}
	}
	if _, err := k.OriginalDst(99); err != syscall.EBADF {
		t.Errorf("no descriptor: got %v, want EBADF", err)
	}
}
