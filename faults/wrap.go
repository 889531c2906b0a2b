package faults

import (
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"edgewise.test/poller"
)

// Wrapped is a System with the choices of a source on top: plans for real
// sockets. See [Wrap].
type Wrapped struct {
	poller.System
	source Source
	worker string
	sleep  func(time.Duration)

	seq       map[Point]int // choices so far; Seq of the key is 0
	fds       map[poller.FD]*wrappedFD
	conns     int
	listeners int
	withheld  []*wrappedFD   // what the next Wait gives back
	held      []poller.Event // what an earlier Wait kept back
	scratch   []byte
}

// wrappedFD is what is known about a descriptor.
type wrappedFD struct {
	fd         poller.FD
	reads      string // actor of what arrives here, "" for others than connections
	writes     string // actor of what is written here
	listener   string
	registered bool
	events     poller.Events
	token      poller.Token
	ended      bool // a FIN or an error was reported: nothing more can come later
	decided    bool // the source was asked about what is queued
	visible    int  // bytes that have arrived of a split segment; 0: no split
	dry, full  bool // until the next Wait
}

// WrapOptions says how [Wrap] fits in. The zero value is good.
type WrapOptions struct {
	// Worker is the actor of a worker's choices; "" is "worker 1".
	Worker string
	// Sleep makes a worker late; nil means that lateness is not offered.
	Sleep func(time.Duration)
}

// Wrap puts source over k, so that a plan works on real sockets. It offers what
// one process can do to itself and stay legal: accept, segment, room, wait,
// order, interrupt, and with a Sleep also wake and pause. A split segment is a
// read that ends early, EAGAIN until the next Wait, and a fresh edge then; a
// short write likewise. The rest is the network's and calm here.
//
// Listeners are numbered as they are first used, and connections, "conn 1", as
// this System accepts or connects them; in a world of one listener and its
// clients that is as in package fakepoller.
func Wrap(k poller.System, source Source, opts WrapOptions) *Wrapped {
	if opts.Worker == "" {
		opts.Worker = "worker 1"
	}
	return &Wrapped{System: k, source: source, worker: opts.Worker, sleep: opts.Sleep, seq: map[Point]int{}, fds: map[poller.FD]*wrappedFD{}}
}

func (w *Wrapped) choose(actor string, op Op, n int) int {
	if n < 2 {
		return 0
	}
	key := Point{Actor: actor, Op: op}
	w.seq[key]++
	outcome := w.source.Choose(Point{actor, op, w.seq[key]}, n)
	if outcome < 0 || outcome >= n {
		return 0
	}
	return outcome
}

// late sleeps if the source wants it.
func (w *Wrapped) late(op Op) {
	if w.sleep == nil {
		return
	}
	if ms := w.choose(w.worker, op, op.Range()); ms > 0 {
		w.sleep(time.Duration(ms) * time.Millisecond)
	}
}

func (w *Wrapped) of(fd poller.FD) *wrappedFD {
	f := w.fds[fd]
	if f == nil {
		f = &wrappedFD{fd: fd}
		w.fds[fd] = f
	}
	return f
}

// connection names fd as an end of the next connection.
func (w *Wrapped) connection(fd poller.FD, accepted bool) {
	w.conns++
	f := w.of(fd)
	here := "conn " + strconv.Itoa(w.conns)
	f.reads, f.writes = here+" server", here
	if accepted {
		f.reads, f.writes = f.writes, f.reads
	}
}

// Accept implements [poller.Sockets].
func (w *Wrapped) Accept(fd poller.FD) (poller.FD, netip.AddrPort, error) {
	w.late(Pause)
	l := w.of(fd)
	if l.listener == "" {
		w.listeners++
		l.listener = "listener " + strconv.Itoa(w.listeners)
	}
	if err := Accept.Errno(w.choose(l.listener, Accept, Accept.Range())); err != nil {
		return -1, netip.AddrPort{}, err
	}
	conn, addr, err := w.System.Accept(fd)
	if err == nil {
		w.connection(conn, true)
	}
	return conn, addr, err
}

// Connect implements [poller.Sockets].
func (w *Wrapped) Connect(fd poller.FD, to netip.AddrPort) error {
	w.late(Pause)
	err := w.System.Connect(fd, to)
	if f := w.of(fd); err == syscall.EINPROGRESS && f.writes == "" {
		w.connection(fd, false)
	}
	return err
}

// Read implements [poller.Sockets].
func (w *Wrapped) Read(fd poller.FD, p []byte) (int, error) {
	f, p, err := w.arrived(fd, p)
	if err != nil {
		return 0, err
	}
	n, err := w.System.Read(fd, p)
	if f != nil && f.visible > 0 && n > 0 {
		if f.visible -= n; f.visible == 0 {
			f.dry = true
			w.withhold(f)
		}
	}
	return n, err
}

// Peek implements [poller.Sockets].
func (w *Wrapped) Peek(fd poller.FD, p []byte) (int, error) {
	_, p, err := w.arrived(fd, p)
	if err != nil {
		return 0, err
	}
	return w.System.Peek(fd, p)
}

// arrived cuts p to what has arrived of a split segment.
func (w *Wrapped) arrived(fd poller.FD, p []byte) (*wrappedFD, []byte, error) {
	w.late(Pause)
	f := w.fds[fd]
	if f == nil || f.reads == "" || len(p) == 0 {
		return nil, p, nil
	}
	if f.dry {
		return f, p, syscall.EAGAIN
	}
	if !f.decided && !f.ended {
		if w.scratch == nil {
			w.scratch = make([]byte, 64<<10)
		}
		n, err := w.System.Peek(fd, w.scratch)
		if err != nil && err != syscall.EAGAIN {
			return f, p, err // the peek has taken the error: it is the answer
		}
		if n > 0 {
			f.decided = true
			if f.visible = w.choose(f.reads, Segment, n); f.visible > 0 {
				w.withhold(f) // the rest has arrived by the next Wait
			}
		}
	}
	if f.visible > 0 {
		p = p[:min(len(p), f.visible)]
	}
	return f, p, nil
}

// Write implements [poller.Sockets].
func (w *Wrapped) Write(fd poller.FD, p []byte) (int, error) {
	return w.Writev(fd, [][]byte{p})
}

// Writev implements [poller.Sockets].
func (w *Wrapped) Writev(fd poller.FD, bufs [][]byte) (int, error) {
	w.late(Pause)
	f := w.fds[fd]
	if f == nil || f.writes == "" {
		return w.System.Writev(fd, bufs)
	}
	if f.full {
		return 0, syscall.EAGAIN
	}
	total := 0
	for _, b := range bufs {
		total += len(b)
	}
	if total == 0 {
		return w.System.Writev(fd, bufs)
	}
	if k := w.choose(f.writes, Room, total+1); k > 0 {
		f.full = true
		w.withhold(f)
		if k == 1 {
			return 0, syscall.EAGAIN
		}
		return w.System.Writev(fd, prefix(bufs, k-1))
	}
	return w.System.Writev(fd, bufs)
}

// prefix returns the first n bytes of bufs.
func prefix(bufs [][]byte, n int) [][]byte {
	var cut [][]byte
	for _, b := range bufs {
		b = b[:min(len(b), n)]
		cut = append(cut, b)
		if n -= len(b); n == 0 {
			break
		}
	}
	return cut
}

func (w *Wrapped) withhold(f *wrappedFD) {
	for _, x := range w.withheld {
		if x == f {
			return
		}
	}
	w.withheld = append(w.withheld, f)
}

// Add implements [poller.Poller].
func (w *Wrapped) Add(fd poller.FD, events poller.Events, token poller.Token) error {
	err := w.System.Add(fd, events, token)
	if err == nil {
		f := w.of(fd)
		f.registered, f.events, f.token = true, events, token
	}
	return err
}

// Modify implements [poller.Poller].
func (w *Wrapped) Modify(fd poller.FD, events poller.Events, token poller.Token) error {
	err := w.System.Modify(fd, events, token)
	if err == nil {
		f := w.of(fd)
		f.registered, f.events, f.token = true, events, token
	}
	return err
}

// Remove implements [poller.Poller].
func (w *Wrapped) Remove(fd poller.FD) error {
	err := w.System.Remove(fd)
	if f := w.fds[fd]; f != nil && err == nil {
		f.registered = false
		w.drop(f.token)
	}
	return err
}

// Close implements [poller.Sockets].
func (w *Wrapped) Close(fd poller.FD) error {
	if f := w.fds[fd]; f != nil {
		f.registered = false
		w.drop(f.token)
		delete(w.fds, fd)
	}
	return w.System.Close(fd)
}

// drop forgets kept back events of a registration that is gone.
func (w *Wrapped) drop(token poller.Token) {
	kept := w.held[:0]
	for _, e := range w.held {
		if e.Token != token {
			kept = append(kept, e)
		}
	}
	w.held = kept
}

// Wait implements [poller.Poller].
func (w *Wrapped) Wait(events []poller.Event, timeout time.Duration) (int, error) {
	w.release()
	if timeout != 0 && w.choose(w.worker, Interrupt, Interrupt.Range()) > 0 {
		return 0, syscall.EINTR
	}
	n := 0
	if len(events) > 0 && len(w.held) > 0 {
		n = copy(events, w.held)
		w.held = w.held[:copy(w.held, w.held[n:])]
	} else {
		var err error
		if n, err = w.System.Wait(events, timeout); err != nil || n == 0 {
			return n, err
		}
	}
	w.late(Wake)
	if k := w.choose(w.worker, Order, n); k > 0 {
		first := events[k]
		copy(events[1:k+1], events[:k])
		events[0] = first
	}
	if few := w.choose(w.worker, Wait, n); few > 0 {
		w.held = append(w.held, events[few:n]...)
		n = few
	}
	for _, e := range events[:n] {
		w.reported(e)
	}
	return n, nil
}

// release gives back what was withheld: it has arrived by now, and so has an edge
// for it.
func (w *Wrapped) release() {
	for _, f := range w.withheld {
		f.dry, f.full, f.decided, f.visible = false, false, false, 0
		if f.registered && w.fds[f.fd] == f && f.events&poller.Exclusive == 0 {
			w.System.Modify(f.fd, f.events, f.token)
		}
	}
	w.withheld = w.withheld[:0]
}

// reported notes what an event says about a connection.
func (w *Wrapped) reported(e poller.Event) {
	if e.Events&(poller.In|poller.RdHup|poller.Hup|poller.Err) == 0 {
		return
	}
	for _, f := range w.fds { // at most one has the token
		if f.registered && f.token == e.Token {
			f.decided = false
			f.ended = f.ended || e.Events&(poller.RdHup|poller.Hup|poller.Err) != 0
			return
		}
	}
}
