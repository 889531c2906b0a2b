package pipeline

import (
	"fmt"
	"net/netip"
	"strings"
)

// chainMatcher finds the filter chain of a connection (Envoy
// filter_chain_manager_impl.cc). It goes through the criteria in Envoy's order and
// commits to the most specific entry of each: when a later criterion then fails
// there is no match, even if a less specific entry would have led to one. It
// differs in two oddities: Envoy finds "*.com" for the server name ".com", and takes
// a chain for 0.0.0.0/0 or one without a range, whichever it has built last, where
// both are alike here.
//
// It is a tree with a level per criterion. A level at which no chain of its branch
// says anything is left out, and a branch with one chain is just that chain, so a
// search costs as much as the criteria that tell chains apart, not as their number.
type chainMatcher struct {
	root     matchNode  // nil: no filter chains
	fallback *matchLeaf // nil: no default filter chain
	leaves   []*matchLeaf
}

// matchNode is a level of the tree, or a leaf.
type matchNode interface {
	// next is the node that info leads to, nil when there is none.
	next(info *ConnectionInfo) matchNode
}

// newChainMatcher returns a matcher for cfg. Errors name the place in Envoy's
// configuration.
func newChainMatcher(cfg *ListenerConfig) (*chainMatcher, error) {
	m := &chainMatcher{}
	if cfg.DefaultFilterChain != nil {
		m.fallback = newMatchLeaf(-1, cfg.DefaultFilterChain)
		m.leaves = append(m.leaves, m.fallback)
	}
	candidates := make([]*matchCandidate, len(cfg.FilterChains))
	for i := range cfg.FilterChains {
		if err := cfg.FilterChains[i].FilterChainMatch.validate(); err != nil {
			return nil, fmt.Errorf("filter_chains[%d].filter_chain_match%w", i, err)
		}
		leaf := newMatchLeaf(i, &cfg.FilterChains[i])
		m.leaves = append(m.leaves, leaf)
		candidates[i] = &matchCandidate{leaf: leaf}
	}
	var err error
	if len(candidates) > 0 {
		m.root, err = buildMatch(0, candidates)
	}
	return m, err
}

// find returns the leaf for info, that of the default chain, or nil. It does not
// allocate.
func (m *chainMatcher) find(info *ConnectionInfo) *matchLeaf {
	for n := m.root; n != nil; n = n.next(info) {
		if leaf, ok := n.(*matchLeaf); ok {
			return leaf
		}
	}
	return m.fallback
}

// matchLeaf is where all criteria are met.
type matchLeaf struct {
	index int // in the configuration, for messages; -1 is the default chain
	chain *FilterChain
	group *chainGroup
	note  string // the annotation of a connection that got here
}

func newMatchLeaf(index int, chain *FilterChain) *matchLeaf {
	return &matchLeaf{index, chain, &chainGroup{}, "matched " + chain.Name}
}

func (l *matchLeaf) next(*ConnectionInfo) matchNode { return l }

// tableLevel is exact, then the entry for everything.
type tableLevel[K comparable] struct {
	exact map[K]matchNode
	any   matchNode
}

func (l *tableLevel[K]) pick(key K) matchNode {
	if n, ok := l.exact[key]; ok {
		return n
	}
	return l.any
}

type destinationPortLevel struct{ tableLevel[uint16] }

func (l *destinationPortLevel) next(info *ConnectionInfo) matchNode {
	return l.pick(info.LocalAddress().Port())
}

type sourcePortLevel struct{ tableLevel[uint16] }

func (l *sourcePortLevel) next(info *ConnectionInfo) matchNode {
	return l.pick(info.RemoteAddress().Port())
}

type transportProtocolLevel struct{ tableLevel[string] }

func (l *transportProtocolLevel) next(info *ConnectionInfo) matchNode {
	return l.pick(info.transportProtocol)
}

// sourceTypeLevel: once a type has a chain, its connections find no other.
type sourceTypeLevel struct{ tableLevel[SourceType] }

func (l *sourceTypeLevel) next(info *ConnectionInfo) matchNode {
	if isSameIPOrLoopback(info) {
		return l.pick(SourceTypeSameIPOrLoopback)
	}
	return l.pick(SourceTypeExternal)
}

func isSameIPOrLoopback(info *ConnectionInfo) bool {
	remote := info.RemoteAddress().Addr().Unmap()
	return remote.IsLoopback() || remote.IsValid() && remote == info.LocalAddress().Addr().Unmap()
}

// serverNameLevel is by SNI: exact, then wildcards from the longest suffix to the
// shortest, then the entry for every name.
type serverNameLevel struct {
	tableLevel[string]
	wildcard map[string]matchNode // by suffix, with the leading dot
}

func (l *serverNameLevel) next(info *ConnectionInfo) matchNode {
	name := info.serverName
	if name == "" {
		return l.any
	}
	if n, ok := l.exact[name]; ok {
		return n
	}
	if len(l.wildcard) > 0 {
		// "*" stands for at least one byte, and a suffix for at least one label.
		for i := 1; i < len(name)-1; i++ {
			if name[i] == '.' {
				if n, ok := l.wildcard[name[i:]]; ok {
					return n
				}
			}
		}
	}
	return l.any
}

// wildcardSuffix returns ".example.com" for "*.example.com".
func wildcardSuffix(name string) (suffix string, ok bool) {
	suffix, ok = strings.CutPrefix(name, "*")
	return suffix, ok && strings.HasPrefix(suffix, ".")
}

// applicationProtocolLevel is by ALPN: the first of the client's list that has an
// entry, then the entry for everything.
type applicationProtocolLevel struct{ tableLevel[string] }

func (l *applicationProtocolLevel) next(info *ConnectionInfo) matchNode {
	for _, protocol := range info.applicationProtocols {
		if n, ok := l.exact[protocol]; ok {
			return n
		}
	}
	return l.any
}

// prefixTable is by address, the longest prefix first. It has a look for each
// length that occurs, however many prefixes there are.
type prefixTable struct {
	bits4, bits6 []int // lengths that occur, from the longest
	nodes        map[netip.Prefix]matchNode
}

// noAddress stands for an address that is not known: only a prefix for everything
// is meant for it (Envoy: for one that is not IP).
var noAddress = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func (t *prefixTable) pick(addr netip.Addr) matchNode {
	addr = matchedAddr(addr)
	lengths := t.bits4
	if addr.Is6() {
		lengths = t.bits6
	}
	for _, bits := range lengths {
		prefix, _ := addr.Prefix(bits)
		if n, ok := t.nodes[prefix]; ok {
			return n
		}
	}
	return nil
}

// matchedAddr is addr as prefixes are compared with it.
func matchedAddr(addr netip.Addr) netip.Addr {
	if !addr.IsValid() {
		return noAddress
	}
	return addr.Unmap().WithZone("")
}

type destinationIPLevel struct{ prefixTable }

func (l *destinationIPLevel) next(info *ConnectionInfo) matchNode {
	return l.pick(info.LocalAddress().Addr())
}

type directSourceIPLevel struct{ prefixTable }

func (l *directSourceIPLevel) next(info *ConnectionInfo) matchNode {
	return l.pick(info.DirectRemoteAddress().Addr())
}

type sourceIPLevel struct{ prefixTable }

func (l *sourceIPLevel) next(info *ConnectionInfo) matchNode {
	return l.pick(info.RemoteAddress().Addr())
}
