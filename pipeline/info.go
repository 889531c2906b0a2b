package pipeline

import (
	"net/netip"
	"slices"
	"strings"

	"edgewise.test/poller"
)

// The values of [ConnectionInfo.DetectedTransportProtocol] and
// [FilterChainMatch.TransportProtocol].
const (
	TransportProtocolTLS       = "tls"
	TransportProtocolRawBuffer = "raw_buffer"
)

// ConnectionInfo is what is known about a connection: where it goes and what the
// listener filters have found. It stays readable after the connection is closed.
type ConnectionInfo struct {
	kernel               poller.Kernel // nil once fd is closed
	fd                   poller.FD
	local, remote        netip.AddrPort
	serverName           string
	transportProtocol    string
	applicationProtocols []string
	filterChain          string
	findings             *findings // nil: nothing of it
}

// LocalAddress is our end. A listener on an unspecified address asks the kernel
// for it at the first call; asked for the first time after the close it is the
// zero AddrPort.
func (i *ConnectionInfo) LocalAddress() netip.AddrPort {
	if (!i.local.IsValid() || i.local.Addr().IsUnspecified()) && i.kernel != nil {
		if addr, err := i.kernel.LocalAddr(i.fd); err == nil {
			i.local = addr
		}
	}
	return i.local
}

// RemoteAddress is the other end. It is the zero AddrPort where the kernel accepts
// a connection without saying from whom.
func (i *ConnectionInfo) RemoteAddress() netip.AddrPort { return i.remote }

// RequestedServerName is the name that the client asked for (SNI, RFC 6066 3), in
// lower case. Empty means none.
func (i *ConnectionInfo) RequestedServerName() string { return i.serverName }

// SetRequestedServerName keeps a lower-case copy of name.
func (i *ConnectionInfo) SetRequestedServerName(name []byte) {
	i.serverName = strings.ToLower(string(name))
}

// DetectedTransportProtocol is [TransportProtocolTLS] or
// [TransportProtocolRawBuffer]. Empty means that no filter has looked yet.
func (i *ConnectionInfo) DetectedTransportProtocol() string { return i.transportProtocol }

// SetDetectedTransportProtocol sets what a listener filter has found.
func (i *ConnectionInfo) SetDetectedTransportProtocol(protocol string) {
	i.transportProtocol = protocol
}

// RequestedApplicationProtocols is what the client offered (ALPN, RFC 7301), in
// its order. The slice is not the caller's.
func (i *ConnectionInfo) RequestedApplicationProtocols() []string { return i.applicationProtocols }

// AddRequestedApplicationProtocol appends a copy of protocol.
func (i *ConnectionInfo) AddRequestedApplicationProtocol(protocol []byte) {
	if i.applicationProtocols == nil {
		i.applicationProtocols = make([]string, 0, 4)
	}
	i.applicationProtocols = append(i.applicationProtocols, intern(protocol))
}

// SetRequestedApplicationProtocols replaces what is known by protocols, which must
// not change any more.
func (i *ConnectionInfo) SetRequestedApplicationProtocols(protocols []string) {
	i.applicationProtocols = slices.Clip(protocols)
}

// FilterChainName is the name of the filter chain that was chosen.
func (i *ConnectionInfo) FilterChainName() string { return i.filterChain }

// intern spares the usual names an allocation.
func intern(protocol []byte) string {
	switch string(protocol) {
	case "h2":
		return "h2"
	case "http/1.1":
		return "http/1.1"
	case "http/1.0":
		return "http/1.0"
	}
	return string(protocol)
}
