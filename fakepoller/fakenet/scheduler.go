package fakenet

import (
	"slices"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
)

// scheduler is the only one that touches the world. It waits until nobody runs,
// applies one step of one operation, and lets its goroutine go on.
type scheduler struct {
	n       *Net
	a       *fakepoller.Adapter
	quiesce func()
	free    bool // of a bubble: time is real, and a run has no end of its own

	pending []*op // in the order in which they became what they are, equals by key
	batch   []*op
	ready   []*op
	names   []string
	runs    map[string]int // Run points by actor; only looked up
	scan    int

	sockets []*socket        // all, in the order in which they were made
	links   map[int][2]*edge // by connection; only looked up

	active time.Duration // when something happened last
	busy   int           // steps since then
	timer  *time.Timer
	ended  bool
	woke   bool // a goroutine runs since the last quiescence
}

func (s *scheduler) init(n *Net, a *fakepoller.Adapter) {
	s.n, s.a = n, a
	s.runs = make(map[string]int)
	s.links = make(map[int][2]*edge)
	s.woke = true
}

// run is the scheduler's goroutine.
func (s *scheduler) run() {
	s.timer = time.NewTimer(0)
	for s.turn() {
	}
	s.finish()
	s.timer.Stop()
	close(s.n.done)
}

// maxBusy is how many steps take a millisecond of virtual time: programs that
// always have something to do must not keep others from waking.
const maxBusy = 1024

// turn makes one step, or waits for something to happen. It returns false at the
// end of the run.
func (s *scheduler) turn() bool {
	s.settle()
	s.n.steps.Add(1)
	s.a.AdvanceTo(s.now())
	if s.busy == maxBusy {
		s.rest()
		return true
	}
	if o := s.pick(); o != nil {
		s.touch()
		s.busy++
		s.step(o)
		return !s.a.Over()
	}
	return s.sleep()
}

// touch notes that something happens now.
func (s *scheduler) touch() {
	if now := s.now(); now != s.active {
		s.active, s.busy = now, 0
	}
}

// rest lets a millisecond pass, or what is left until the next deadline.
func (s *scheduler) rest() {
	d := time.Millisecond
	if at, ok := s.next(); ok {
		d = min(d, max(at-s.now(), 1))
	}
	s.busy = 0
	time.Sleep(d)
	s.woke = true
}

// settle waits until nobody runs and takes in what they have begun.
func (s *scheduler) settle() {
	if s.woke {
		s.quiesce()
		s.woke = false
	}
	inbox, ended := s.n.take()
	s.ended = ended
	if inbox == nil {
		return
	}
	s.batch = s.batch[:0]
	for o := inbox; o != nil; o = o.next {
		s.batch = append(s.batch, o)
	}
	slices.SortFunc(s.batch, func(a, b *op) int { return a.compare(b.key) })
	s.touch()
	s.a.AdvanceTo(s.active)
	for _, o := range s.batch {
		o.since = s.active
		if o.effect {
			s.apply(o)
			continue
		}
		s.arm(o)
		if at := o.until; at != 0 && at.since() <= s.active {
			o.asked = true // it comes too late, whatever timers do
		}
		if o.on != nil {
			o.on.waits++
		}
		s.pending = append(s.pending, o)
	}
}

func (s *scheduler) now() time.Duration { return time.Since(s.n.start) }

// pick returns the operation that makes the next step: the oldest, unless the
// source has another wish. nil means that nobody can.
func (s *scheduler) pick() *op {
	s.scan++
	s.ready = s.ready[:0]
	for _, o := range s.pending {
		if s.enabled(o) {
			s.ready = append(s.ready, o)
		}
	}
	switch len(s.ready) {
	case 0:
		return nil
	case 1:
		return s.ready[0]
	}
	s.a.Fold(uint64(len(s.ready)))
	if s.a.Calm() {
		return s.ready[0]
	}
	s.names = s.names[:0]
	for _, o := range s.ready {
		s.names = append(s.names, o.actor()+" "+kindNames[o.kind])
	}
	actor := s.ready[0].actor()
	s.runs[actor]++
	return s.ready[s.a.ChooseRun(faults.Point{Actor: actor, Op: faults.Run, Seq: s.runs[actor]}, s.names)]
}

// enabled tells whether o can make a step.
func (s *scheduler) enabled(o *op) bool {
	if o.phase == ended {
		return true
	}
	if o.on == nil {
		return o.phase == begun || o.cancelled.Load() || s.a.Writable(o.from.k, o.fd)
	}
	if o.on.gone || o.on.closed.Load() {
		return true
	}
	switch o.kind {
	case kindRead, kindAccept:
		first := o.on.reads != s.scan // the others wait, as for internal/poll.fdMutex
		o.on.reads = s.scan
		return first && (s.late(o) || s.a.Readable(o.on.host.k, o.on.fd))
	case kindWrite:
		first := o.on.writes != s.scan
		o.on.writes = s.scan
		return first && (s.late(o) || o.phase == begun || s.a.Writable(o.on.host.k, o.on.fd))
	}
	return true
}

// arm notes when o's deadline fires.
func (s *scheduler) arm(o *op) {
	if o.on == nil {
		return
	}
	if until := o.on.until(o.kind); until != o.until {
		o.until, o.expires, o.asked = until, until, false
	}
}

// late tells whether o's deadline has fired. The source may make it late, so that
// what comes at the same instant or soon after is there before it.
func (s *scheduler) late(o *op) bool {
	s.arm(o)
	if o.expires == 0 || o.expires.since() > s.a.World().Now() {
		return false
	}
	if !o.asked {
		o.asked = true
		seq := "deadline"
		s.runs[o.actor()+seq]++
		p := faults.Point{Actor: o.actor(), Op: faults.Timer, Seq: s.runs[o.actor()+seq]}
		if ms := s.a.Choose(p, faults.Timer.Range()); ms > 0 {
			o.expires += instant(time.Duration(ms) * time.Millisecond)
			return false
		}
	}
	return true
}

// sleep waits for a goroutine to begin something, or for time to come to where
// something happens. It returns false when the run is over.
func (s *scheduler) sleep() bool {
	if s.free && s.ended { // it may have been told of while there was something to do
		return false
	}
	now := s.now()
	limit := s.n.cfg.Idle
	if s.ended { // somebody may sleep yet
		limit = min(limit, defaultGrace)
	}
	end := s.active + limit
	if now >= end && !s.free {
		return false
	}
	if at, ok := s.next(); ok && (at < end || s.free) {
		end = at
	} else if s.free {
		end = now + time.Hour
	}
	s.timer.Reset(end - now)
	select {
	case <-s.n.bell:
	case <-s.timer.C:
	}
	s.woke = true
	return true
}

// next is the next instant at which the world does something or a deadline fires.
func (s *scheduler) next() (at time.Duration, ok bool) {
	at, ok = s.a.Next()
	for _, o := range s.pending {
		if s.arm(o); o.expires != 0 && (!ok || o.expires.since() < at) {
			at, ok = o.expires.since(), true
		}
	}
	return at, ok
}

// finish says what is left over, and ends it.
func (s *scheduler) finish() {
	if !s.free {
		s.audit()
	}
	s.n.stop()
	s.settle()
	for _, o := range s.pending {
		if o.phase != ended {
			o.err = errStopped
		}
		o.release()
	}
	s.pending = nil
}
