package pipeline

import (
	"net/netip"
	"slices"
	"strings"
)

// lastMatch is a branch with one filter chain left: its other criteria fit or there
// is no match. Most branches end so, and one object is one miss of the cache where
// the tables of all levels would be ten.
type lastMatch struct {
	from  int // the first criterion that was not looked at
	match FilterChainMatch
	leaf  *matchLeaf
}

// newLastMatch returns the leaf itself when nothing is left to be asked.
func newLastMatch(from int, leaf *matchLeaf) matchNode {
	m := &leaf.chain.FilterChainMatch
	for i, asks := range [matchCriteria]bool{
		m.DestinationPort != 0, len(m.PrefixRanges) > 0, len(m.ServerNames) > 0, m.TransportProtocol != "", len(m.ApplicationProtocols) > 0,
		len(m.DirectSourcePrefixRanges) > 0, m.SourceType != SourceTypeAny, len(m.SourcePrefixRanges) > 0, len(m.SourcePorts) > 0,
	} {
		if asks && i >= from {
			last := &lastMatch{i, *m, leaf}
			last.match.ServerNames = lowerCase(m.ServerNames)
			return last
		}
	}
	return leaf
}

func lowerCase(names []string) []string {
	lower := make([]string, len(names))
	for i, name := range names {
		lower[i] = strings.ToLower(name)
	}
	return lower
}

func (l *lastMatch) next(info *ConnectionInfo) matchNode {
	for i := l.from; i < matchCriteria; i++ {
		if !l.match.fits(i, info) {
			return nil
		}
	}
	return l.leaf
}

// fits looks at one criterion.
func (m *FilterChainMatch) fits(criterion int, info *ConnectionInfo) bool {
	switch criterion {
	case matchDestinationPort:
		return m.DestinationPort == 0 || m.DestinationPort == info.LocalAddress().Port()
	case matchDestinationIP:
		return len(m.PrefixRanges) == 0 || contains(m.PrefixRanges, info.LocalAddress().Addr())
	case matchServerName:
		return len(m.ServerNames) == 0 || slices.ContainsFunc(m.ServerNames, func(pattern string) bool { return nameFits(pattern, info.serverName) })
	case matchTransportProtocol:
		return m.TransportProtocol == "" || m.TransportProtocol == info.transportProtocol
	case matchApplicationProtocol:
		return len(m.ApplicationProtocols) == 0 || slices.ContainsFunc(info.applicationProtocols, func(p string) bool { return slices.Contains(m.ApplicationProtocols, p) })
	case matchDirectSourceIP:
		return len(m.DirectSourcePrefixRanges) == 0 || contains(m.DirectSourcePrefixRanges, info.DirectRemoteAddress().Addr())
	case matchSourceType:
		return m.SourceType == SourceTypeAny || (m.SourceType == SourceTypeSameIPOrLoopback) == isSameIPOrLoopback(info)
	case matchSourceIP:
		return len(m.SourcePrefixRanges) == 0 || contains(m.SourcePrefixRanges, info.RemoteAddress().Addr())
	case matchSourcePort:
		return len(m.SourcePorts) == 0 || slices.Contains(m.SourcePorts, info.RemoteAddress().Port())
	}
	return true
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	addr = matchedAddr(addr)
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// nameFits compares in the way of the tables of serverNameLevel. Both are in lower
// case.
func nameFits(pattern, name string) bool {
	if suffix, ok := wildcardSuffix(pattern); ok {
		return len(name) > len(suffix) && strings.HasSuffix(name, suffix)
	}
	return pattern == name
}
