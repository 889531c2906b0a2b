package fakenet

import (
	"net"
	"time"
)

// Listener is a listening socket. Results and errors are those of a
// [*net.TCPListener].
type Listener struct {
	s    *socket
	addr net.Addr
}

var _ net.Listener = (*Listener)(nil)

func newListener(s *socket) *Listener {
	local, _ := s.addrs()
	return &Listener{s, local}
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	s, err := l.s.accept()
	if err != nil {
		return nil, l.fail("accept", "accept4", err)
	}
	return newConn(s), nil
}

// Close implements [net.Listener]. Connections that nobody has accepted are
// reset.
func (l *Listener) Close() error { return l.fail("close", "close", l.s.close()) }

// Addr implements [net.Listener]. It is a [*net.TCPAddr].
func (l *Listener) Addr() net.Addr { return l.addr }

// SetDeadline limits Accept.
func (l *Listener) SetDeadline(t time.Time) error {
	return l.fail("set", "", l.s.setDeadline(t, &l.s.readUntil))
}

func (l *Listener) fail(op, call string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: "tcp", Addr: l.Addr(), Err: systemError(call, err)}
}
