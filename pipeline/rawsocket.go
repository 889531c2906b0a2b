package pipeline

import (
	"syscall"

	"edgewise.test/poller"
)

// rawSocket is the transport socket that moves bytes as they are (Envoy
// raw_buffer_socket.cc).
type rawSocket struct {
	callbacks TransportSocketCallbacks
	shutdown  bool // our direction was ended
}

func (s *rawSocket) SetTransportSocketCallbacks(cb TransportSocketCallbacks) { s.callbacks = cb }

func (s *rawSocket) OnConnected() { s.callbacks.RaiseEvent(Connected) }

func (s *rawSocket) CloseSocket(ConnectionEvent) {}

func (s *rawSocket) CanFlushClose() bool { return true }

// DoRead reads at most about one chunk, so that a peer that never stops sending
// does not keep others from their turn.
func (s *rawSocket) DoRead(buf *Buffer) IoResult {
	kernel, fd := s.callbacks.Loop().kernel, s.callbacks.FD()
	var result IoResult
	for {
		n, full, err := buf.readInto(kernel, fd)
		switch {
		case err == syscall.EAGAIN:
			return result
		case err == syscall.EINTR:
			s.callbacks.SetTransportSocketIsReadable()
			return result
		case err != nil:
			result.Close, result.Err = true, err
			return result
		case n == 0:
			result.EndStreamRead = true
			return result
		}
		result.Bytes += n
		if !full && !s.callbacks.PeerEnded() {
			return result // epoll(7): a short read has emptied the queue
		}
		if result.Bytes >= chunkSize || s.callbacks.ShouldDrainReadBuffer() {
			s.callbacks.SetTransportSocketIsReadable()
			return result
		}
	}
}

// DoWrite writes until the kernel takes no more; Out will tell when it does. The
// end of our direction goes behind the last byte. A callback of the low watermark
// may close the connection meanwhile.
func (s *rawSocket) DoWrite(buf *Buffer, endStream bool) IoResult {
	kernel := s.callbacks.Loop().kernel
	var result IoResult
	for buf.Len() > 0 && s.callbacks.FD() >= 0 {
		n, err := kernel.Write(s.callbacks.FD(), buf.Bytes())
		switch {
		case err == syscall.EAGAIN:
			return result
		case err == syscall.EINTR:
			s.callbacks.FlushWriteBuffer()
			return result
		case err != nil:
			result.Close, result.Err = true, err
			return result
		}
		short := n < buf.Len()
		result.Bytes += n
		buf.Drain(n)
		if short {
			return result
		}
	}
	if endStream && !s.shutdown && s.callbacks.FD() >= 0 {
		s.shutdown = true
		kernel.Shutdown(s.callbacks.FD(), poller.ShutWrite) // a broken connection tells by an event
	}
	return result
}
