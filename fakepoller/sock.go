package fakepoller

import (
	"net/netip"
	"syscall"
	"time"

	"edgewise.test/faults"
	"edgewise.test/poller"
)

// tcpState is the state of RFC 9293, 3.3.2. TIME-WAIT counts as closed, as it
// does in Linux for the socket that a program holds.
type tcpState uint8

const (
	tcpClose tcpState = iota
	tcpListen
	tcpSynSent
	tcpEstablished
	tcpFinWait1
	tcpFinWait2
	tcpCloseWait
	tcpClosing
	tcpLastAck
)

// Which directions are shut (sk_shutdown).
const (
	rcvShut uint8 = 1 << iota
	sndShut
	bothShut = rcvShut | sndShut
)

// connecting is struct socket's state, which answers a second connect.
type connecting uint8

const (
	unconnected connecting = iota
	inProgress
	connected
	disconnecting // shut after the attempt failed, before connect told so: of no further use
)

// sock is a TCP socket: Linux net/ipv4/tcp.c and tcp_input.c at the level of
// states, queues and wake-ups.
type sock struct {
	// What every event touches comes first, in four lines of the cache: among many
	// sockets the misses are what an event costs.
	watched
	chooser
	w    *World
	peer *sock

	state     tcpState
	shut      uint8
	conn      connecting
	flags     optFlags
	done      bool // a FIN was received (SOCK_DONE)
	finQueued bool
	finSent   bool
	nospace   bool // somebody was told that there is no room (SOCK_NOSPACE)
	peeked    bool // and not read since
	squeezed  bool // a fault keeps the buffer full until space fires
	ackDue    bool // the last ACK of our handshake waits for the first segment, or for syn
	ofPeer    bool // held by a Conn, which has no short writes: splitting arrivals says the same
	orphan    bool // nobody holds a descriptor
	pooled    bool
	hasPort   bool // inet_num is not 0
	isBound   bool // by bind or listen, so that others may not bind the port
	autobound bool // to a port that nobody asked for, which the end of the connection gives back
	boundAddr bool // to an address that was asked for (SOCK_BINDADDR_LOCK)

	err     error     // pending, told once
	in      queue     // what the peer wrote and nobody read yet
	visible int       // how much of it has arrived
	flying  int       // how much of it is on its way; the rest waits for room
	flight  []segment // on its way here, in order

	sndbuf, rcvbuf, lowat int
	linger                int

	arrival, space, syn timer
	local, remote       netip.AddrPort
	listener
	synTries int
}

type optFlags uint8

const (
	optNoDelay optFlags = 1 << iota
	optKeepAlive
	optReuseAddr
	optReusePort
	optDelayAck // TCP_QUICKACK is off
)

// segment is a piece of the stream on its way, or what follows the stream.
type segment struct {
	n     int
	at    time.Duration
	fin   bool
	reset int // outcome of faults.Reset; 3: the sender's own reset
}

const ownReset = 3

// restDelay is how much later the rest of a split segment comes when nothing
// else is said: enough for the receiver to run in between.
const restDelay = time.Millisecond

func (w *World) newSock() *sock {
	var s *sock
	if n := len(w.freeSocks); n > 0 {
		s = w.freeSocks[n-1]
		w.freeSocks = w.freeSocks[:n-1]
		in, seq := queue{buf: s.in.buf}, s.seq
		if seq != nil {
			*seq = seqs{}
		}
		flight, accepts := s.flight[:0], s.accepts[:0]
		*s = sock{}
		s.seq, s.in, s.flight, s.accepts = seq, in, flight, accepts
	} else {
		s = new(sock)
	}
	s.w = w
	s.kind = kindConn
	s.sndbuf, s.rcvbuf, s.lowat, s.linger = w.cfg.SndBuf, w.cfg.RcvBuf, 1, -1
	s.opened = w.steps
	s.arrival.fire, s.space.fire, s.syn.fire = s, s, s
	return s
}

// maxPooledQueue keeps a big transfer's memory from staying with the world.
const maxPooledQueue = 64 << 10

// recycle takes a socket back once nothing can reach it.
func (s *sock) recycle() {
	p := s.peer
	if !s.gone() || p != nil && !p.gone() {
		return
	}
	s.pool()
	if p != nil {
		p.pool()
	}
}

func (s *sock) gone() bool {
	return s.orphan && s.refs <= 0 && s.state == tcpClose && len(s.flight) == 0 && s.space.index == 0 && s.syn.index == 0 && s.queuedOn == nil && s.awaiting == nil
}

func (s *sock) pool() {
	if s.pooled {
		return
	}
	s.pooled = true
	s.peer = nil
	if len(s.in.buf) <= maxPooledQueue {
		s.w.freeSocks = append(s.w.freeSocks, s)
	}
}

// readable is the key of sock_def_readable.
const readable = poller.In | poller.Pri

// poll is tcp_poll.
func (s *sock) poll() poller.Events {
	if s.state == tcpListen {
		if s.pending() > 0 {
			return poller.In
		}
		return 0
	}
	var bits poller.Events
	if s.shut == bothShut || s.state == tcpClose {
		bits |= poller.Hup
	}
	if s.shut&rcvShut != 0 {
		bits |= poller.In | poller.RdHup
	}
	if s.state != tcpSynSent {
		if s.visible >= min(s.lowat, s.rcvbuf) && s.visible > 0 {
			bits |= poller.In
		}
		if s.shut&sndShut != 0 || s.writable() {
			bits |= poller.Out
		} else {
			s.nospace = true
		}
	}
	if s.err != nil {
		bits |= poller.Err
	}
	return bits
}

// queued is how much the peer has not acknowledged (sk_wmem_queued).
func (s *sock) queued() int {
	if s.peer == nil {
		return 0
	}
	return s.peer.in.n - s.peer.visible
}

// writable is __sk_stream_is_writeable: a third of the buffer is free.
func (s *sock) writable() bool {
	q := s.queued()
	return !s.squeezed && s.sndbuf-q >= q/2
}

// read is tcp_recvmsg; drop tells whether the bytes leave the queue.
func (s *sock) read(p []byte, drop bool) (int, error) {
	if len(p) == 0 && drop { // read(2) does not ask the stream then; recv(2) does (PK-01)
		return 0, nil
	}
	if s.state == tcpListen {
		return 0, syscall.ENOTCONN
	}
	if s.visible > 0 {
		n := min(len(p), s.visible)
		s.in.peek(p[:n])
		if drop {
			s.in.discard(n)
			s.visible -= n
			if s.peer != nil && s.in.n > s.visible+s.flying {
				s.peer.transmit()
			}
		}
		return n, nil
	}
	switch {
	case s.done:
		return 0, nil
	case s.err != nil:
		return 0, s.takeError()
	case s.shut&rcvShut != 0:
		return 0, nil
	case s.state == tcpClose:
		return 0, syscall.ENOTCONN
	}
	return 0, syscall.EAGAIN
}

func (s *sock) takeError() error {
	err := s.err
	s.err = nil
	return err
}

// write is tcp_sendmsg; it takes bytes of several slices as of one.
func (s *sock) write(bufs [][]byte) (int, error) {
	total := 0
	for _, b := range bufs {
		total += len(b)
	}
	switch {
	case s.err != nil:
		return 0, s.takeError()
	case s.state == tcpSynSent:
		return 0, syscall.EAGAIN
	case s.shut&sndShut != 0, s.state == tcpClose, s.state == tcpListen:
		return 0, syscall.EPIPE
	case total == 0:
		return 0, nil
	}
	room := s.sndbuf - s.queued()
	if s.squeezed {
		room = 0
	} else if room > 0 && !s.ofPeer {
		if k := s.w.choose(&s.chooser, faults.Room, min(total, room)+1); k > 0 {
			room = k - 1
			s.squeezed = true
			s.w.timers.arm(&s.space, s.w.now+restDelay)
		}
	}
	if room <= 0 {
		s.w.reach(WriteWouldBlock)
		s.nospace = true
		return 0, syscall.EAGAIN
	}
	n := min(total, room)
	left := n
	for _, b := range bufs {
		take := min(len(b), left)
		s.peer.in.write(b[:take])
		left -= take
	}
	if n < total {
		s.w.reach(ShortWrite)
		s.nospace = true
	}
	s.transmit()
	return n, nil
}

// transmit sends what the receiver's window has room for, and the FIN after the
// last byte.
func (s *sock) transmit() {
	r := s.peer
	for {
		unsent := r.in.n - r.visible - r.flying
		n := min(unsent, r.rcvbuf-r.visible-r.flying)
		if n <= 0 {
			if unsent == 0 && s.finQueued && !s.finSent {
				s.finSent = true
				s.put(segment{fin: true}, s.w.chooseTime(&s.chooser, faults.Fin))
			}
			return
		}
		if !s.send(n) {
			return
		}
	}
}

// send puts n bytes on their way, in as many segments as the source likes. It
// returns false when the connection died of it.
func (s *sock) send(n int) bool {
	late := time.Duration(0)
	for n > 0 {
		piece := n
		if k := s.w.choose(&s.chooser, faults.Segment, n); k > 0 {
			piece = k
		}
		delay := s.w.chooseTime(&s.chooser, faults.Delay)
		reset := s.w.choose(&s.chooser, faults.Reset, ownReset)
		s.put(segment{n: piece, reset: reset}, late+delay)
		if s.state == tcpClose || s.peer == nil {
			return false
		}
		n -= piece
		late += restDelay
	}
	return true
}

// put sends a segment that takes so long. What is already on its way comes first.
func (s *sock) put(seg segment, late time.Duration) {
	r := s.peer
	seg.at = s.w.now + late
	if len(r.flight) == 0 && late == 0 {
		r.flying += seg.n
		r.arrive(seg)
		return
	}
	if n := len(r.flight); n > 0 {
		seg.at = max(seg.at, r.flight[n-1].at)
	}
	r.flight = append(r.flight, seg)
	r.flying += seg.n
	if r.arrival.index == 0 {
		r.w.timers.arm(&r.arrival, seg.at)
	}
}

// fired implements firer for the three timers of a socket.
func (s *sock) fired(t *timer) {
	switch t {
	case &s.arrival:
		s.land()
	case &s.space:
		s.squeezed = false
		s.tellSpace()
	case &s.syn:
		switch {
		case s.awaiting != nil:
			s.join()
		case s.state == tcpSynSent:
			s.sendSyn()
		case s.ackDue:
			s.ackSynAck()
		default:
			s.finAcked()
		}
	}
	s.recycle()
}

// land lets every segment arrive that is due.
func (s *sock) land() {
	for len(s.flight) > 0 && s.flight[0].at <= s.w.now {
		seg := s.flight[0]
		s.flight = s.flight[:copy(s.flight, s.flight[1:])]
		s.arrive(seg)
	}
	if len(s.flight) > 0 {
		s.w.timers.arm(&s.arrival, s.flight[0].at)
	}
}

// arrive is the receiving end of a segment: tcp_rcv_established and
// tcp_rcv_state_process.
func (r *sock) arrive(seg segment) {
	s := r.peer
	r.flying -= seg.n
	if s.ackDue && seg.reset != 1 && seg.reset != ownReset {
		s.ackSynAck()
	}
	switch {
	case seg.reset == ownReset:
		r.rstArrived()
		return
	case seg.reset == 1:
		r.drop(seg.n)
		s.rstArrived()
		r.rstArrived()
		return
	case r.state == tcpClose:
		r.drop(seg.n)
		s.rstArrived()
		return
	case seg.n > 0 && r.shut&rcvShut != 0 && (r.state == tcpFinWait1 || r.state == tcpFinWait2):
		// RFC 1122 4.2.2.13: data that nobody will read is answered with a reset (CL-06, CL-13).
		r.drop(seg.n)
		r.rstArrived()
		s.rstArrived()
		return
	}
	if seg.n > 0 {
		r.visible += seg.n
		r.w.noteArrival(r, seg.n)
		if r.visible >= r.lowat {
			r.wake(r.w, readable)
		}
		s.checkSpace()
	}
	if seg.fin {
		r.finArrived()
		if late := s.w.chooseTime(&s.chooser, faults.Ack); late > 0 && s.syn.index == 0 {
			s.w.timers.arm(&s.syn, s.w.now+late)
		} else {
			s.finAcked()
		}
	}
	if seg.reset == 2 {
		s.rstArrived()
		r.rstArrived()
	}
}

// drop forgets n bytes that were about to become visible, and all behind them.
func (r *sock) drop(n int) {
	if n > 0 {
		r.in.truncate(r.visible)
		r.flying, r.flight = 0, r.flight[:0]
		r.w.timers.disarm(&r.arrival)
	}
}

// checkSpace is tcp_check_space: the edge of EPOLLOUT, which the source may hold
// back for a while.
func (s *sock) checkSpace() {
	if !s.nospace || s.space.index != 0 || s.state == tcpClose || !s.writable() {
		return
	}
	if late := s.w.chooseTime(&s.chooser, faults.Space); late > 0 {
		s.w.timers.arm(&s.space, s.w.now+late)
		return
	}
	s.tellSpace()
}

func (s *sock) tellSpace() {
	if s.nospace && s.state != tcpClose && s.writable() {
		s.nospace = false
		s.wake(s.w, poller.Out)
	}
}

func (r *sock) finArrived() {
	switch r.state {
	case tcpEstablished:
		r.state = tcpCloseWait
	case tcpFinWait1:
		r.state = tcpClosing
	case tcpFinWait2:
		r.enterTimeWait()
		r.close()
		r.shut = bothShut
	}
	r.shut |= rcvShut
	r.done = true
	if r.visible > 0 {
		r.w.reach(FinBehindData)
	}
	r.w.noteNet(r, "FIN arrives")
	r.wake(r.w, 0)
	r.recycle()
}

// finAcked is the arrival of the ACK of our FIN: an edge of its own (ET-29).
func (s *sock) finAcked() {
	switch s.state {
	case tcpFinWait1:
		s.state = tcpFinWait2
	case tcpClosing, tcpLastAck:
		if s.state == tcpClosing {
			s.enterTimeWait()
		}
		s.close()
		s.shut = bothShut
	default:
		return
	}
	s.wake(s.w, 0)
	s.recycle()
}

// rstArrived is tcp_reset.
func (s *sock) rstArrived() {
	var errno syscall.Errno
	switch s.state {
	case tcpClose:
		return
	case tcpSynSent:
		errno = syscall.ECONNREFUSED
	case tcpCloseWait:
		errno = syscall.EPIPE
	default:
		errno = syscall.ECONNRESET
	}
	if s.visible > 0 {
		s.w.reach(ResetBehindData)
		if s.peeked {
			s.w.reach(PeekThenReset)
		}
	}
	s.w.noteNet(s, "RST arrives")
	s.fail(errno)
}

// fail ends the connection with a pending error.
func (s *sock) fail(errno syscall.Errno) {
	if !s.orphan {
		s.err = errno
	}
	s.die()
	s.wake(s.w, 0)
	s.recycle()
}

// die is tcp_done: what has arrived stays readable, all else is gone.
func (s *sock) die() {
	s.close()
	s.shut = bothShut
	s.in.truncate(s.visible)
	s.flying, s.flight = 0, s.flight[:0]
	s.w.timers.disarm(&s.arrival)
	s.w.timers.disarm(&s.syn)
	s.w.timers.disarm(&s.space)
	s.squeezed = false
	if s.ackDue { // it was never a connection to the listener: nobody hears of it
		s.ackDue = false
		s.peer.awaiting, s.peer.orphan = nil, true
	}
	if r := s.peer; r != nil { // tcp_write_queue_purge: what was not sent yet
		r.in.truncate(r.visible + r.flying)
	}
}

// close is tcp_set_state(TCP_CLOSE): a port that was not asked for is free again,
// though getsockname goes on telling it.
func (s *sock) close() {
	s.state = tcpClose
	if s.autobound {
		s.unbind()
		s.hasPort, s.autobound = false, false
	}
}

// disconnect is tcp_disconnect of a socket whose connection was never or is no
// longer there: it can be used again.
func (s *sock) disconnect() {
	s.shut, s.done, s.err, s.conn = 0, false, nil, unconnected
	s.in.discard(s.visible)
	s.visible = 0
	if !s.boundAddr {
		s.local = netip.AddrPortFrom(unspecified(s.local.Addr()), s.local.Port())
	}
	s.wake(s.w, poller.Err) // sk_error_report
}

// sendRst resets the peer after everything that is already on its way to it.
func (s *sock) sendRst() {
	r := s.peer
	s.die()
	if r != nil && r.state != tcpClose {
		s.put(segment{reset: ownReset}, s.w.chooseTime(&s.chooser, faults.Fin))
	}
}

// released implements file: tcp_close.
func (s *sock) released() {
	s.orphan = true
	s.unbind()
	switch {
	case s.state == tcpListen:
		s.stopListening()
	case s.state == tcpSynSent:
		s.die()
	case s.state == tcpClose:
	case s.visible > 0 || s.linger == 0:
		s.sendRst()
	default:
		s.shut = bothShut
		s.sendFin()
	}
	s.err = nil
	s.in.truncate(s.visible)
	s.in.discard(s.visible)
	s.visible = 0
	s.recycle()
}

// sendFin is tcp_close_state and tcp_send_fin.
func (s *sock) sendFin() {
	switch s.state {
	case tcpEstablished:
		s.state = tcpFinWait1
	case tcpCloseWait:
		s.state = tcpLastAck
	default:
		return
	}
	s.finQueued = true
	s.transmit()
}

// shutdown is inet_shutdown. The waking at the end happens whatever the answer
// is (CN-18, ET-14).
func (s *sock) shutdown(how poller.How) error {
	if how < poller.ShutRead || how > poller.ShutBoth {
		return syscall.EINVAL
	}
	mask := uint8(how + 1)
	if s.conn == inProgress {
		s.conn = connected
		if s.state == tcpSynSent || s.state == tcpClose {
			s.conn = disconnecting
		}
	}
	var err error
	switch s.state {
	case tcpListen:
		if mask&rcvShut != 0 {
			s.stopListening()
			s.disconnect()
		}
	case tcpSynSent:
		s.die()
		s.disconnect()
		s.err = syscall.ECONNRESET
	default:
		if s.state == tcpClose {
			err = syscall.ENOTCONN
		}
		s.shut |= mask
		if mask&sndShut != 0 {
			s.sendFin()
		}
	}
	s.wake(s.w, 0)
	return err
}
