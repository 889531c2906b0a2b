package fakenet

import (
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"edgewise.test/poller"
)

// socket is what a Conn or a Listener stands for. The scheduler makes it; what
// goroutines touch is atomic or under Net.mu.
type socket struct {
	n    *Net
	host *Host
	fd   poller.FD
	key  key // without kind and seq
	by   key // the operation that made it

	local, remote netip.AddrPort
	in, out       *edge // what the race detector is told about each direction

	seq     [kinds]int // under Net.mu
	effects int        // under Net.mu

	closed                atomic.Bool
	readUntil, writeUntil atomic.Int64 // instant

	// The scheduler's own.
	gone bool // closed in the world

	reads, writes int // the last scan in which one was seen
	waits         int // its operations that have not ended
}

// edge is the address of a happens-before relation.
type edge struct{ _ byte }

// instant is a time since the start plus one, so that 0 is none.
type instant int64

func instantOf(d time.Duration) instant { return instant(max(d, 0)) + 1 }

func (i instant) since() time.Duration { return time.Duration(i - 1) }

// until is the deadline of operations of a kind.
func (s *socket) until(k kind) instant {
	switch k {
	case kindRead, kindAccept:
		return instant(s.readUntil.Load())
	case kindWrite:
		return instant(s.writeUntil.Load())
	}
	return 0
}

// begin returns an operation on s, or an error when s is closed.
//
//go:norace
func (s *socket) begin(k kind) (*op, error) {
	if s.closed.Load() {
		return nil, net.ErrClosed
	}
	o := s.n.newOp(k)
	o.class, o.index, o.on = s.key.class, s.key.index, s
	return o, nil
}

//go:norace
func (s *socket) read(p []byte) (int, error) {
	raceDisable()
	if len(p) == 0 && !s.closed.Load() { // as internal/poll.FD.Read, whatever the deadline
		raceEnable()
		return 0, nil
	}
	o, err := s.begin(kindRead)
	if err != nil {
		raceEnable()
		return 0, err
	}
	o.buf = stage(o.buf, p, false)
	s.n.call(o)
	n, err := o.n, o.err
	if n > 0 {
		rawCopy(p, o.buf[:n])
	}
	s.n.freeOp(o)
	in := s.in
	raceEnable()
	raceWrite(p[:n])
	if n > 0 || err != nil {
		raceAcquire(in)
	}
	return n, err
}

//go:norace
func (s *socket) write(p []byte) (int, error) {
	raceRead(p)
	raceRelease(s.out)
	raceDisable()
	o, err := s.begin(kindWrite)
	if err != nil {
		raceEnable()
		return 0, err
	}
	o.buf = stage(o.buf, p, true)
	s.n.call(o)
	n, err := o.n, o.err
	s.n.freeOp(o)
	raceEnable()
	return n, err
}

// simple is a call that has neither bytes nor a result.
//
//go:norace
func (s *socket) simple(k kind) error {
	raceRelease(s.out)
	raceDisable()
	o, err := s.begin(k)
	if err == nil {
		s.n.call(o)
		err = o.err
		s.n.freeOp(o)
	}
	raceEnable()
	return err
}

// accept returns the accepted connection's socket.
//
//go:norace
func (s *socket) accept() (*socket, error) {
	raceDisable()
	o, err := s.begin(kindAccept)
	if err != nil {
		raceEnable()
		return nil, err
	}
	s.n.call(o)
	made, err := o.made, o.err
	s.n.freeOp(o)
	raceEnable()
	if made != nil {
		raceAcquire(made.in)
	}
	return made, err
}

// set is a call that does not park.
//
//go:norace
func (s *socket) set(opt poller.SockOpt, value int) error {
	raceDisable()
	o, err := s.begin(kindSet)
	if err == nil {
		o.effect, o.opt, o.value = true, opt, value
		s.n.submit(o) // the scheduler frees it
	}
	raceEnable()
	return err
}

// close ends s. Only the first call does.
//
//go:norace
func (s *socket) close() error {
	raceRelease(s.out)
	raceDisable()
	defer raceEnable()
	o, err := s.begin(kindClose)
	if err != nil || s.closed.Swap(true) {
		return net.ErrClosed
	}
	if s.n.cfg.ParkClose {
		s.n.call(o)
		s.n.freeOp(o)
		return nil
	}
	o.effect = true
	s.n.submit(o)
	return nil
}

// setDeadline changes the deadlines that are not nil.
//
//go:norace
func (s *socket) setDeadline(t time.Time, which ...*atomic.Int64) error {
	raceDisable()
	defer raceEnable()
	if s.closed.Load() {
		return net.ErrClosed
	}
	at := instant(0)
	if !t.IsZero() {
		at = instantOf(t.Sub(s.n.start))
	}
	for _, w := range which {
		w.Store(int64(at))
	}
	s.n.wake()
	return nil
}

// addrs makes what the caller may keep; the scheduler's memory is not for it.
//
//go:norace
func (s *socket) addrs() (local, remote net.Addr) {
	return net.TCPAddrFromAddrPort(s.local), net.TCPAddrFromAddrPort(s.remote)
}
