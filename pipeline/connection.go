package pipeline

import (
	"fmt"
	"syscall"
	"time"

	"edgewise.test/poller"
)

// CloseType says how we close a connection (Envoy envoy/network/connection.h).
type CloseType uint8

const (
	// FlushWrite closes when the buffered output is written.
	FlushWrite CloseType = iota
	// FlushWriteAndDelay closes when the output is written and the peer has
	// closed as well, or nothing was written for the delayed close timeout.
	// Without a timeout it is FlushWrite.
	FlushWriteAndDelay
	// NoFlush closes now, after one attempt to write the output.
	NoFlush
	// Abort closes now.
	Abort
	// AbortReset is NoFlush with a reset (SO_LINGER 0): what is on its way already
	// may arrive before it.
	AbortReset
)

// ConnectionState is how far a connection is.
type ConnectionState uint8

const (
	// Open connections can be written to; also while they connect.
	Open ConnectionState = iota
	// Closing connections write what is buffered.
	Closing
	// Closed connections have no descriptor. Their methods do nothing.
	Closed
)

// Connection is one TCP connection: buffers, a transport socket and a chain of
// network filters (Envoy connection_impl.cc). It belongs to its loop. A pointer to
// a closed connection stays harmless: it is never used for another one.
//
// It is in the poller once, with one mask, for all its life. While reading is
// disabled it only remembers that something is there; Envoy changes the mask, and
// so is blind to a reset meanwhile.
type Connection struct {
	links        links[Connection]
	loop         *Loop
	kernel       poller.Kernel
	listener     *Listener   // nil: a client connection
	group        *chainGroup // of listener
	global       *Limit      // that has a unit for the connection
	created      time.Duration
	fd           poller.FD // -1: none
	registration Registration
	info         ConnectionInfo
	transport    TransportSocket
	chain        filterChain
	callbacks    []ConnectionCallbacks
	callbackRoom [1]ConnectionCallbacks // spares most connections an allocation

	in, out      Buffer
	preread      []byte // what the listener filters have left; it owns its storage, all of cap
	prereadAt    int32  // how much of it was read
	state        ConnectionState
	closeType    CloseType // why Closing
	connecting   bool      // TCP is not connected
	established  bool      // Connected was raised
	halfClose    bool
	readEnded    bool // the end of the stream was read
	readEndGiven bool // and given to the filters
	writeEnded   bool // nothing may be written behind what is in out
	endWritten   bool // the transport socket has ended our direction
	resetOnClose bool
	nagle        bool // TCP_NODELAY is not set
	raw          bool // the transport socket is a rawSocket
	shutdown     bool // it has ended our direction
	wrote        bool

	readDisabled   int  // count
	inAbove        bool // one of the count is the read buffer's high watermark
	told           bool // an event has told of something to read, and no read has found the end of it
	reread         bool // the transport socket asked for a read: it may hold bytes itself
	dispatchBuffer bool // give what is in the read buffer to the filters
	peerEnded      bool // the poller told of a FIN or an error
	writeBlocked   bool // the kernel took less than it was given; Out will tell

	smartConnect   bool          // of a client connection
	connectTimeout time.Duration // 0: none
	connectTimer   *Timer        // nil: none
	delayedClose   time.Duration // delayed close timeout
	delayTimer     *Timer        // nil: none
	failure        error
	failedAt       string // the operation that gave failure
}

// init sets what server and client connections share.
func (c *Connection) init(loop *Loop, transport TransportSocketFactory, bufferLimit int) {
	c.loop, c.kernel = loop, loop.kernel
	c.in.pool, c.out.pool = &loop.chunks, &loop.chunks
	c.in.setWatermarks(bufferLimit, (*connectionBuffers)(c))
	c.out.setWatermarks(bufferLimit, (*connectionBuffers)(c))
	if transport == nil {
		c.raw, c.transport = true, (*rawSocket)(c)
		return
	}
	c.transport = transport()
	c.transport.SetTransportSocketCallbacks((*transportCallbacks)(c))
}

// Loop is the loop that the connection belongs to.
func (c *Connection) Loop() *Loop { return c.loop }

// TransportSocket is what moves the bytes, for code that knows its kind.
func (c *Connection) TransportSocket() TransportSocket { return c.transport }

// Info is what is known about the connection.
func (c *Connection) Info() *ConnectionInfo { return &c.info }

// State is how far the connection is.
func (c *Connection) State() ConnectionState { return c.state }

// Preread is how many bytes wait for the read filters that the listener filters have
// read already. There may be more in the kernel. It is 0 where nobody looked, and where
// a transport socket makes something else of the bytes.
func (c *Connection) Preread() int {
	if !c.raw {
		return 0
	}
	return c.unread()
}

// Connecting says whether TCP is not connected yet.
func (c *Connection) Connecting() bool { return c.connecting }

// Failure is the error that ended the connection, with its operation. nil is an
// orderly end, or none yet. It wraps a syscall.Errno, or what the transport socket
// returned.
func (c *Connection) Failure() error {
	if c.failure == nil {
		return nil
	}
	return fmt.Errorf("connection %v: %s: %w", c.info.remote, c.failedAt, c.failure)
}

// Failed says whether there is a Failure, without making an error of it.
func (c *Connection) Failed() bool { return c.failure != nil }

// EndStreamRead says whether the peer has ended its direction in good order, and
// all that it sent was read.
func (c *Connection) EndStreamRead() bool { return c.readEnded }

// AddConnectionCallbacks makes cb hear what happens from now on.
func (c *Connection) AddConnectionCallbacks(cb ConnectionCallbacks) {
	if c.callbacks == nil {
		c.callbacks = c.callbackRoom[:0]
	}
	c.callbacks = append(c.callbacks, cb)
}

// EnableHalfClose makes a FIN of the peer the end of one direction: filters get
// endStream, and the connection closes when both directions have ended. Without
// it a FIN closes the connection.
func (c *Connection) EnableHalfClose(enabled bool) { c.halfClose = enabled }

// SetDelayedCloseTimeout bounds the time without progress of a close that flushes.
// 0 is no bound.
func (c *Connection) SetDelayedCloseTimeout(d time.Duration) { c.delayedClose = d }

// BufferedOutput is the number of bytes that wait to be written.
func (c *Connection) BufferedOutput() int { return c.out.Len() }

// Write takes data, through the write filters, to the write buffer, and leaves it
// empty. The kernel gets it in the next iteration. endStream ends our direction
// behind it; what is written after that, or after Close, is dropped.
func (c *Connection) Write(data *Buffer, endStream bool) {
	if c.state != Open || c.writeEnded {
		data.Drain(data.Len())
		return
	}
	if c.runWriteFilters(data, endStream) == StopIteration || c.state != Open {
		return
	}
	if data.Len() == 0 && !endStream {
		return
	}
	c.writeEnded = endStream
	if !c.connecting && !c.writeBlocked {
		c.registration.Activate(poller.Out)
	}
	c.out.Move(data)
}

// connectionEvents keeps OnFileEvent out of the methods of Connection.
type connectionEvents Connection

// connectionMask is for the whole life: one epoll_ctl(2) call.
const connectionMask = poller.In | poller.Out | poller.RdHup | poller.EdgeTriggered

// bufferedIn is activated, never polled for: there is something for the read filters in
// a buffer of ours. To ask the kernel would be a call for nothing.
const bufferedIn poller.Events = 1 << 16

// OnFileEvent writes before it reads. When the connection is broken it reads what
// is left before the error: a write would only find the error, and lose the bytes.
func (e *connectionEvents) OnFileEvent(events poller.Events) {
	c := (*Connection)(e)
	if c.connecting {
		c.onConnectEvent(events)
		if c.connecting || c.state == Closed {
			return
		}
	}
	broken := events&(poller.Err|poller.Hup) != 0
	if broken || events&poller.RdHup != 0 {
		c.peerEnded = true
	}
	if events&poller.Out != 0 && !broken {
		c.writeBlocked = false
		c.onWriteReady()
	}
	told := broken || events&(poller.In|poller.RdHup) != 0
	c.told = c.told || told
	if c.state != Closed && (told || events&bufferedIn != 0) {
		if c.mayRead() {
			c.onReadReady()
		} else {
			c.onReadIgnored(broken)
		}
	}
	if c.state != Closed && broken && events&poller.Out != 0 {
		c.writeBlocked = false // it was not so bad
		c.onWriteReady()
	}
}

func (c *Connection) onWriteReady() {
	if c.nagle && c.wrote && c.out.Len() > 0 {
		// A first segment is never held back, and many connections to a host
		// write no second one.
		c.nagle = false
		c.kernel.SetSockOpt(c.fd, poller.TCPNoDelay, 1)
	}
	endStream := c.writeEnded && !c.closeFollows()
	result := c.transport.DoWrite(&c.out, endStream)
	c.wrote = c.wrote || result.Bytes > 0
	c.writeBlocked = result.Blocked || c.out.Len() > 0
	c.endWritten = endStream && c.established && !c.writeBlocked
	switch {
	case c.state == Closed:
	case result.Close:
		c.onWriteFailed(result.Err)
	case c.state == Closing:
		c.onFlushed(result.Bytes)
	case c.bothEnded():
		c.closeSocket(LocalClose)
	}
}

// closeFollows says that the descriptor is closed once the output is written: its
// FIN is that of the close, which spares a shutdown(2).
func (c *Connection) closeFollows() bool {
	if !c.raw {
		return false
	}
	return c.state == Closing && c.closeType == FlushWrite || c.state == Open && c.halfClose && c.readEndGiven
}

// onWriteFailed reads what the peer sent before it broke the connection.
func (c *Connection) onWriteFailed(err error) {
	c.peerEnded = true
	c.out.mute()
	c.out.Drain(c.out.Len())
	if c.state == Open && c.readDisabled == 0 && !c.readEnded {
		c.told = true
		c.onReadReady()
	}
	c.fail("write", err)
	c.closeSocket(RemoteClose)
}

// onFlushed goes on with a close that waited for output.
func (c *Connection) onFlushed(written int) {
	switch {
	case c.flushed() && c.closeType == FlushWrite:
		c.closeSocket(LocalClose)
	case c.flushed() && c.peerEnded:
		c.closeSocket(RemoteClose)
	case written > 0 && c.delayTimer != nil:
		c.delayTimer.Enable(c.delayedClose) // only progress counts (envoy PR 11833)
	}
}

// mayRead says whether to read what is there. A handshake goes on while reading is
// disabled: it brings no data.
func (c *Connection) mayRead() bool {
	return c.state == Open && !c.readEnded && (c.readDisabled == 0 || !c.established)
}

// onReadReady reads what the listener filters have left, and what the kernel has told of.
func (c *Connection) onReadReady() {
	dispatch := c.dispatchBuffer
	c.dispatchBuffer, c.reread = false, false
	result, spliced := c.splice()
	if !spliced {
		result = c.transport.DoRead(&c.in)
	}
	if c.state == Closed {
		return
	}
	ended := result.EndStreamRead && !c.readEnded
	c.readEnded = c.readEnded || ended
	c.fail("read", result.Err)
	if result.Bytes > 0 || dispatch || ended && c.halfClose {
		c.giveToFilters()
	}
	if result.Close || c.readEnded && !c.halfClose || c.bothEnded() {
		c.closeSocket(RemoteClose)
	}
}

// onReadIgnored sees that something came while nobody reads, and notices the end
// of the connection all the same.
func (c *Connection) onReadIgnored(broken bool) {
	if broken {
		if pending, err := c.kernel.SocketError(c.fd); pending != nil || err != nil {
			c.fail("read", firstError(pending, err))
			c.closeSocket(RemoteClose)
			return
		}
	}
	if c.state == Closing {
		// With output left the peer may have ended just one direction.
		if c.peerEnded && c.flushed() {
			c.closeSocket(RemoteClose)
		}
		return
	}
	if c.dispatchBuffer {
		c.dispatchBuffer = false
		c.giveToFilters()
		if c.bothEnded() {
			c.closeSocket(RemoteClose)
			return
		}
	}
	if c.state == Open && c.peerEnded && !c.halfClose && !c.readEnded && c.unread()+c.in.Len() == 0 && !c.reread {
		c.closeIfNothingQueued()
	}
}

// closeIfNothingQueued closes when the FIN is next. Envoy closes also with bytes
// before it, which then nobody reads.
func (c *Connection) closeIfNothingQueued() {
	n, err := c.kernel.Peek(c.fd, c.loop.scratch[:])
	if err == syscall.EAGAIN || err == syscall.EINTR || n > 0 {
		return
	}
	c.fail("read", err)
	c.closeSocket(RemoteClose)
}

func (c *Connection) bothEnded() bool {
	return c.halfClose && c.readEndGiven && c.writeEnded && c.flushed()
}

// flushed says that a close loses nothing. The raw transport socket ends its
// direction by the close; others have to write something for that.
func (c *Connection) flushed() bool {
	return c.out.Len() == 0 && (c.endWritten || c.raw)
}

// giveToFilters runs the read filters, if they want anything now.
func (c *Connection) giveToFilters() {
	if c.state != Open || !c.wantsData() {
		return
	}
	endStream := c.readEnded && c.halfClose && !c.readEndGiven
	if c.in.Len() == 0 && !endStream {
		return
	}
	c.readEndGiven = c.readEndGiven || endStream
	c.runReadFilters(0, endStream)
}

// fail keeps the first error.
func (c *Connection) fail(operation string, err error) {
	if c.failure == nil && err != nil && c.state != Closed {
		c.failure, c.failedAt = err, operation
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// raise tells the callbacks. One that closes the connection in Connected keeps the
// others from hearing Connected, but not from hearing the close (envoy PR 20469).
func (c *Connection) raise(event ConnectionEvent) {
	for i := 0; i < len(c.callbacks); i++ {
		if event == Connected && c.state == Closed {
			return
		}
		c.callbacks[i].OnEvent(event)
	}
}

func (c *Connection) note(state string) {
	if notes, ok := c.kernel.(poller.Annotator); ok && c.fd >= 0 {
		notes.Annotate(c.fd, state)
	}
}
