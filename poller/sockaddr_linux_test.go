package poller

import (
	"net"
	"net/netip"
	"strconv"
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
		size   uintptr
		want   string
	}{
		{"1.2.3.4:443", false, unix.SizeofSockaddrInet4, "1.2.3.4:443"},
		{"1.2.3.4:443", true, unix.SizeofSockaddrInet6, "1.2.3.4:443"},
		{"[::ffff:1.2.3.4]:65535", false, unix.SizeofSockaddrInet4, "1.2.3.4:65535"},
		{"[::ffff:1.2.3.4]:256", true, unix.SizeofSockaddrInet6, "1.2.3.4:256"},
		{"[2001:db8::1]:1", false, unix.SizeofSockaddrInet6, "[2001:db8::1]:1"},
		{"[fe80::1%7]:1", false, unix.SizeofSockaddrInet6, "[fe80::1%7]:1"},
		{"[fe80::1%lo]:1", false, unix.SizeofSockaddrInet6, "[fe80::1%" + strconv.Itoa(lo.Index) + "]:1"},
	}
	var sa unix.RawSockaddrAny
	for _, c := range cases {
		size, err := putAddrPort(&sa, netip.MustParseAddrPort(c.in), c.mapped)
		if size != c.size || err != nil {
			t.Errorf("%s, mapped %t: got size %d, %v, want %d", c.in, c.mapped, size, err, c.size)
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
