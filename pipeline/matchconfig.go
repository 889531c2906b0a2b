package pipeline

import (
	"fmt"
	"net/netip"
	"strings"
)

// FilterChainMatch holds the criteria of a filter chain. They are looked at in the
// order of the fields, each for its most specific entry, without a way back. An
// empty criterion matches everything (Envoy
// api/envoy/config/listener/v3/listener_components.proto).
type FilterChainMatch struct {
	// DestinationPort is the port of the local address, as listener filters have
	// restored it. 0 is no criterion.
	DestinationPort uint16

	// PrefixRanges hold the local address; the longest that does counts.
	PrefixRanges []netip.Prefix

	// ServerNames are exact names or wildcards with a leading "*.", in any case.
	// "*.example.com" matches "a.example.com" and "a.b.example.com", not
	// "example.com".
	ServerNames []string

	// TransportProtocol is "tls" or "raw_buffer".
	TransportProtocol string

	// ApplicationProtocols are ALPN names, such as "h2". The order of the client
	// counts, not this one.
	ApplicationProtocols []string

	// DirectSourcePrefixRanges hold who has connected, whatever a listener filter
	// has said about the remote address.
	DirectSourcePrefixRanges []netip.Prefix

	// SourceType is what kind of remote address it is for. When one chain is for
	// the type of a connection, those for any type are not looked at.
	SourceType SourceType

	// SourcePrefixRanges hold the remote address.
	SourcePrefixRanges []netip.Prefix

	// SourcePorts are ports of the remote address.
	SourcePorts []uint16
}

// SourceType is a kind of remote address (Envoy ConnectionSourceType).
type SourceType uint8

const (
	// SourceTypeAny is no criterion.
	SourceTypeAny SourceType = iota
	// SourceTypeSameIPOrLoopback is a loopback address, or the same as the local
	// one. An address that is not known is external.
	SourceTypeSameIPOrLoopback
	// SourceTypeExternal is every other address.
	SourceTypeExternal
)

// String returns Envoy's name.
func (t SourceType) String() string {
	switch t {
	case SourceTypeAny:
		return "ANY"
	case SourceTypeSameIPOrLoopback:
		return "SAME_IP_OR_LOOPBACK"
	case SourceTypeExternal:
		return "EXTERNAL"
	}
	return fmt.Sprintf("SourceType(%d)", uint8(t))
}

// validate looks at the values. The error starts with the path.
func (m *FilterChainMatch) validate() error {
	for _, ranges := range [...]struct {
		path     string
		prefixes []netip.Prefix
	}{
		{".prefix_ranges", m.PrefixRanges},
		{".direct_source_prefix_ranges", m.DirectSourcePrefixRanges},
		{".source_prefix_ranges", m.SourcePrefixRanges},
	} {
		for i, prefix := range ranges.prefixes {
			if !prefix.IsValid() || prefix.Addr().Is4In6() {
				return fmt.Errorf("%s[%d]: %v: want an IPv4 or IPv6 prefix", ranges.path, i, prefix)
			}
		}
		if err := distinct(ranges.path, ranges.prefixes, netip.Prefix.Masked); err != nil {
			return err
		}
	}
	for i, name := range m.ServerNames {
		key := name
		if suffix, ok := wildcardSuffix(name); ok {
			key = suffix
		}
		switch {
		case key == "" || key == ".":
			return fmt.Errorf(".server_names[%d]: %q: want a name", i, name)
		case strings.Contains(key, "*"):
			return fmt.Errorf(".server_names[%d]: %q: a wildcard is a leading \"*.\"", i, name)
		}
	}
	switch m.TransportProtocol {
	case "", TransportProtocolTLS, TransportProtocolRawBuffer:
	default:
		return fmt.Errorf(".transport_protocol: %q: want \"tls\", \"raw_buffer\" or nothing", m.TransportProtocol)
	}
	for i, protocol := range m.ApplicationProtocols {
		if protocol == "" {
			return fmt.Errorf(".application_protocols[%d]: %q: want a name", i, protocol)
		}
	}
	if m.SourceType > SourceTypeExternal {
		return fmt.Errorf(".source_type: %v: want ANY, SAME_IP_OR_LOOPBACK or EXTERNAL", m.SourceType)
	}
	for i, port := range m.SourcePorts {
		if port == 0 {
			return fmt.Errorf(".source_ports[%d]: 0: want a port", i)
		}
	}
	return firstError(
		distinct(".server_names", m.ServerNames, strings.ToLower),
		distinct(".application_protocols", m.ApplicationProtocols, itself),
		distinct(".source_ports", m.SourcePorts, itself))
}

// distinct says which of values is there twice.
func distinct[K comparable](path string, values []K, key func(K) K) error {
	if len(values) < 2 {
		return nil
	}
	at := make(map[K]int, len(values))
	for i, value := range values {
		if first, twice := at[key(value)]; twice {
			return fmt.Errorf("%s[%d]: %v: the same as [%d]", path, i, value, first)
		}
		at[key(value)] = i
	}
	return nil
}
