package poller

import (
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAddressesSurviveTheSockaddr(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skipf("no loopback interface: %v", err)
	}
	cases := []struct {
		in     string
		mapped bool
		want   string
	}{
		{"1.2.3.4:443", false, "1.2.3.4:443"},
		{"1.2.3.4:443", true, "1.2.3.4:443"},
		{"[::ffff:1.2.3.4]:65535", false, "1.2.3.4:65535"},
		{"[::ffff:1.2.3.4]:256", true, "1.2.3.4:256"},
		{"[2001:db8::1]:1", false, "[2001:db8::1]:1"},
		{"[fe80::1%7]:1", false, "[fe80::1%7]:1"},
		{"[fe80::1%lo]:1", false, "[fe80::1%" + strconv.Itoa(lo.Index) + "]:1"},
	}
	var sa unix.RawSockaddrAny
	for _, c := range cases {
		if err := putAddrPort(&sa, netip.MustParseAddrPort(c.in), c.mapped); err != nil {
			t.Errorf("%s, mapped %t: got %v, want nil", c.in, c.mapped, err)
		}
		if got := addrPortOf(&sa); got != netip.MustParseAddrPort(c.want) {
			t.Errorf("%s, mapped %t: got %v, want %s", c.in, c.mapped, got, c.want)
		}
	}
}

func TestAnotherFamilyHasNoAddress(t *testing.T) {
	sa := unix.RawSockaddrAny{Addr: unix.RawSockaddr{Family: unix.AF_UNIX}}
	if got := addrPortOf(&sa); got.IsValid() {
		t.Errorf("got %v, want the zero AddrPort", got)
	}
}

// A socket of the other family gets an IPv4 address mapped, and has no use for an
// IPv6 one.
func TestAddressesOfTheOtherFamily(t *testing.T) {
	e := newEpoll(t)
	socket := func(domain Domain) FD {
		fd, err := e.Socket(domain)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close(fd) })
		return fd
	}
	l := socket(Inet6)
	if err := e.Bind(l, netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		t.Fatalf("bind an IPv6 socket to an IPv4 address: %v", err)
	}
	if err := e.Listen(l, 1); err != nil {
		t.Fatal(err)
	}
	addr, err := e.LocalAddr(l)
	if err != nil || addr.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Fatalf("bound: got %v, %v, want 127.0.0.1", addr, err)
	}
	for _, domain := range []Domain{Inet, Inet6} {
		c := socket(domain)
		if err := e.Connect(c, addr); err != nil && err != syscall.EINPROGRESS {
			t.Errorf("connect, domain %v: got %v, want nil or EINPROGRESS", domain, err)
		}
		if got, err := e.PeerAddr(c); got != addr || err != nil { // loopback has connected by now
			t.Errorf("peer, domain %v: got %v, %v, want %v", domain, got, err, addr)
		}
	}
	if err := e.Connect(socket(Inet), netip.MustParseAddrPort("[::1]:1")); err != syscall.EAFNOSUPPORT {
		t.Errorf("an IPv6 address on an IPv4 socket: got %v, want EAFNOSUPPORT", err)
	}
}
