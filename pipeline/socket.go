package pipeline

import "edgewise.test/poller"

// ConnectionSocket is an accepted socket on its way to become a connection.
type ConnectionSocket struct {
	active *activeSocket
	info   ConnectionInfo
	fd     poller.FD // -1: closed, or given to the connection
}

// FD is the descriptor, which belongs to the socket; -1 when it is closed.
func (s *ConnectionSocket) FD() poller.FD { return s.fd }

// Info is what is known so far. Listener filters write to it.
func (s *ConnectionSocket) Info() *ConnectionInfo { return &s.info }

// IsOpen says whether the descriptor is open.
func (s *ConnectionSocket) IsOpen() bool { return s.fd >= 0 }

// Close refuses the socket. A filter that calls it in OnAccept or OnData returns
// StopIteration next. Unread bytes make the close a reset.
func (s *ConnectionSocket) Close() { s.active.refuse() }

// filterCallbacks are the callbacks of one filter of one socket. The position lets
// a call that comes after the filter's turn be recognised.
type filterCallbacks struct {
	socket   *activeSocket
	position int
}

func (cb *filterCallbacks) Socket() *ConnectionSocket { return &cb.socket.socket }

func (cb *filterCallbacks) Loop() *Loop { return cb.socket.listener.loop }

func (cb *filterCallbacks) ContinueFilterChain(success bool) {
	s := cb.socket
	if s.ended || s.position != cb.position {
		return
	}
	switch {
	case !success:
		s.refuse()
	case s.inFilter:
		s.continued = true
	default:
		s.running = true
		s.next()
		s.leave()
	}
}
