package tlstransport

import (
	"io"
	"net"
	"syscall"
	"time"
)

// wire is the connection below crypto/tls. Writes always succeed: any error of a
// write is for ever in crypto/tls. A read that finds nothing suspends the coroutine
// of the handshake; after the handshake it fails with errWouldBlock, which
// crypto/tls passes on and forgets, because it is temporary.
type wire socket

// wouldBlock is a [net.Error].
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "tlstransport: would block" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

var errWouldBlock error = wouldBlock{}

// Read takes no system call during the handshake: on a coroutine that would be a
// place at which a test kernel can not switch.
func (w *wire) Read(p []byte) (int, error) {
	s := (*socket)(w)
	for len(s.in) == 0 {
		switch {
		case s.stage == closed:
			return 0, net.ErrClosed
		case s.end != nil:
			return 0, s.end
		case s.stage == established:
			return s.receive(p)
		case !s.yield(struct{}{}):
			return 0, net.ErrClosed
		}
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	if len(s.in) == 0 {
		s.in = nil
	}
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	s := (*socket)(w)
	if s.stage != closed {
		s.out.append(p)
	}
	return len(p), nil
}

// Close does nothing: the descriptor is the connection's.
func (w *wire) Close() error { return nil }

func (w *wire) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(w.callbacks.Info().LocalAddress())
}

func (w *wire) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(w.callbacks.Info().RemoteAddress())
}

// Deadlines are accepted: crypto/tls sets one before it sends close_notify.
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// receive reads from the kernel: errWouldBlock when there is nothing, and io.EOF at
// the end of the stream.
func (s *socket) receive(p []byte) (int, error) {
	if s.drained {
		return 0, errWouldBlock
	}
	n, more, err := s.callbacks.Read(p)
	switch {
	case err == syscall.EAGAIN:
		s.drained = true
		return 0, errWouldBlock
	case err == syscall.EINTR:
		s.again()
		return 0, errWouldBlock
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	s.drained = !more
	return n, nil
}
