package pipeline

import "edgewise.test/poller"

// TransportSocket stands between a connection's buffers and its descriptor: the
// raw one copies, TLS encrypts (Envoy envoy/network/transport_socket.h). It never
// closes the descriptor and never blocks.
type TransportSocket interface {
	// SetTransportSocketCallbacks is called once, before anything else.
	SetTransportSocketCallbacks(cb TransportSocketCallbacks)

	// DoRead appends what can be read to buf: until the kernel has no more, the
	// stream ends, or ShouldDrainReadBuffer. In the last case it calls
	// SetTransportSocketIsReadable, since no edge will tell about the rest.
	DoRead(buf *Buffer) IoResult

	// DoWrite writes from buf and drains what the kernel has taken. Once
	// endStream is set and buf is empty it ends its direction.
	DoWrite(buf *Buffer, endStream bool) IoResult

	// OnConnected is called when TCP is connected. A socket without a handshake
	// raises Connected here.
	OnConnected()

	// CloseSocket is called just before the descriptor is closed.
	CloseSocket(event ConnectionEvent)

	// CanFlushClose says whether a close may wait for buffered output: not
	// while a handshake is going on.
	CanFlushClose() bool
}

// TransportSocketCallbacks is what a transport socket may ask of its connection.
type TransportSocketCallbacks interface {
	// Loop is the loop of the worker.
	Loop() *Loop
	// FD is the descriptor. The connection owns it. Read is what reads from it.
	FD() poller.FD
	// Read gives what the listener filters have left over, and then what the
	// kernel has, like [poller.Sockets]. more says that there may be more of which
	// no event will tell; without it the next Read would find nothing. It is false
	// at the end of the stream and with an error.
	Read(p []byte) (n int, more bool, err error)
	// Info is what is known about the connection.
	Info() *ConnectionInfo
	// RaiseEvent tells the callbacks of the connection. They may close it.
	RaiseEvent(event ConnectionEvent)
	// ShouldDrainReadBuffer says that the read buffer has reached its limit, or
	// that others should have a turn.
	ShouldDrainReadBuffer() bool
	// SetTransportSocketIsReadable asks for another DoRead in the next
	// iteration, or when reading is enabled again.
	SetTransportSocketIsReadable()
	// Truncated says, in CloseSocket, that the close resets the connection or
	// drops output: the peer must not take it for an orderly end.
	Truncated() bool
	// FlushWriteBuffer asks for a DoWrite in the next iteration, for instance
	// when the handshake is done.
	FlushWriteBuffer()
}

// TransportSocketFactory makes the transport socket of one connection.
type TransportSocketFactory func() TransportSocket

// IoResult is what a read or write of a [TransportSocket] did.
type IoResult struct {
	// Close says that the connection is over, once Bytes are handled.
	Close bool
	// Bytes is how many were moved.
	Bytes int
	// Blocked says that a write has left something, other than bytes of the
	// buffer, that the kernel has not taken: Out will tell when it does.
	Blocked bool
	// EndStreamRead says that the peer ended its direction.
	EndStreamRead bool
	// Err is why Close is set, when it is an error: a syscall.Errno for the
	// raw socket.
	Err error
}
