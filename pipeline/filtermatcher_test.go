package pipeline

import (
	"net/netip"
	"testing"
)

func TestListenerFilterMatchers(t *testing.T) {
	on := func(port uint16) *ConnectionInfo {
		return &ConnectionInfo{local: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port)}
	}
	yes, no := MatchAny(), MatchNot(MatchAny())
	low := MatchDestinationPort(80, 90)
	for _, c := range []struct {
		name    string
		matches ListenerFilterMatcher
		info    *ConnectionInfo
		want    bool
	}{
		{"any", yes, on(1), true},
		{"not any", no, on(1), false},
		{"and of none", MatchAnd(), on(1), true},
		{"and of all", MatchAnd(yes, yes), on(1), true},
		{"and with one that does not", MatchAnd(yes, no, yes), on(1), false},
		{"or of none", MatchOr(), on(1), false},
		{"or of one that does", MatchOr(no, yes), on(1), true},
		{"or of none that does", MatchOr(no, no), on(1), false},
		{"start is in the range", low, on(80), true},
		{"end is not", low, on(90), false},
		{"last is", low, on(89), true},
		{"before", low, on(79), false},
		{"the highest port", MatchDestinationPort(65535, 65536), on(65535), true},
		{"an empty range", MatchDestinationPort(80, 80), on(80), false},
		{"a range that ends before it starts", MatchDestinationPort(90, 80), on(85), false},
		{"an unknown address", low, &ConnectionInfo{}, true},
		{"all together", MatchAnd(MatchOr(low, MatchDestinationPort(443, 444)), MatchNot(MatchDestinationPort(85, 86))), on(443), true},
	} {
		if got := c.matches(c.info); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestFindings(t *testing.T) {
	a, b, c := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2"), netip.MustParseAddrPort("192.0.2.3:3")
	i := &ConnectionInfo{local: a, remote: a}
	if i.LocalAddressRestored() || i.DirectRemoteAddress() != a || i.JA3() != "" || i.JA4() != "" ||
		i.UpstreamSocketOptions() != (UpstreamSocketOptions{}) || i.FilterState("x") != nil || i.findings != nil {
		t.Errorf("got %+v and %+v, want nothing found", i, i.findings)
	}
	i.SetRemoteAddress(b)
	i.SetRemoteAddress(c)
	if i.RemoteAddress() != c || i.DirectRemoteAddress() != a {
		t.Errorf("remote: got %v and directly %v, want %v and %v", i.RemoteAddress(), i.DirectRemoteAddress(), c, a)
	}
	i.RestoreLocalAddress(b)
	if i.LocalAddress() != b || !i.LocalAddressRestored() {
		t.Errorf("local: got %v, restored %v, want %v", i.LocalAddress(), i.LocalAddressRestored(), b)
	}
	i.SetFilterState("x", 1)
	i.SetFilterState("y", 2)
	i.SetFilterState("x", 3)
	if x, y := i.FilterState("x"), i.FilterState("y"); x != 3 || y != 2 || i.FilterState("z") != nil {
		t.Errorf("filter state: got %v and %v, want 3 and 2", x, y)
	}
}
