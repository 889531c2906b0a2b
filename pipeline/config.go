package pipeline

import "time"

// Default values of a [ListenerConfig], as Envoy has them unless it says so.
const (
	// DefaultListenerFiltersTimeout is how long the listener filters of one
	// socket may take together.
	DefaultListenerFiltersTimeout = 15 * time.Second
	// DefaultMaxConnectionsToAcceptPerSocketEvent keeps a burst of new
	// connections from starving those that are there. Envoy has no limit.
	DefaultMaxConnectionsToAcceptPerSocketEvent = 16
	// DefaultPerConnectionBufferLimitBytes is the high watermark of buffers.
	DefaultPerConnectionBufferLimitBytes = 1 << 20
)

// ListenerConfig says what a listener does with what it accepts. The names are
// Envoy's (api/envoy/config/listener/v3/listener.proto). The zero value of each
// field is a useful default. A config may be shared by the listeners of several
// workers if its factories may; it must not change once it is used.
type ListenerConfig struct {
	// StatPrefix names the listener in its counters, listener.<StatPrefix>.*.
	// Empty means its address.
	StatPrefix string

	// ListenerFilters run in this order on every accepted socket.
	ListenerFilters []ListenerFilterFactory

	// ListenerFiltersTimeout is for the whole chain of listener filters.
	// 0 means [DefaultListenerFiltersTimeout], negative means none.
	ListenerFiltersTimeout time.Duration

	// ContinueOnListenerFiltersTimeout makes a connection, with what is known,
	// of a socket whose listener filters ran out of time.
	ContinueOnListenerFiltersTimeout bool

	// FilterChains are the candidates for a connection.
	FilterChains []FilterChain

	// DefaultFilterChain is taken when none of FilterChains matches. nil means
	// that such a connection is closed.
	DefaultFilterChain *FilterChain

	// MaxConnectionsToAcceptPerSocketEvent bounds the accept(2) calls per event.
	// A listener starts with one call, and doubles while events follow each other.
	// 0 means [DefaultMaxConnectionsToAcceptPerSocketEvent].
	MaxConnectionsToAcceptPerSocketEvent int

	// MaxConnectionsToAcceptOnDrain is how many connections [Listener.Drain]
	// takes out of the queue of the listening socket before it closes it: for
	// their clients they are established. 0 means none, as in Envoy.
	MaxConnectionsToAcceptOnDrain int

	// ConnectionLimit bounds the sockets and connections that this listener has
	// at one time; what is above is accepted and closed. 0 means no limit. It
	// is per worker, unless the listener belongs to a [ListenerManager].
	ConnectionLimit int

	// GlobalConnectionLimit bounds the sockets and connections of all listeners
	// that have it in their config. nil means no limit.
	GlobalConnectionLimit *Limit

	// IgnoreGlobalConnLimit takes the listener out of GlobalConnectionLimit.
	IgnoreGlobalConnLimit bool

	// Overload closes a part of what is accepted. nil means none.
	Overload *Overload

	// BypassOverloadManager makes Overload and
	// [ListenerManager.DisableListeners] not apply.
	BypassOverloadManager bool

	// UseOriginalDst hands a socket whose local address a listener filter has
	// restored to the listener of that address on the same worker, if the
	// [ListenerManager] has one.
	UseOriginalDst bool

	// PerConnectionBufferLimitBytes is the high watermark of the read and the
	// write buffer of each connection. 0 means
	// [DefaultPerConnectionBufferLimitBytes], negative means no limit.
	PerConnectionBufferLimitBytes int
}

// FilterChain is what a connection is made of when FilterChainMatch says so.
type FilterChain struct {
	// Name is for people; it need not be unique.
	Name string

	// Revision tells versions of a chain apart. A chain of an in-place update
	// with the name, match and revision of one that is there is the same chain:
	// its connections go on.
	Revision string

	// FilterChainMatch says which connections it is for. The zero value matches
	// everything that no other chain is more specific about.
	FilterChainMatch FilterChainMatch

	// TransportSocket makes the transport socket. nil means the raw one.
	TransportSocket TransportSocketFactory

	// TransportSocketConnectTimeout bounds the handshake of the transport
	// socket. 0 means no bound.
	TransportSocketConnectTimeout time.Duration

	// Filters add the network filters, in order. A connection that gets no read
	// filter is closed.
	Filters []FilterFactory
}
