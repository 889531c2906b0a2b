package pipeline

import (
	"syscall"

	"edgewise.test/poller"
)

// rawSocket is the transport socket that moves bytes as they are (Envoy
// raw_buffer_socket.cc).
type rawSocket struct {
	connection *Connection
	shutdown   bool // our direction was ended
}

func (s *rawSocket) SetTransportSocketCallbacks(cb TransportSocketCallbacks) {
	s.connection = (*Connection)(cb.(*transportCallbacks))
}

func (s *rawSocket) OnConnected() { (*transportCallbacks)(s.connection).RaiseEvent(Connected) }

func (s *rawSocket) CloseSocket(ConnectionEvent) {}

func (s *rawSocket) CanFlushClose() bool { return true }

// DoRead reads at most about one chunk, so that a peer that never stops sending
// does not keep others from their turn. What was read before is not copied.
func (s *rawSocket) DoRead(buf *Buffer) (result IoResult) {
	c := s.connection
	callbacks := (*transportCallbacks)(c)
	result.Bytes = c.preread.Len()
	buf.Move(&c.preread)
	for c.told {
		if result.Bytes >= chunkSize || result.Bytes > 0 && callbacks.ShouldDrainReadBuffer() {
			callbacks.SetTransportSocketIsReadable()
			return result
		}
		n, full, err := buf.readInto(c.kernel, c.fd)
		c.told = full || c.peerEnded
		switch {
		case err == syscall.EAGAIN:
			c.told = false
		case err == syscall.EINTR:
			c.told = true
			callbacks.SetTransportSocketIsReadable()
			return result
		case err != nil:
			result.Close, result.Err = true, err
			return result
		case n == 0:
			result.EndStreamRead = true
			return result
		}
		result.Bytes += max(n, 0)
	}
	return result
}

// DoWrite writes until the kernel takes no more; Out will tell when it does. The
// end of our direction goes behind the last byte. A callback of the low watermark
// may close the connection meanwhile.
func (s *rawSocket) DoWrite(buf *Buffer, endStream bool) (result IoResult) {
	c := s.connection
	for buf.Len() > 0 && c.fd >= 0 {
		n, err := c.kernel.Write(c.fd, buf.Bytes())
		switch {
		case err == syscall.EAGAIN:
			return result
		case err == syscall.EINTR:
			(*transportCallbacks)(c).FlushWriteBuffer()
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
	if endStream && !s.shutdown && c.fd >= 0 {
		s.shutdown = true
		c.kernel.Shutdown(c.fd, poller.ShutWrite) // a broken connection tells by an event
	}
	return result
}
