package pipeline

import (
	"syscall"

	"edgewise.test/poller"
)

// rawSocket is a connection as the transport socket that moves its bytes as they are
// (Envoy raw_buffer_socket.cc).
type rawSocket Connection

// SetTransportSocketCallbacks is for others: a rawSocket knows its connection.
func (s *rawSocket) SetTransportSocketCallbacks(TransportSocketCallbacks) {}

func (s *rawSocket) OnConnected() { (*transportCallbacks)(s).RaiseEvent(Connected) }

func (s *rawSocket) CloseSocket(ConnectionEvent) {}

func (s *rawSocket) CanFlushClose() bool { return true }

// DoRead reads at most about one chunk, so that a peer that never stops sending
// does not keep others from their turn. What was read before is not copied.
func (s *rawSocket) DoRead(buf *Buffer) (result IoResult) {
	if s.preread != nil {
		result.Bytes = len(s.preread)
		buf.attach(s.preread)
		s.preread = nil
	}
	for s.told {
		if result.Bytes >= chunkSize || result.Bytes > 0 && (*transportCallbacks)(s).ShouldDrainReadBuffer() {
			(*transportCallbacks)(s).SetTransportSocketIsReadable()
			return result
		}
		n, err := buf.readInto((*Connection)(s))
		result.Bytes += n
		switch {
		case err == syscall.EAGAIN: // told of nothing any more
		case err == syscall.EINTR:
			(*transportCallbacks)(s).SetTransportSocketIsReadable()
			return result
		case err != nil:
			result.Close, result.Err = true, err
			return result
		case n == 0:
			result.EndStreamRead = true
			return result
		}
	}
	return result
}

// DoWrite writes until the kernel takes no more; Out will tell when it does. The
// end of our direction goes behind the last byte. A callback of the low watermark
// may close the connection meanwhile.
func (s *rawSocket) DoWrite(buf *Buffer, endStream bool) (result IoResult) {
	for buf.Len() > 0 && s.fd >= 0 {
		n, err := s.kernel.Write(s.fd, buf.Bytes())
		switch {
		case err == syscall.EAGAIN:
			return result
		case err == syscall.EINTR:
			(*transportCallbacks)(s).FlushWriteBuffer()
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
	if endStream && !s.shutdown && s.fd >= 0 {
		s.shutdown = true
		s.kernel.Shutdown(s.fd, poller.ShutWrite) // a broken connection tells by an event
	}
	return result
}
