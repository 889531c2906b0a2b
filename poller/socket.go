package poller

import (
	"net/netip"
	"strconv"
)

// Domain is the address family of a socket, with Linux's values.
type Domain int

// The families of socket(2) that a proxy uses.
const (
	Inet  Domain = 2
	Inet6 Domain = 10
)

// DomainOf returns the family that addr needs.
func DomainOf(addr netip.Addr) Domain {
	if addr.Is4() || addr.Is4In6() {
		return Inet
	}
	return Inet6
}

// How says which direction [Sockets.Shutdown] ends, with the values of shutdown(2).
type How int

const (
	ShutRead  How = 0
	ShutWrite How = 1
	ShutBoth  How = 2
)

// String returns "read", "write" or "both".
func (h How) String() string {
	switch h {
	case ShutRead:
		return "read"
	case ShutWrite:
		return "write"
	case ShutBoth:
		return "both"
	}
	return "how " + strconv.Itoa(int(h))
}

// SockOpt names a socket option. Values are plain ints; each constant says what
// they mean.
type SockOpt uint8

const (
	TCPNoDelay  SockOpt = iota + 1 // 0 or 1
	SOKeepAlive                    // 0 or 1
	SOLinger                       // seconds that Close may take; 0 makes it a reset, negative is off (the default)
	SOReuseAddr                    // 0 or 1
	SOReusePort                    // 0 or 1
	SORcvLowat                     // bytes that make a socket readable, at least 1
	SOSndBuf                       // bytes; Linux doubles what is set
	SORcvBuf                       // bytes; Linux doubles what is set

	// TCPQuickAck is 0 or 1. Off before Connect it leaves the last ACK of the handshake to
	// the first bytes, for 200 ms at most. Later Linux changes the value by itself.
	TCPQuickAck
)

var sockOptNames = [...]string{
	TCPNoDelay: "TCP_NODELAY", SOKeepAlive: "SO_KEEPALIVE", SOLinger: "SO_LINGER", SOReuseAddr: "SO_REUSEADDR",
	SOReusePort: "SO_REUSEPORT", SORcvLowat: "SO_RCVLOWAT", SOSndBuf: "SO_SNDBUF", SORcvBuf: "SO_RCVBUF",
	TCPQuickAck: "TCP_QUICKACK",
}

// String returns the name in socket(7) or tcp(7).
func (o SockOpt) String() string {
	if int(o) < len(sockOptNames) && sockOptNames[o] != "" {
		return sockOptNames[o]
	}
	return "option " + strconv.Itoa(int(o))
}
