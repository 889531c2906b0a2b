package fakepoller

import (
	"net/netip"
	"syscall"
	"time"

	"edgewise.test/faults"
)

// listener is the part of a socket that listens, or that waits to be accepted.
type listener struct {
	backlog  int
	accepts  []*sock // established and not accepted yet, oldest first
	accepted int     // how many of accepts are gone
	queuedOn *sock   // the listener in whose queue this socket is
	awaiting *sock   // the listener in whose queue it will be when syn fires
}

// somaxconn is net.core.somaxconn.
const somaxconn = 4096

func (l *listener) pending() int { return len(l.accepts) - l.accepted }

func (l *listener) pop() *sock {
	s := l.accepts[l.accepted]
	l.accepts[l.accepted] = nil
	if l.accepted++; l.accepted == len(l.accepts) {
		l.accepts, l.accepted = l.accepts[:0], 0
	}
	s.queuedOn = nil
	return s
}

// enqueue puts an established connection last.
func (l *listener) enqueue(s *sock) {
	if l.accepts == nil {
		l.accepts = make([]*sock, 0, 8) // most worlds need no more
	}
	if l.accepted > 0 && len(l.accepts) == cap(l.accepts) {
		n := copy(l.accepts, l.accepts[l.accepted:])
		clear(l.accepts[n:])
		l.accepts, l.accepted = l.accepts[:n], 0
	}
	l.accepts = append(l.accepts, s)
}

// listen is inet_listen.
func (s *sock) listen(backlog int) error {
	if s.state != tcpListen && (s.state != tcpClose || s.conn != unconnected) {
		return syscall.EINVAL
	}
	if backlog < 0 || backlog > somaxconn {
		backlog = somaxconn
	}
	s.backlog = backlog
	if s.state == tcpListen {
		return nil
	}
	if !s.hasPort {
		ip := netip.IPv4Unspecified()
		if s.local.IsValid() {
			ip = s.local.Addr()
		}
		s.local, s.hasPort, s.autobound = netip.AddrPortFrom(ip, s.w.ephemeral()), true, true
	}
	for _, other := range s.w.listeners[s.local] {
		if other.flags&s.flags&optReusePort == 0 {
			return syscall.EADDRINUSE
		}
	}
	if s.kind != kindListener {
		s.w.listens++
		s.kind, s.index = kindListener, s.w.listens
	}
	s.state = tcpListen
	if s.w.listeners == nil {
		s.w.listeners = make(map[netip.AddrPort][]*sock)
	}
	s.w.listeners[s.local] = append(s.w.listeners[s.local], s)
	return nil
}

// stopListening resets everybody in the queue (LN-21).
func (s *sock) stopListening() {
	group := s.w.listeners[s.local]
	for i, l := range group {
		if l == s {
			s.w.listeners[s.local] = append(group[:i:i], group[i+1:]...)
		}
	}
	s.close() // the next listen gets another port unless it was asked for (LN-23)
	for s.pending() > 0 {
		child := s.pop()
		child.orphan = true
		child.sendRst()
		child.recycle()
	}
}

// bind is inet_bind.
func (s *sock) bind(addr netip.AddrPort) error {
	if s.hasPort || s.state != tcpClose {
		return syscall.EINVAL
	}
	if ip := addr.Addr(); !ip.IsLoopback() && !ip.IsUnspecified() && !ip.IsPrivate() {
		return syscall.EADDRNOTAVAIL
	}
	w := s.w
	auto := addr.Port() == 0
	if auto {
		addr = netip.AddrPortFrom(addr.Addr(), w.ephemeral())
	}
	if until, ok := w.timeWait[addr.Port()]; ok && until > w.now && s.flags&optReuseAddr == 0 {
		return syscall.EADDRINUSE
	}
	for _, other := range w.bound[addr.Port()] {
		if conflict(s, addr, other) {
			return syscall.EADDRINUSE
		}
	}
	if w.bound == nil {
		w.bound = make(map[uint16][]*sock)
	}
	w.bound[addr.Port()] = append(w.bound[addr.Port()], s)
	s.local, s.hasPort, s.isBound, s.autobound = addr, true, true, auto
	s.boundAddr = !addr.Addr().IsUnspecified()
	return nil
}

// conflict is inet_csk_bind_conflict.
func conflict(s *sock, addr netip.AddrPort, other *sock) bool {
	a, b := addr.Addr(), other.local.Addr()
	if a != b && !a.IsUnspecified() && !b.IsUnspecified() {
		return false
	}
	both := s.flags & other.flags
	return both&optReusePort == 0 && (both&optReuseAddr == 0 || other.state == tcpListen)
}

// timeWaitLength is TCP_TIMEWAIT_LEN.
const timeWaitLength = 60 * time.Second

// enterTimeWait keeps the port of whoever closed first, for those who bind it
// without SO_REUSEADDR. Ports that nobody binds are not kept.
func (s *sock) enterTimeWait() {
	w := s.w
	if len(w.bound[s.local.Port()]) == 0 {
		return
	}
	if w.timeWait == nil {
		w.timeWait = make(map[uint16]time.Duration)
	}
	w.timeWait[s.local.Port()] = w.now + timeWaitLength
}

func (s *sock) unbind() {
	if !s.isBound {
		return
	}
	s.isBound = false
	group := s.w.bound[s.local.Port()]
	for i, x := range group {
		if x == s {
			s.w.bound[s.local.Port()] = append(group[:i:i], group[i+1:]...)
			return
		}
	}
}

// The range of net.ipv4.ip_local_port_range.
const firstEphemeral, lastEphemeral = 32768, 60999

func (w *World) ephemeral() uint16 {
	for {
		port := w.nextPort
		if w.nextPort++; w.nextPort > lastEphemeral {
			w.nextPort = firstEphemeral
		}
		if len(w.bound[port]) == 0 {
			return port
		}
	}
}

// listenerAt returns the listener for a connection of s to addr: of a group that
// shares it, the one that the connection's number hashes to.
func (w *World) listenerAt(addr netip.AddrPort, s *sock) *sock {
	group := w.listeners[addr]
	if len(group) == 0 {
		if group = w.listeners[netip.AddrPortFrom(unspecified(addr.Addr()), addr.Port())]; len(group) == 0 {
			return nil
		}
	}
	pick := uint32(w.choose(&s.chooser, faults.Share, len(group)))
	return group[(uint32(s.index)*2654435761>>16+pick)%uint32(len(group))]
}

// connect is inet_stream_connect on a nonblocking socket.
func (s *sock) connect(to netip.AddrPort) error {
	switch {
	case s.state == tcpListen, s.conn == connected:
		return syscall.EISCONN
	case s.conn == disconnecting:
		return syscall.EINVAL
	case s.conn == inProgress:
		switch s.state {
		case tcpSynSent:
			return syscall.EALREADY
		case tcpClose:
			err := s.takeError()
			if err == nil {
				err = syscall.ECONNABORTED
			}
			s.disconnect()
			return err
		}
		s.conn = connected
		return nil
	}
	w := s.w
	if to.Addr().IsUnspecified() {
		to = netip.AddrPortFrom(loopback(to.Addr()), to.Port())
	}
	if !s.hasPort {
		s.local, s.hasPort, s.autobound = netip.AddrPortFrom(s.local.Addr(), w.ephemeral()), true, true
	}
	if ip := s.local.Addr(); !ip.IsValid() || ip.IsUnspecified() {
		s.local = netip.AddrPortFrom(loopback(to.Addr()), s.local.Port())
	}
	s.remote = to
	w.conns++
	s.kind, s.index = kindConn, w.conns
	s.state, s.conn = tcpSynSent, inProgress
	s.err, s.done = nil, false // tcp_connect_init
	s.synTries = 0
	if outcome := w.choose(&s.chooser, faults.Connect, faults.Connect.Range()); outcome > 0 {
		errno := faults.Connect.Errno(outcome).(syscall.Errno)
		if errno == syscall.ETIMEDOUT { // as if every SYN were lost
			s.synTries = len(synRetries) + 1
			w.timers.arm(&s.syn, w.now+synTimeout)
		} else {
			s.fail(errno)
		}
		return syscall.EINPROGRESS
	}
	if late := w.chooseTime(&s.chooser, faults.Handshake); late > 0 {
		w.timers.arm(&s.syn, w.now+late)
		return syscall.EINPROGRESS
	}
	s.sendSyn()
	return syscall.EINPROGRESS
}

func unspecified(like netip.Addr) netip.Addr {
	if like.Is6() {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

func loopback(like netip.Addr) netip.Addr {
	if like.Is6() {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// synRetries are the times since the attempt before at which a SYN is sent
// again: four at one second (tcp_syn_linear_timeouts), then doubling.
var synRetries = [...]time.Duration{time.Second, time.Second, time.Second, time.Second, 2 * time.Second, 4 * time.Second}

// synTimeout is the sum of synRetries and the last wait.
const synTimeout = 18 * time.Second

// sendSyn tries to establish the connection. A full queue drops the SYN (LN-08).
func (s *sock) sendSyn() {
	if s.state != tcpSynSent {
		return
	}
	w := s.w
	if s.synTries > len(synRetries) {
		s.fail(syscall.ETIMEDOUT)
		return
	}
	l := w.listenerAt(s.remote, s)
	switch {
	case l == nil && s.local == s.remote: // both ends are this socket (CN-12)
		s.peer, s.state = s, tcpEstablished
		s.wake(w, 0)
		if s.shut&sndShut != 0 { // as at the end of join: this passes SYN-RECEIVED
			s.sendFin()
		}
		return
	case l == nil:
		s.rstArrived()
		return
	case l.pending() > l.backlog:
		wait := 8 * time.Second
		if s.synTries < len(synRetries) {
			wait = synRetries[s.synTries]
		}
		s.synTries++
		w.timers.arm(&s.syn, w.now+wait)
		return
	}
	child := w.newSock()
	child.kind, child.index = kindServer, s.index
	child.state, child.conn = tcpEstablished, connected
	child.local, child.remote = s.remote, s.local
	child.hasPort, child.autobound = true, true // sk_clone_lock drops SOCK_BINDPORT_LOCK
	child.inherit(l)
	child.peer, s.peer = s, child
	s.state = tcpEstablished
	child.awaiting = l
	s.wake(w, 0)
	if s.flags&optDelayAck != 0 {
		s.ackDue = true
		w.timers.arm(&s.syn, w.now+delayedAck)
		return
	}
	s.ackSynAck()
}

// delayedAck is TCP_DELACK_MAX, for which the last ACK of a handshake waits for
// something to ride on when TCP_QUICKACK is off (RS-13).
const delayedAck = 200 * time.Millisecond

// ackSynAck is the last ACK of the handshake.
func (s *sock) ackSynAck() {
	w, child := s.w, s.peer
	if s.ackDue {
		s.ackDue = false
		w.timers.disarm(&s.syn)
	}
	if late := w.chooseTime(&s.chooser, faults.Queue); late > 0 {
		w.timers.arm(&child.syn, w.now+late)
		return
	}
	child.join()
}

// dataRetry is how long the last ACK of a handshake takes to come again (LN-29).
const dataRetry = 200 * time.Millisecond

// join puts an established connection into its listener's queue.
func (s *sock) join() {
	w, l := s.w, s.awaiting
	switch {
	case s.state == tcpClose: // reset before it was a connection: nobody hears of it
		s.awaiting, s.orphan = nil, true
		s.recycle()
		return
	case l.state != tcpListen:
		s.awaiting, s.orphan = nil, true
		s.sendRst()
		s.recycle()
		return
	case l.pending() > l.backlog:
		w.timers.arm(&s.syn, w.now+dataRetry)
		return
	}
	s.awaiting, s.queuedOn = nil, l
	l.enqueue(s)
	w.noteNet(l, "connection queued")
	w.noteRoute(s.remote, s.local)
	l.wake(w, readable)
	if s.shut&sndShut != 0 { // the listener was shut before it listened
		s.sendFin()
	}
}

// inherit copies what an accepted socket has from its listener (LN-05).
func (s *sock) inherit(l *sock) {
	s.sndbuf, s.rcvbuf, s.lowat, s.linger, s.flags, s.shut = l.sndbuf, l.rcvbuf, l.lowat, l.linger, l.flags, l.shut
}
