package pipeline

// FilterStatus is what a filter says about the rest of its chain (Envoy
// Network::FilterStatus).
type FilterStatus uint8

const (
	// Continue lets the next filter run.
	Continue FilterStatus = iota
	// StopIteration holds the chain here until the filter continues it, or
	// until more data comes.
	StopIteration
)

// ListenerFilter looks at a socket before it becomes a connection (Envoy
// envoy/network/filter.h). One instance serves one socket at a time, and another
// one later: OnAccept starts a new life.
//
// To refuse the socket, call ContinueFilterChain(false), or close the socket and
// return [StopIteration].
type ListenerFilter interface {
	// OnAccept is called once per socket, when the chain reaches the filter. cb
	// is valid until the filter has said Continue, or was told OnClose.
	OnAccept(cb ListenerFilterCallbacks) FilterStatus

	// OnData is called when there are bytes that the filter has not seen. The
	// buffer holds everything from the first byte that no filter has drained,
	// not just what is new. It is never called with nothing new.
	OnData(buffer *ListenerFilterBuffer) FilterStatus

	// OnClose is called when the socket ends while this filter holds the chain:
	// closed or reset by the peer, failed, timed out, or removed with its
	// listener. Envoy is silent about the last two. It is not called when the
	// filter itself ended the chain.
	OnClose()

	// MaxReadBytes is how many bytes the filter wishes to see. 0 means that it
	// waits for something else. It may grow while OnData asks for more.
	MaxReadBytes() int
}

// ListenerFilterCallbacks is what a listener filter may do to its socket.
type ListenerFilterCallbacks interface {
	// Socket is the socket under inspection.
	Socket() *ConnectionSocket
	// Loop is the loop of the worker.
	Loop() *Loop
	// ContinueFilterChain goes on with the next filter, or ends the socket. Only
	// the first call of a filter that stopped the chain counts, so a late one
	// does no harm.
	ContinueFilterChain(success bool)
}

// ListenerFilterFactory makes one instance of a listener filter. It is called
// when more sockets are inspected at once than ever before, not for each socket.
type ListenerFilterFactory func() ListenerFilter

// ReadFilter handles what comes from the peer. The filters of a connection run in
// the order in which they were added.
type ReadFilter interface {
	// OnNewConnection is called once, before any data. StopIteration keeps the
	// filters behind this one from being told.
	OnNewConnection(cb ReadFilterCallbacks) FilterStatus

	// OnData gets the whole read buffer of the connection. The filter drains
	// what it has used; what it leaves comes again with the next data.
	// endStream is true exactly once, and only with half-close enabled.
	OnData(data *Buffer, endStream bool) FilterStatus
}

// WriteFilter handles what goes to the peer. The filter that was added last runs
// first.
type WriteFilter interface {
	// OnWrite may change data. With StopIteration the data stays with the
	// filter: nothing of it is written.
	OnWrite(data *Buffer, endStream bool) FilterStatus
}

// FilterFactory adds the network filters of one kind to a new connection.
type FilterFactory func(c *Connection)

// ConnectionCallbacks is told what happens to a connection.
type ConnectionCallbacks interface {
	// OnEvent is called once for Connected, if the connection comes that far,
	// and exactly once for its end. Nothing is called after the end.
	OnEvent(event ConnectionEvent)
	// OnAboveWriteBufferHighWatermark says that more than the buffer limit
	// waits to be written.
	OnAboveWriteBufferHighWatermark()
	// OnBelowWriteBufferLowWatermark says that half of the limit or less waits,
	// after it was above.
	OnBelowWriteBufferLowWatermark()
}

// ConnectionEvent is what [ConnectionCallbacks] hear.
type ConnectionEvent uint8

const (
	// RemoteClose is the end by the peer: a FIN, a reset, or a failed connect.
	RemoteClose ConnectionEvent = iota + 1
	// LocalClose is the end by us.
	LocalClose
	// Connected says that the transport socket is ready: TCP for the raw one,
	// the end of the handshake for TLS.
	Connected
)

// String returns the name of the event.
func (e ConnectionEvent) String() string {
	switch e {
	case RemoteClose:
		return "RemoteClose"
	case LocalClose:
		return "LocalClose"
	case Connected:
		return "Connected"
	}
	return "none"
}
