package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"

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
	narrow := func(entries func(*FilterChainMatch) []string, fitting []string) {
		for _, entry := range fitting {
			var next []*FilterChain
			for _, c := range keep {
				if values := entries(&c.FilterChainMatch); slices.Contains(values, entry) || entry == "" && len(values) == 0 {
					next = append(next, c)
				}
			}
			if next != nil {
				keep = next
				return
			}
		}
		keep = nil
	}

	names := []string{}
	if info.serverName != "" {
		names = append(names, info.serverName)
		labels := strings.Split(info.serverName, ".")
		for i := 1; i < len(labels); i++ {
			if suffix := strings.Join(labels[i:], "."); suffix != "" && strings.Join(labels[:i], ".") != "" {
				names = append(names, "*."+suffix)
			}
		}
	}
	narrow(func(m *FilterChainMatch) []string { return m.ServerNames }, append(names, ""))
	narrow(func(m *FilterChainMatch) []string {
		if m.TransportProtocol == "" {
			return nil
		}
		return []string{m.TransportProtocol}
	}, []string{info.transportProtocol, ""})
	narrow(func(m *FilterChainMatch) []string { return m.ApplicationProtocols }, append(slices.Clone(info.applicationProtocols), ""))
	if len(keep) == 0 {
		return nil
	}
	return keep[0]
}

func TestMatcherAgreesWithItsSlowTwin(t *testing.T) {
	patterns := rapid.SampledFrom([]string{"a", "a.b", "b.a.b", "*.a", "*.b", "*.a.b", "*.b.a.b"})
	protocols := rapid.SampledFrom([]string{"h2", "http/1.1", "x"})
	chain := rapid.Custom(func(t *rapid.T) FilterChainMatch {
		return FilterChainMatch{
			ServerNames:          rapid.SliceOfNDistinct(patterns, 0, 2, rapid.ID[string]).Draw(t, "server names"),
			TransportProtocol:    rapid.SampledFrom([]string{"", "tls", "raw_buffer"}).Draw(t, "transport protocol"),
			ApplicationProtocols: rapid.SliceOfNDistinct(protocols, 0, 2, rapid.ID[string]).Draw(t, "application protocols"),
		}
	})
	found, missed := 0, 0
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
		info := &ConnectionInfo{
			serverName:           rapid.SampledFrom([]string{"", "a", "b", ".a", "a.", "a.b", "a.a", "b.a.b", "a.b.a.b", "c.b.a.b", "x.a.b.", "..b"}).Draw(t, "name"),
			transportProtocol:    rapid.SampledFrom([]string{"tls", "raw_buffer"}).Draw(t, "transport"),
			applicationProtocols: rapid.SliceOfN(protocols, 0, 3).Draw(t, "protocols"),
		}
		var got *FilterChain
		if leaf := matcher.find(info); leaf != nil {
			got = leaf.chain
			found++
		} else {
			missed++
		}
		if want := slowFind(cfg.FilterChains, info); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
	if found == 0 || missed == 0 {
		t.Errorf("found %d and missed %d: the property was not tried", found, missed)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	matcher, err := newChainMatcher(&ListenerConfig{FilterChains: []FilterChain{{
		FilterChainMatch: FilterChainMatch{ServerNames: []string{"*.example.com"}, ApplicationProtocols: []string{"h2"}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	info := &ConnectionInfo{serverName: "a.b.c.example.com", transportProtocol: "tls", applicationProtocols: []string{"http/1.1", "h2"}}
	if allocs := testing.AllocsPerRun(100, func() {
		if matcher.find(info) == nil {
			t.Fatal("no match")
		}
	}); allocs != 0 {
		t.Errorf("got %v allocations, want 0", allocs)
	}
}
