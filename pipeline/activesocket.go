package pipeline

import (
	"syscall"

	"edgewise.test/poller"
)

// maxPooledSockets bounds what a listener keeps for later sockets.
const maxPooledSockets = 256

// activeSocket takes one accepted socket through the listener filters (Envoy
// active_tcp_socket.cc and listener_filter_buffer_impl.cc). It is used again for
// other sockets, with its filters, timer and buffer.
//
// The filters run for as long as the bytes that they ask for are there. Only when
// more must come does the socket go into the poller.
type activeSocket struct {
	links     links[activeSocket]
	listener  *Listener
	socket    ConnectionSocket
	buffer    ListenerFilterBuffer
	filters   []ListenerFilter
	callbacks []filterCallbacks // one for each filter
	timer     *Timer            // listener_filters_timeout

	global       *Limit // that has a unit for the socket
	handOff      bool   // a restored local address may choose another listener
	registration Registration
	position     int  // of the filter that holds the chain
	offered      int  // how many of the bytes it has been given
	looked       bool // the last read was in this turn and took all that there was
	peerEnded    bool // a FIN is queued behind the bytes; no edge will tell of it again
	inFilter     bool // the filter is on the stack
	continued    bool // it said so by ContinueFilterChain
	running      bool // one of our methods is on the stack, and releases us if we end
	ended        bool
}

// socketEnd is the one way in which an inspected socket ends.
type socketEnd uint8

const (
	endConnected socketEnd = iota
	endRejected
	endRemoteClose
	endError
	endTimeout
	endRemoved
	endHandedOff
)

var socketEndNotes = [...]string{
	endConnected: "inspected", endRejected: "rejected by listener filter", endRemoteClose: "closed by peer in listener filters",
	endError: "failed in listener filters", endTimeout: "listener filters timed out", endRemoved: "removed with listener",
	endHandedOff: "handed to the listener of its original destination",
}

func (s *activeSocket) node() *links[activeSocket] { return &s.links }

// takeSocket returns an idle activeSocket.
func (l *Listener) takeSocket() *activeSocket {
	if n := len(l.pool); n > 0 {
		s := l.pool[n-1]
		l.pool = l.pool[:n-1]
		return s
	}
	s := &activeSocket{listener: l, ended: true}
	s.buffer.data.pool = &l.loop.chunks
	s.socket.active = s
	s.timer = l.loop.NewTimer(s.onTimeout)
	for i, factory := range l.config.ListenerFilters {
		s.filters = append(s.filters, factory())
		s.callbacks = append(s.callbacks, filterCallbacks{s, i})
	}
	return s
}

// start begins a life with fd. The timeout counts from the first wait, as Envoy's.
func (s *activeSocket) start(accepted *acceptedSocket) {
	l, fd := s.listener, accepted.fd
	l.stats.PreCxTotal++
	l.stats.PreCxActive++
	s.socket.fd = fd
	s.socket.info = accepted.info
	s.socket.info.kernel, s.socket.info.fd = l.kernel, fd
	s.global, s.handOff = accepted.global, accepted.handOff
	s.buffer.data.attach(accepted.preread)
	s.position = -1
	s.looked, s.peerEnded, s.continued, s.ended = false, false, false, false
	push(&l.sockets, s)

	s.running = true
	s.next()
	if timeout := l.config.ListenerFiltersTimeout; !s.ended && timeout > 0 {
		s.timer.Enable(timeout)
	}
	s.leave()
}

// socketEvents keeps OnFileEvent out of the methods of activeSocket.
type socketEvents activeSocket

func (e *socketEvents) OnFileEvent(events poller.Events) {
	s := (*activeSocket)(e)
	s.running = true
	s.looked = false
	s.peerEnded = s.peerEnded || events&poller.RdHup != 0
	if s.isReset(events) {
		s.finish(endError)
	} else if s.feed() == Continue {
		s.next()
	}
	s.leave()
}

// isReset looks at the event and SO_ERROR, not at a read: bytes that are queued
// hide a reset from that, and there is no second edge.
func (s *activeSocket) isReset(events poller.Events) bool {
	if events&poller.Hup != 0 {
		return true // both directions ended, ours not by us
	}
	if events&poller.Err == 0 {
		return false
	}
	pending, err := s.listener.kernel.SocketError(s.socket.fd)
	return pending != nil || err != nil
}

// next passes the chain to the filter behind the current one, and on for as long
// as they continue.
func (s *activeSocket) next() {
	for !s.ended {
		s.position++
		s.offered = 0
		if s.position == len(s.filters) {
			s.finish(endConnected)
			return
		}
		s.inFilter = true
		status := s.answer(s.filters[s.position].OnAccept(&s.callbacks[s.position]))
		if status == StopIteration {
			status = s.feed()
		}
		if status == StopIteration {
			return
		}
	}
}

// feed gives the current filter what it has not seen, until it continues, or until
// the socket has ended or waits for the poller.
func (s *activeSocket) feed() FilterStatus {
	for !s.ended {
		filter := s.filters[s.position]
		want, have := filter.MaxReadBytes(), s.buffer.data.Len()
		if want > 0 && have > s.offered {
			s.inFilter = true
			status := s.answer(filter.OnData(&s.buffer))
			if status == Continue {
				return Continue
			}
			s.offered = s.buffer.data.Len()
			continue
		}
		wait := want > 0 && want <= have || // it has all that it wishes and waits for something else
			want == 0 && !(s.peerEnded && have == 0)
		if wait || !s.look(max(want, 1)) {
			s.wait()
			return StopIteration
		}
	}
	return StopIteration
}

// look reads bytes that the filter has not seen. It says no when there are
// none, and ends the socket when there will be none.
func (s *activeSocket) look(want int) bool {
	if s.looked {
		// Only now, when a filter has seen all of it and still wants more, does the end
		// of the stream count: Envoy drops the socket with the FIN (envoy #36197).
		if s.peerEnded {
			s.finish(endRemoteClose)
		}
		return false
	}
	n, err := s.buffer.read(s.listener.kernel, s.socket.fd, want)
	switch {
	case err == syscall.EAGAIN:
		return false
	case err == syscall.EINTR: // Envoy ends the socket here
		s.wait()
		s.registration.Activate(poller.In)
		return false
	case err != nil:
		s.finish(endError)
		return false
	case n == 0:
		s.finish(endRemoteClose)
		return false
	}
	s.looked = s.buffer.short
	return true
}

// wait puts the socket into the poller. If there is something to be told already,
// it is told at once.
func (s *activeSocket) wait() {
	if s.ended {
		return
	}
	s.buffer.park()
	if s.registration.Valid() {
		return
	}
	l := s.listener
	r, err := l.loop.Register(s.socket.fd, poller.In|poller.RdHup|poller.EdgeTriggered, (*socketEvents)(s))
	if err != nil {
		s.finish(endError)
		return
	}
	s.registration = r
	l.note(s.socket.fd, "listener filters wait")
}

// answer is what a filter said, by its return or in other ways.
func (s *activeSocket) answer(status FilterStatus) FilterStatus {
	continued := s.continued
	s.inFilter, s.continued = false, false
	switch {
	case s.ended:
		return StopIteration
	case !s.socket.IsOpen():
		s.finish(endRejected)
		return StopIteration
	case continued:
		return Continue
	}
	return status
}

// refuse is what a filter, or somebody else with the socket, does to it.
func (s *activeSocket) refuse() {
	if s.ended || s.inFilter {
		s.listener.note(s.socket.fd, socketEndNotes[endRejected])
		s.close() // the rest is done when the filter returns
		return
	}
	s.finish(endRejected)
}

// onTimeout is listener_filters_timeout. Unlike Envoy it tells the filter, so that
// one with work of its own can drop it.
func (s *activeSocket) onTimeout() {
	s.running = true
	l := s.listener
	l.stats.PreCxTimeout++
	if l.config.ContinueOnListenerFiltersTimeout {
		l.stats.PreCxTimeoutContinued++
		filter := s.filters[s.position]
		s.position = len(s.filters) // its turn is over: it can not continue the chain
		filter.OnClose()
		s.finish(endConnected)
	} else {
		s.finish(endTimeout)
	}
	s.leave()
}

// finish ends the life of the socket, in one way. Whoever comes second does nothing.
func (s *activeSocket) finish(end socketEnd) {
	if s.ended {
		return
	}
	s.ended = true
	l := s.listener
	var target *Listener
	if end == endConnected {
		if target = s.originalListener(); target != nil {
			end = endHandedOff
		}
	}
	s.timer.Disable()
	unlink(&l.sockets, s)
	l.note(s.socket.fd, socketEndNotes[end])
	l.stats.PreCxActive--
	switch end {
	case endConnected:
		l.stats.PreCxConnected++
		fd, r := s.socket.fd, s.registration
		s.socket.fd, s.registration = -1, Registration{}
		l.newConnection(fd, &s.socket.info, s.global, r, s.buffer.data.detach())
	case endHandedOff:
		l.stats.PreCxHandedOff++
		s.handTo(target)
	case endRejected:
		l.stats.FilterReject++
	case endRemoteClose:
		l.stats.FilterRemoteClose++
	case endError:
		l.stats.FilterError++
	case endRemoved:
		l.stats.PreCxRemoved++
	}
	if end != endConnected && end != endRejected && end != endHandedOff {
		s.filters[s.position].OnClose()
	}
	s.close()
	if end != endConnected {
		l.release()
		s.global.Release()
	}
	l.checkDrained()
	if !s.running {
		s.release()
	}
}

// originalListener is who gets the socket instead of us, nil if nobody.
func (s *activeSocket) originalListener() *Listener {
	l := s.listener
	if !s.handOff || l.manager == nil || !s.socket.info.LocalAddressRestored() {
		return nil
	}
	if target := l.manager.listenerFor(s.socket.info.local); target != l {
		return target
	}
	return nil
}

// handTo gives the socket to target, with what is known about it and its global
// unit. It is handed on once only.
func (s *activeSocket) handTo(target *Listener) {
	s.registration.Unregister()
	accepted := acceptedSocket{fd: s.socket.fd, info: s.socket.info, global: s.global, preread: s.buffer.data.detach()}
	s.socket.fd, s.registration, s.global = -1, Registration{}, nil
	s.socket.info = ConnectionInfo{}
	target.stats.CxHandedIn++
	target.admit(&accepted)
}

// close closes the descriptor if we still have it.
func (s *activeSocket) close() {
	if s.socket.fd < 0 {
		return
	}
	s.registration.forget()
	s.registration = Registration{}
	fd := s.socket.fd
	s.socket.fd, s.socket.info.kernel = -1, nil
	closeDescriptor(s.listener.kernel, fd, s.buffer.data.Len() > 0)
}

// leave is the end of every method that was called from outside.
func (s *activeSocket) leave() {
	s.running = false
	if s.ended {
		s.release()
	}
}

func (s *activeSocket) release() {
	s.buffer.end()
	s.socket.info = ConnectionInfo{}
	s.global = nil
	if l := s.listener; len(l.pool) < maxPooledSockets {
		l.pool = append(l.pool, s)
	}
}
