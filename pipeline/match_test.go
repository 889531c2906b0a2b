package pipeline

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFilterChainMatch(t *testing.T) {
	type m = FilterChainMatch
	cfg := ListenerConfig{
		FilterChains: []FilterChain{
			{Name: "exact", FilterChainMatch: m{ServerNames: []string{"www.Example.com"}, TransportProtocol: "tls"}},
			{Name: "exact-h2", FilterChainMatch: m{ServerNames: []string{"www.example.com"}, TransportProtocol: "tls", ApplicationProtocols: []string{"h2"}}},
			{Name: "wild", FilterChainMatch: m{ServerNames: []string{"*.example.com"}}},
			{Name: "long", FilterChainMatch: m{ServerNames: []string{"*.b.example.com"}, ApplicationProtocols: []string{"h2", "http/1.1"}}},
			{Name: "tls", FilterChainMatch: m{TransportProtocol: "tls"}},
			{Name: "com", FilterChainMatch: m{ServerNames: []string{"*.com"}}},
		},
		DefaultFilterChain: &FilterChain{Name: "default"},
	}
	matcher, err := newChainMatcher(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, transport, protocols, want, why string
	}{
		{"www.example.com", "tls", "", "exact", "an exact name"},
		{"www.example.com", "tls", "http/1.1", "exact", "no entry for the protocol, but one for any"},
		{"www.example.com", "tls", "http/1.1,h2", "exact-h2", "the client's first that has an entry"},
		{"www.example.com", "raw_buffer", "", "default", "committed to the exact name: no way back to the wildcard"},
		{"a.example.com", "tls", "", "wild", "a wildcard"},
		{"a.b.c.example.com", "tls", "", "wild", "a wildcard stands for several labels"},
		{"a.b.example.com", "tls", "h2", "long", "the longest suffix"},
		{"a.b.example.com", "tls", "spdy", "default", "committed to the longest suffix"},
		{"b.example.com", "tls", "h2", "wild", "a wildcard needs a label before its suffix"},
		{"example.com", "tls", "", "com", "a wildcard does not match its own suffix"},
		{"com", "tls", "", "tls", "nor this one"},
		{".com", "tls", "", "tls", "an empty label is no label; Envoy finds *.com"},
		{"example.com.", "tls", "", "tls", "a trailing dot is part of the name"},
		{"", "tls", "", "tls", "no name"},
		{"", "raw_buffer", "", "default", "nothing at all"},
	} {
		info := ConnectionInfo{serverName: c.name, transportProtocol: c.transport}
		if c.protocols != "" {
			info.applicationProtocols = strings.Split(c.protocols, ",")
		}
		got := matcher.find(&info)
		if got == nil || got.chain.Name != c.want {
			t.Errorf("%q %s [%s]: got %v, want %s: %s", c.name, c.transport, c.protocols, got, c.want, c.why)
		}
	}
}

// slowFind says which chain matches in the words of the documentation: at each
// criterion keep the chains with the most specific entry that fits, and forget the
// others for good.
func slowFind(chains []FilterChain, info *ConnectionInfo) *FilterChain {
	keep := make([]*FilterChain, len(chains))
	for i := range chains {
		keep[i] = &chains[i]
	}
	// how specific the entry is that fits best; 0 for no entry, -1 for none that fits
	for _, criterion := range []func(*FilterChainMatch) int{
		func(m *FilterChainMatch) int { return oneOf(m.DestinationPort, info.local.Port()) },
		func(m *FilterChainMatch) int { return longestPrefix(m.PrefixRanges, info.local.Addr()) },
		func(m *FilterChainMatch) int { return longestName(m.ServerNames, info.serverName) },
		func(m *FilterChainMatch) int { return oneOf(m.TransportProtocol, info.transportProtocol) },
		func(m *FilterChainMatch) int {
			if len(m.ApplicationProtocols) == 0 {
				return 0
			}
			for i, p := range info.applicationProtocols {
				if slices.Contains(m.ApplicationProtocols, p) {
					return 1000 - i
				}
			}
			return -1
		},
		func(m *FilterChainMatch) int {
			return longestPrefix(m.DirectSourcePrefixRanges, info.DirectRemoteAddress().Addr())
		},
		func(m *FilterChainMatch) int {
			kind := SourceTypeExternal
			if r := info.remote.Addr(); r.IsLoopback() || r.IsValid() && r == info.local.Addr() {
				kind = SourceTypeSameIPOrLoopback
			}
			return oneOf(m.SourceType, kind)
		},
		func(m *FilterChainMatch) int { return longestPrefix(m.SourcePrefixRanges, info.remote.Addr()) },
		func(m *FilterChainMatch) int {
			if len(m.SourcePorts) == 0 {
				return 0
			}
			if slices.Contains(m.SourcePorts, info.remote.Port()) {
				return 1
			}
			return -1
		},
	} {
		best, next := -1, keep[:0:0]
		for _, c := range keep {
			best = max(best, criterion(&c.FilterChainMatch))
		}
		for _, c := range keep {
			if best >= 0 && criterion(&c.FilterChainMatch) == best {
				next = append(next, c)
			}
		}
		keep = next
	}
	if len(keep) == 0 {
		return nil
	}
	return keep[0]
}

func oneOf[T comparable](entry, value T) int {
	var none T
	switch entry {
	case none:
		return 0
	case value:
		return 1
	}
	return -1
}

func longestPrefix(prefixes []netip.Prefix, addr netip.Addr) int {
	if !addr.IsValid() {
		addr = netip.MustParseAddr("255.255.255.255")
	}
	best := -1
	for _, p := range prefixes {
		if p.Contains(addr) {
			best = max(best, p.Bits())
		}
	}
	if len(prefixes) == 0 {
		return 0
	}
	return best
}

func longestName(patterns []string, name string) int {
	best := -1
	for _, p := range patterns {
		if p == name {
			best = 1000
		}
		if suffix, ok := strings.CutPrefix(p, "*"); ok && strings.HasSuffix(name, suffix) && len(name) > len(suffix) {
			best = max(best, len(suffix))
		}
	}
	if len(patterns) == 0 {
		return 0
	}
	return best
}

func TestMatcherAgreesWithItsSlowTwin(t *testing.T) {
	patterns := rapid.SampledFrom([]string{"a", "a.b", "b.a.b", "*.a", "*.b", "*.a.b", "*.b.a.b"})
	protocols := rapid.SampledFrom([]string{"h2", "http/1.1", "x"})
	ports := rapid.SampledFrom([]uint16{80, 443})
	prefixes := rapid.Map(rapid.SampledFrom([]string{"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.0.1/32", "127.0.0.0/8", "::/0", "2001:db8::/32", "2001:db8::1/128", "255.0.0.0/8"}), netip.MustParsePrefix)
	addresses := rapid.Map(rapid.SampledFrom([]string{"10.1.0.1", "10.1.0.2", "10.2.0.1", "127.0.0.1", "192.0.2.1", "::1", "2001:db8::1", "2001:db8::2"}), netip.MustParseAddr)
	addrPorts := rapid.Custom(func(t *rapid.T) netip.AddrPort {
		if rapid.IntRange(0, 9).Draw(t, "known") == 0 {
			return netip.AddrPort{}
		}
		return netip.AddrPortFrom(addresses.Draw(t, "address"), rapid.SampledFrom([]uint16{80, 443, 8080}).Draw(t, "port"))
	})
	chain := rapid.Custom(func(t *rapid.T) FilterChainMatch {
		// Few criteria at a time, so that chains meet.
		some := func(name string) bool { return rapid.IntRange(0, 3).Draw(t, name) == 0 }
		m := FilterChainMatch{
			ServerNames:       rapid.SliceOfNDistinct(patterns, 0, 2, rapid.ID[string]).Draw(t, "server names"),
			TransportProtocol: rapid.SampledFrom([]string{"", "tls", "raw_buffer"}).Draw(t, "transport protocol"),
		}
		if some("has application protocols") {
			m.ApplicationProtocols = rapid.SliceOfNDistinct(protocols, 1, 2, rapid.ID[string]).Draw(t, "application protocols")
		}
		if some("has destination port") {
			m.DestinationPort = ports.Draw(t, "destination port")
		}
		for i, into := range []*[]netip.Prefix{&m.PrefixRanges, &m.DirectSourcePrefixRanges, &m.SourcePrefixRanges} {
			if some(fmt.Sprint("has prefixes ", i)) {
				*into = rapid.SliceOfNDistinct(prefixes, 1, 3, rapid.ID[netip.Prefix]).Draw(t, "prefixes")
			}
		}
		if some("has source type") {
			m.SourceType = rapid.SampledFrom([]SourceType{SourceTypeSameIPOrLoopback, SourceTypeExternal}).Draw(t, "source type")
		}
		if some("has source ports") {
			m.SourcePorts = rapid.SliceOfNDistinct(ports, 1, 2, rapid.ID[uint16]).Draw(t, "source ports")
		}
		return m
	})
	found, missed, chosen := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var cfg ListenerConfig
		for i, match := range rapid.SliceOfN(chain, 0, 8).Draw(t, "matches") {
			cfg.FilterChains = append(cfg.FilterChains, FilterChain{Name: fmt.Sprint(i), FilterChainMatch: match})
			if cfg.Validate() != nil { // the same leaf twice
				cfg.FilterChains = cfg.FilterChains[:len(cfg.FilterChains)-1]
			}
		}
		matcher, err := newChainMatcher(&cfg)
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			info := &ConnectionInfo{
				local: addrPorts.Draw(t, "local"), remote: addrPorts.Draw(t, "remote"),
				serverName:           rapid.SampledFrom([]string{"", "a", "b", ".a", "a.", "a.b", "a.a", "b.a.b", "a.b.a.b", "c.b.a.b", "x.a.b.", "..b"}).Draw(t, "name"),
				transportProtocol:    rapid.SampledFrom([]string{"tls", "raw_buffer"}).Draw(t, "transport"),
				applicationProtocols: rapid.SliceOfN(protocols, 0, 3).Draw(t, "protocols"),
			}
			if rapid.Bool().Draw(t, "proxied") {
				info.SetRemoteAddress(addrPorts.Draw(t, "remote behind the proxy"))
			}
			var got *FilterChain
			if leaf := matcher.find(info); leaf != nil {
				got = leaf.chain
				found++
				if len(cfg.FilterChains) > 2 {
					chosen++
				}
			} else {
				missed++
			}
			if want := slowFind(cfg.FilterChains, info); got != want {
				t.Fatalf("got %+v, want %+v", got, want)
			}
		}
	})
	if found == 0 || missed == 0 || chosen == 0 {
		t.Errorf("found %d, of these %d among several, and missed %d: the property was not tried", found, chosen, missed)
	}
}

// The examples of Envoy's documentation (FilterChainMatch) and of its known
// surprises: what is lost by going on only from the most specific entry.
func TestMatchNeverGoesBack(t *testing.T) {
	type m = FilterChainMatch
	prefix := func(s ...string) (p []netip.Prefix) {
		for _, s := range s {
			p = append(p, netip.MustParsePrefix(s))
		}
		return p
	}
	names := func(s ...string) []string { return s }
	for _, c := range []struct {
		why             string
		a, b            m
		name, transport string
		protocols       []string
		local, remote   string
		want            string
	}{
		{"a port with a chain never falls back to chains without a port",
			m{DestinationPort: 443, ServerNames: names("a.test")}, m{}, "b.test", "tls", nil, "10.0.0.1:443", "192.0.2.1:9", "default"},
		{"another port does", m{DestinationPort: 443, ServerNames: names("a.test")}, m{}, "b.test", "tls", nil, "10.0.0.1:80", "192.0.2.1:9", "b"},
		{"the longest destination prefix, whatever is behind it",
			m{PrefixRanges: prefix("10.1.0.0/16"), TransportProtocol: "tls"}, m{PrefixRanges: prefix("10.0.0.0/8")}, "", "raw_buffer", nil, "10.1.0.1:1", "192.0.2.1:9", "default"},
		{"an exact name beats its wildcard, also for a protocol that only the wildcard has",
			m{ServerNames: names("www.example.com"), ApplicationProtocols: names("h2")}, m{ServerNames: names("*.example.com")},
			"www.example.com", "tls", names("http/1.1"), "10.0.0.1:1", "192.0.2.1:9", "default"},
		{"an exact name for TLS only, and a plain client that says no name",
			m{ServerNames: names("www.example.com"), TransportProtocol: "tls"}, m{}, "", "raw_buffer", nil, "10.0.0.1:1", "192.0.2.1:9", "b"},
		{"a longer wildcard beats a shorter one", m{ServerNames: names("*.b.test"), TransportProtocol: "tls"}, m{ServerNames: names("*.test")},
			"a.b.test", "raw_buffer", nil, "10.0.0.1:1", "192.0.2.1:9", "default"},
		{"the transport protocol comes before the application protocol",
			m{TransportProtocol: "tls", ApplicationProtocols: names("h2")}, m{ApplicationProtocols: names("http/1.1")},
			"", "tls", names("http/1.1"), "10.0.0.1:1", "192.0.2.1:9", "default"},
		{"the client's order of protocols", m{ApplicationProtocols: names("h2")}, m{ApplicationProtocols: names("http/1.1")},
			"", "tls", names("http/1.1", "h2"), "10.0.0.1:1", "192.0.2.1:9", "b"},
		{"a local connection keeps to its source type, if anybody is for that",
			m{SourceType: SourceTypeSameIPOrLoopback, SourcePorts: []uint16{1}}, m{SourceType: SourceTypeAny}, "", "tls", nil, "127.0.0.1:1", "127.0.0.1:9", "default"},
		{"an external one goes to any", m{SourceType: SourceTypeSameIPOrLoopback, SourcePorts: []uint16{1}}, m{SourceType: SourceTypeAny},
			"", "tls", nil, "10.0.0.1:1", "192.0.2.1:9", "b"},
		{"the own address is local", m{SourceType: SourceTypeSameIPOrLoopback}, m{}, "", "tls", nil, "10.0.0.1:1", "10.0.0.1:9", "a"},
		{"the longest source prefix, also if its port does not fit",
			m{SourcePrefixRanges: prefix("192.0.2.0/24"), SourcePorts: []uint16{7}}, m{SourcePrefixRanges: prefix("192.0.0.0/16")},
			"", "tls", nil, "10.0.0.1:1", "192.0.2.1:9", "default"},
		{"no range is 0.0.0.0/0 and ::/0: a chain that says so is the same", m{SourcePrefixRanges: prefix("0.0.0.0/0"), SourcePorts: []uint16{9}}, m{},
			"", "tls", nil, "10.0.0.1:1", "192.0.2.1:8", "b"},
		{"an address of the other family", m{PrefixRanges: prefix("0.0.0.0/0")}, m{PrefixRanges: prefix("::/0")}, "", "tls", nil, "[2001:db8::1]:1", "[2001:db8::2]:9", "b"},
		{"a mapped address is IPv4", m{PrefixRanges: prefix("10.0.0.0/8")}, m{}, "", "tls", nil, "[::ffff:10.0.0.1]:1", "192.0.2.1:9", "a"},
	} {
		matcher, err := newChainMatcher(&ListenerConfig{
			FilterChains:       []FilterChain{{Name: "a", FilterChainMatch: c.a}, {Name: "b", FilterChainMatch: c.b}},
			DefaultFilterChain: &FilterChain{Name: "default"},
		})
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		got := matcher.find(&ConnectionInfo{serverName: c.name, transportProtocol: c.transport, applicationProtocols: c.protocols,
			local: netip.MustParseAddrPort(c.local), remote: netip.MustParseAddrPort(c.remote)})
		if got.chain.Name != c.want {
			t.Errorf("%s: got %s, want %s", c.why, got.chain.Name, c.want)
		}
	}
}

// manyChains returns n chains that use all criteria, and connections for them.
func manyChains(t testing.TB, n int) (*chainMatcher, []*ConnectionInfo) {
	var cfg ListenerConfig
	var infos []*ConnectionInfo
	for i := range n {
		host := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})
		remote := netip.AddrFrom4([4]byte{192, byte(i >> 8), byte(i), 7})
		m := FilterChainMatch{
			DestinationPort: uint16(443 + i%2), TransportProtocol: "tls", ApplicationProtocols: []string{"h2"},
			PrefixRanges:             []netip.Prefix{netip.PrefixFrom(host, 24)},
			ServerNames:              []string{fmt.Sprintf("*.tenant-%d.example.com", i)},
			DirectSourcePrefixRanges: []netip.Prefix{netip.PrefixFrom(remote, 16)},
			SourceType:               SourceTypeExternal,
			SourcePrefixRanges:       []netip.Prefix{netip.PrefixFrom(remote, 24)},
			SourcePorts:              []uint16{uint16(1000 + i)},
		}
		cfg.FilterChains = append(cfg.FilterChains, FilterChain{Name: fmt.Sprint(i), FilterChainMatch: m})
		infos = append(infos, &ConnectionInfo{
			local: netip.AddrPortFrom(host, m.DestinationPort), remote: netip.AddrPortFrom(remote, m.SourcePorts[0]),
			serverName: fmt.Sprintf("www.tenant-%d.example.com", i), transportProtocol: "tls", applicationProtocols: []string{"http/1.1", "h2"},
		})
	}
	matcher, err := newChainMatcher(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	return matcher, infos
}

// countingNodes walks the tree for info as find does.
func countingNodes(m *chainMatcher, info *ConnectionInfo) (nodes, tries int) {
	for n := m.root; n != nil; n = n.next(info) {
		nodes++
		switch l := n.(type) {
		case *matchLeaf:
			return nodes, tries
		case *destinationIPLevel:
			tries += len(l.bits4)
		case *directSourceIPLevel:
			tries += len(l.bits4)
		case *sourceIPLevel:
			tries += len(l.bits4)
		}
	}
	return 0, 0
}

func TestAMatchAmongManyChainsTakesNoMoreLooks(t *testing.T) {
	few, fewInfos := manyChains(t, 10)
	many, manyInfos := manyChains(t, 10_000)
	for i := range fewInfos {
		nodes, tries := countingNodes(few, fewInfos[i])
		manyNodes, manyTries := countingNodes(many, manyInfos[i])
		if nodes == 0 || nodes != manyNodes || tries != manyTries {
			t.Errorf("connection %d: got %d levels and %d prefix lengths among 10,000 chains, want %d and %d as among 10", i, manyNodes, manyTries, nodes, tries)
		}
	}
}

// BenchmarkMatch measures 10,000 chains beside 10, in turns, so that their ratio
// means something on a noisy machine: for connections that keep coming to ten of the
// chains, and for connections to all of them, which fit into no cache.
func BenchmarkMatch(b *testing.B) {
	few, fewInfos := manyChains(b, 10)
	many, manyInfos := manyChains(b, 10_000)
	var onFew, onSome, onAll time.Duration
	for b.Loop() {
		onFew += timeMatches(b, few, fewInfos, 1000)
		onSome += timeMatches(b, many, manyInfos[5000:5010], 1000)
		onAll += timeMatches(b, many, manyInfos, 1)
	}
	n := 10_000 * float64(b.N)
	b.ReportMetric(float64(onFew.Nanoseconds())/n, "ns/match-of-10")
	b.ReportMetric(float64(onSome.Nanoseconds())/n, "ns/match-of-10000")
	b.ReportMetric(float64(onAll.Nanoseconds())/n, "ns/cold-match-of-10000")
	b.ReportMetric(onSome.Seconds()/onFew.Seconds(), "ratio")
	b.ReportMetric(onAll.Seconds()/onFew.Seconds(), "cold-ratio")
}

func timeMatches(b *testing.B, m *chainMatcher, infos []*ConnectionInfo, rounds int) time.Duration {
	start := time.Now()
	for range rounds {
		for _, info := range infos {
			if m.find(info) == nil {
				b.Fatal("no match")
			}
		}
	}
	return time.Since(start)
}

func TestMatchDoesNotAllocate(t *testing.T) {
	matcher, infos := manyChains(t, 10)
	if allocs := testing.AllocsPerRun(100, func() {
		for _, info := range infos {
			if matcher.find(info) == nil {
				t.Fatal("no match")
			}
		}
	}); allocs != 0 {
		t.Errorf("got %v allocations, want 0", allocs)
	}
}
