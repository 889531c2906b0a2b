package pipeline

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// The criteria, in the order of their evaluation
// (api/envoy/config/listener/v3/listener_components.proto FilterChainMatch).
const (
	matchDestinationPort = iota
	matchDestinationIP
	matchServerName
	matchTransportProtocol
	matchApplicationProtocol
	matchDirectSourceIP
	matchSourceType
	matchSourceIP
	matchSourcePort

	matchCriteria
)

var matchCriterionNames = [matchCriteria]string{
	"destination port", "destination IP", "server name", "transport protocol", "application protocol",
	"direct source IP", "source type", "source IP", "source port",
}

// matchCandidate is a filter chain on its way down the tree, with what it asked for
// at the levels above.
type matchCandidate struct {
	leaf *matchLeaf
	path [matchCriteria]string // as configured; "" matches everything
}

// buildMatch returns the tree for candidates from criterion on.
func buildMatch(criterion int, candidates []*matchCandidate) (matchNode, error) {
	if len(candidates) == 1 {
		return newLastMatch(criterion, candidates[0].leaf), nil
	}
	switch criterion {
	case matchDestinationPort:
		t, err := buildTable(criterion, candidates, func(m *FilterChainMatch) []uint16 { return unlessZero(m.DestinationPort) })
		return levelOrAny(&destinationPortLevel{t}, t), err
	case matchDestinationIP:
		t, rest, err := buildPrefixes(criterion, candidates, func(m *FilterChainMatch) []netip.Prefix { return m.PrefixRanges })
		return levelOrRest(&destinationIPLevel{t}, rest), err
	case matchServerName:
		return buildServerNames(candidates)
	case matchTransportProtocol:
		t, err := buildTable(criterion, candidates, func(m *FilterChainMatch) []string { return unlessZero(m.TransportProtocol) })
		return levelOrAny(&transportProtocolLevel{t}, t), err
	case matchApplicationProtocol:
		t, err := buildTable(criterion, candidates, func(m *FilterChainMatch) []string { return m.ApplicationProtocols })
		return levelOrAny(&applicationProtocolLevel{t}, t), err
	case matchDirectSourceIP:
		t, rest, err := buildPrefixes(criterion, candidates, func(m *FilterChainMatch) []netip.Prefix { return m.DirectSourcePrefixRanges })
		return levelOrRest(&directSourceIPLevel{t}, rest), err
	case matchSourceType:
		t, err := buildTable(criterion, candidates, func(m *FilterChainMatch) []SourceType { return unlessZero(m.SourceType) })
		return levelOrAny(&sourceTypeLevel{t}, t), err
	case matchSourceIP:
		t, rest, err := buildPrefixes(criterion, candidates, func(m *FilterChainMatch) []netip.Prefix { return m.SourcePrefixRanges })
		return levelOrRest(&sourceIPLevel{t}, rest), err
	case matchSourcePort:
		t, err := buildTable(criterion, candidates, func(m *FilterChainMatch) []uint16 { return m.SourcePorts })
		return levelOrAny(&sourcePortLevel{t}, t), err
	}
	return nil, sameMatch(candidates[0], candidates[1])
}

// levelOrAny leaves a level out at which nobody asks for anything.
func levelOrAny[K comparable](level matchNode, t tableLevel[K]) matchNode {
	if len(t.exact) == 0 {
		return t.any
	}
	return level
}

func levelOrRest(level, rest matchNode) matchNode {
	if rest != nil {
		return rest
	}
	return level
}

// grouped is the candidates of a level by what they ask for, in order of appearance.
type grouped[K comparable] struct {
	keys   []K
	byKey  map[K][]*matchCandidate
	no     []*matchCandidate // those that ask for nothing
	number int               // the criterion
}

func group[K comparable](criterion int, candidates []*matchCandidate, entries func(*FilterChainMatch) []K, key func(K) K) grouped[K] {
	g := grouped[K]{byKey: map[K][]*matchCandidate{}, number: criterion}
	for _, c := range candidates {
		values := entries(&c.leaf.chain.FilterChainMatch)
		if len(values) == 0 {
			g.no = append(g.no, c)
		}
		for _, value := range values {
			k := key(value)
			if _, there := g.byKey[k]; !there {
				g.keys = append(g.keys, k)
			}
			below := *c
			below.path[criterion] = fmt.Sprint(value)
			g.byKey[k] = append(g.byKey[k], &below)
		}
	}
	return g
}

// build returns what is below candidates, nil if there are none.
func (g *grouped[K]) build(candidates []*matchCandidate) (matchNode, error) {
	if len(candidates) == 0 {
		return nil, nil
	}
	return buildMatch(g.number+1, candidates)
}

func itself[K any](k K) K { return k }

func buildTable[K comparable](criterion int, candidates []*matchCandidate, entries func(*FilterChainMatch) []K) (t tableLevel[K], err error) {
	g := group(criterion, candidates, entries, itself)
	if t.any, err = g.build(g.no); err != nil {
		return t, err
	}
	t.exact = make(map[K]matchNode, len(g.keys))
	for _, k := range g.keys {
		if t.exact[k], err = g.build(g.byKey[k]); err != nil {
			return t, err
		}
	}
	return t, nil
}

func buildServerNames(candidates []*matchCandidate) (matchNode, error) {
	g := group(matchServerName, candidates, func(m *FilterChainMatch) []string { return m.ServerNames }, strings.ToLower)
	var l serverNameLevel
	var err error
	if l.any, err = g.build(g.no); err != nil || len(g.keys) == 0 {
		return l.any, err
	}
	l.exact, l.wildcard = map[string]matchNode{}, map[string]matchNode{}
	for _, name := range g.keys {
		into := l.exact
		below, err := g.build(g.byKey[name])
		if err != nil {
			return nil, err
		}
		if suffix, ok := wildcardSuffix(name); ok {
			name, into = suffix, l.wildcard
		}
		into[name] = below
	}
	return &l, nil
}

// The prefixes of everything, which a chain without a prefix has.
var everything = [...]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// buildPrefixes returns a table, or, if nobody asks for an address, what is below.
func buildPrefixes(criterion int, candidates []*matchCandidate, entries func(*FilterChainMatch) []netip.Prefix) (t prefixTable, rest matchNode, err error) {
	g := group(criterion, candidates, entries, netip.Prefix.Masked)
	if len(g.keys) == 0 {
		rest, err = g.build(g.no)
		return t, rest, err
	}
	t.nodes = make(map[netip.Prefix]matchNode, len(g.keys)+len(everything))
	if rest, err = g.build(g.no); err != nil {
		return t, nil, err
	}
	for _, all := range everything {
		if _, mixed := g.byKey[all]; mixed {
			g.byKey[all] = append(g.byKey[all], g.no...)
		} else if rest != nil {
			t.add(all, rest)
		}
	}
	for _, k := range g.keys {
		below, err := g.build(g.byKey[k])
		if err != nil {
			return t, nil, err
		}
		t.add(k, below)
	}
	return t, nil, nil
}

func (t *prefixTable) add(prefix netip.Prefix, below matchNode) {
	t.nodes[prefix] = below
	lengths := &t.bits4
	if prefix.Addr().Is6() {
		lengths = &t.bits6
	}
	// From the longest.
	if i, there := slices.BinarySearchFunc(*lengths, prefix.Bits(), func(a, b int) int { return b - a }); !there {
		*lengths = slices.Insert(*lengths, i, prefix.Bits())
	}
}

// sameMatch says that two chains end at the same leaf.
func sameMatch(a, b *matchCandidate) error {
	if a.leaf.index > b.leaf.index {
		a, b = b, a
	}
	var rules []string
	for i, name := range matchCriterionNames {
		switch i {
		case matchServerName, matchTransportProtocol, matchApplicationProtocol:
			rules = append(rules, fmt.Sprintf("%s %q", name, b.path[i]))
		default:
			if b.path[i] != "" {
				rules = append(rules, name+" "+b.path[i])
			}
		}
	}
	return fmt.Errorf("filter_chains[%d].filter_chain_match: %s: filter_chains[%d] has the same", b.leaf.index, strings.Join(rules, ", "), a.leaf.index)
}

func unlessZero[T comparable](value T) []T {
	var zero T
	if value == zero {
		return nil
	}
	return []T{value}
}
