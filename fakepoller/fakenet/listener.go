package fakenet

import (
	"net"
	"time"
)

// Listener is a listening socket. Results and errors are those of a
// [*net.TCPListener].
type Listener struct{ s *socket }

var _ net.Listener = (*Listener)(nil)

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	s, err := l.s.accept()
	if err != nil {
		return nil, l.fail("accept", "accept4", err)
	}
	return &Conn{s}, nil
}

// Close implements [net.Listener]. Connections that nobody has accepted are
// reset.
func (l *Listener) Close() error { return l.fail("close", "close", l.s.close()) }

// Addr implements [net.Listener]. It is a [*net.TCPAddr].
func (l *Listener) Addr() net.Addr { local, _ := l.s.addrs(); return local }

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
