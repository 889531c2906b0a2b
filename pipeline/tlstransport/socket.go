package tlstransport

import (
	"container/list"
	"crypto/tls"
	"io"
	"syscall"

	"edgewise.test/pipeline"
)

// maxPlaintext is the longest content of a record (RFC 8446 5.1).
const maxPlaintext = 16 << 10

// maxRead is about what one DoRead takes, so that a peer that never stops sending
// does not keep others from their turn.
const maxRead = 64 << 10

// socket is the transport socket (Envoy ssl_socket.cc). Nobody but the coroutine
// touches conn while the coroutine is suspended: it holds the locks of conn.
type socket struct {
	factory   *Factory
	callbacks pipeline.TransportSocketCallbacks
	stage     stage
	err       error // why the connection is over
	conn      *tls.Conn

	next    func() (struct{}, bool) // of the coroutine; nil: there is none
	stop    func()
	yield   func(struct{}) bool
	running bool          // the coroutine is on the stack
	turn    *list.Element // in the queue of the factory

	in         []byte // received, and not yet taken by crypto/tls
	end        error  // behind it
	drained    bool   // the kernel has no more until it tells
	out        outQueue
	taken      int  // bytes at the front of the write buffer that are encrypted, and not all written
	readHeld   bool // not reading because of out
	negotiated bool
	notified   bool // close_notify is sent
}

func (s *socket) SetTransportSocketCallbacks(cb pipeline.TransportSocketCallbacks) {
	s.callbacks = cb
	s.out.factory = s.factory
}

// OnConnected waits for the first event, which is Out.
func (s *socket) OnConnected() {}

// CanFlushClose implements [pipeline.TransportSocket].
func (s *socket) CanFlushClose() bool { return s.stage == established }

// DoRead decrypts what is there. After close_notify, and after a FIN between two
// records, the stream has ended; a FIN inside a record is an error.
func (s *socket) DoRead(buf *pipeline.Buffer) (result pipeline.IoResult) {
	s.drained = false
	if s.stage != established {
		result = s.handshake()
	}
	for s.stage == established {
		if s.out.len() >= outHighWater { // answers to the peer's KeyUpdates, which it does not read
			s.readHeld = true
			return result
		}
		n, err := s.conn.Read(buf.Reserve(maxPlaintext))
		buf.Commit(n)
		result.Bytes += n
		switch err {
		case nil:
			if result.Bytes >= maxRead || s.callbacks.ShouldDrainReadBuffer() {
				s.callbacks.SetTransportSocketIsReadable()
				return result
			}
			continue
		case errWouldBlock:
		case io.EOF:
			result.EndStreamRead = true
		default:
			s.err = err
			s.factory.stats.countFailure(err, true)
			result.Close, result.Err = true, err
		}
		s.flush() // an alert or an answer; if it fails the connection will tell
		return result
	}
	return result
}

// DoWrite encrypts from buf and writes. It drains buf only of what the kernel has
// taken, so an empty buffer is one that was written, as for the raw socket. The end
// of our direction is a close_notify, without a FIN, as Envoy's.
func (s *socket) DoWrite(buf *pipeline.Buffer, endStream bool) (result pipeline.IoResult) {
	if s.stage != established {
		result = s.handshake()
		if s.stage != established {
			return result
		}
		s.callbacks.SetTransportSocketIsReadable() // what came behind the handshake may be in crypto/tls already
	}
	if s.err != nil {
		return pipeline.IoResult{Close: true, Err: s.err}
	}
	for {
		err := s.encrypt(buf, endStream)
		if err == nil {
			err = s.flush()
		}
		if err != nil {
			s.err = err
			result.Close, result.Err = true, err
			return result
		}
		if s.out.len() > 0 {
			result.Blocked = true
			return result
		}
		if s.readHeld {
			s.readHeld = false
			s.callbacks.SetTransportSocketIsReadable()
		}
		n := s.taken
		s.taken = 0
		result.Bytes += n
		buf.Drain(n) // callbacks of the low watermark may close the connection
		if n == 0 || buf.Len() == 0 && (s.notified || !endStream) || s.stage != established {
			return result
		}
	}
}

// encrypt fills the output queue up to its high watermark.
func (s *socket) encrypt(buf *pipeline.Buffer, endStream bool) error {
	for s.out.len() < outHighWater && s.taken < buf.Len() {
		p := buf.Bytes()[s.taken:]
		n, err := s.conn.Write(p[:min(len(p), maxPlaintext)])
		s.taken += n
		if err != nil {
			return err
		}
	}
	if endStream && s.taken == buf.Len() && !s.notified {
		s.notified = true
		return s.conn.CloseWrite()
	}
	return nil
}

// CloseSocket sends close_notify, once: if the kernel has no room it is lost, as
// Envoy's. A peer that has not got everything, or is to see a reset, gets none.
func (s *socket) CloseSocket(pipeline.ConnectionEvent) {
	before := s.stage
	switch {
	case before < established:
		s.factory.stats.HandshakeAbandoned++
		s.factory.leave(s)
	case before == established && s.err == nil && !s.callbacks.Truncated():
		s.conn.CloseWrite()
		s.flush()
	}
	s.stage = closed
	s.in = nil
	s.out.clear()
	if before == handshaking && !s.running {
		s.abandon()
	}
}

// flush gives the queue to the kernel. What is left waits for Out.
func (s *socket) flush() error {
	err := s.out.flush(s.callbacks.Loop().Kernel(), s.callbacks.FD())
	if err == syscall.EINTR {
		s.callbacks.FlushWriteBuffer()
		return nil
	}
	return err
}

// again asks to be called again without an event of the kernel.
func (s *socket) again() {
	if s.stage < established {
		s.callbacks.FlushWriteBuffer() // is heard also while reading is disabled
		return
	}
	s.callbacks.SetTransportSocketIsReadable()
}
