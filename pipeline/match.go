package pipeline

import (
	"fmt"
	"strings"
)

// chainMatcher finds the filter chain of a connection (Envoy
// filter_chain_manager_impl.cc). It goes through the criteria in Envoy's order and
// commits to the most specific entry of each: when a later criterion then fails
// there is no match, even if a less specific entry would have led to one. It
// differs in one oddity: Envoy finds "*.com" for the server name ".com".
//
// A criterion is a level of the tree: find returns the next level, and add makes
// the path to it.
type chainMatcher struct {
	names    serverNameLevel
	fallback *matchLeaf // nil: no default filter chain
}

// newChainMatcher returns a matcher for cfg. Errors name the place in Envoy's
// configuration.
func newChainMatcher(cfg *ListenerConfig) (*chainMatcher, error) {
	m := &chainMatcher{}
	if cfg.DefaultFilterChain != nil {
		m.fallback = newMatchLeaf(-1, cfg.DefaultFilterChain)
	}
	for i := range cfg.FilterChains {
		if err := m.add(i, &cfg.FilterChains[i]); err != nil {
			return nil, fmt.Errorf("filter_chains[%d].filter_chain_match%w", i, err)
		}
	}
	return m, nil
}

// find returns the leaf for info, that of the default chain, or nil. It does not
// allocate.
func (m *chainMatcher) find(info *ConnectionInfo) *matchLeaf {
	transports := m.names.find(info.serverName)
	if transports == nil {
		return m.fallback
	}
	protocols := transports.find(info.transportProtocol)
	if protocols == nil {
		return m.fallback
	}
	if leaf := protocols.find(info.applicationProtocols); leaf != nil {
		return leaf
	}
	return m.fallback
}

func (m *chainMatcher) add(index int, chain *FilterChain) error {
	match := &chain.FilterChainMatch
	switch match.TransportProtocol {
	case "", TransportProtocolTLS, TransportProtocolRawBuffer:
	default:
		return fmt.Errorf(".transport_protocol: %q: want \"tls\", \"raw_buffer\" or nothing", match.TransportProtocol)
	}
	leaf := newMatchLeaf(index, chain)
	for i, name := range orEmpty(match.ServerNames) {
		transports, err := m.names.add(name, len(match.ServerNames) > 0)
		if err != nil {
			return fmt.Errorf(".server_names[%d]: %q: %w", i, name, err)
		}
		protocols := transports.add(match.TransportProtocol)
		for j, protocol := range orEmpty(match.ApplicationProtocols) {
			if protocol == "" && len(match.ApplicationProtocols) > 0 {
				return fmt.Errorf(".application_protocols[%d]: %q: want a name", j, protocol)
			}
			if other, taken := protocols[protocol]; taken {
				return fmt.Errorf(": server name %q, transport protocol %q, application protocol %q: filter_chains[%d] has the same",
					name, match.TransportProtocol, protocol, other.index)
			}
			protocols[protocol] = leaf
		}
	}
	return nil
}

// orEmpty turns an empty criterion into the entry that matches everything.
func orEmpty(values []string) []string {
	if len(values) == 0 {
		return []string{""}
	}
	return values
}

// serverNameLevel is by SNI: exact, then wildcards from the longest suffix to the
// shortest, then the entry for every name.
type serverNameLevel struct {
	exact    map[string]transportLevel
	wildcard map[string]transportLevel // by suffix, with the leading dot
	any      transportLevel
}

func (l *serverNameLevel) find(name string) transportLevel {
	if name != "" {
		if next, ok := l.exact[name]; ok {
			return next
		}
		if len(l.wildcard) > 0 {
			// "*" stands for at least one byte, and a suffix for at least one label.
			for i := 1; i < len(name)-1; i++ {
				if name[i] == '.' {
					if next, ok := l.wildcard[name[i:]]; ok {
						return next
					}
				}
			}
		}
	}
	return l.any
}

func (l *serverNameLevel) add(name string, named bool) (transportLevel, error) {
	if !named {
		if l.any == nil {
			l.any = transportLevel{}
		}
		return l.any, nil
	}
	key := strings.ToLower(name)
	into := &l.exact
	if suffix, ok := strings.CutPrefix(key, "*"); ok && strings.HasPrefix(suffix, ".") {
		key, into = suffix, &l.wildcard
	}
	switch {
	case key == "" || key == ".":
		return nil, fmt.Errorf("want a name")
	case strings.Contains(key, "*"):
		return nil, fmt.Errorf("a wildcard is a leading \"*.\"")
	}
	if *into == nil {
		*into = map[string]transportLevel{}
	}
	next, ok := (*into)[key]
	if !ok {
		next = transportLevel{}
		(*into)[key] = next
	}
	return next, nil
}

// transportLevel is by detected transport protocol: exact, then the entry for "".
type transportLevel map[string]applicationLevel

func (l transportLevel) find(protocol string) applicationLevel {
	if next, ok := l[protocol]; ok {
		return next
	}
	return l[""]
}

func (l transportLevel) add(protocol string) applicationLevel {
	next, ok := l[protocol]
	if !ok {
		next = applicationLevel{}
		l[protocol] = next
	}
	return next
}

// applicationLevel is by ALPN: the first of the client's list that has an entry,
// then the entry for "".
type applicationLevel map[string]*matchLeaf

func (l applicationLevel) find(protocols []string) *matchLeaf {
	for _, protocol := range protocols {
		if leaf, ok := l[protocol]; ok && protocol != "" {
			return leaf
		}
	}
	return l[""]
}

// matchLeaf is where all criteria are met.
type matchLeaf struct {
	index int // in the configuration, for messages; -1 is the default chain
	chain *FilterChain
	note  string // the annotation of a connection that got here
}

func newMatchLeaf(index int, chain *FilterChain) *matchLeaf {
	return &matchLeaf{index, chain, "matched " + chain.Name}
}
