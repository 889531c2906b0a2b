package fakepoller

import (
	"net/netip"
	"time"

	"edgewise.test/faults"
)

// Config says what a world is like. The zero value is a calm one.
type Config struct {
	// Source decides every choice; nil is calm.
	Source faults.Source
	// NoFile is RLIMIT_NOFILE of each process; 0 means 1024.
	NoFile int
	// SndBuf and RcvBuf are the capacities in bytes of a new socket's buffers;
	// 0 means 256 KiB and 128 KiB. They stand in for Linux's accounting by
	// segment, which is not modelled.
	SndBuf, RcvBuf int
	// Trace keeps every event for [World.Trace]. The digest is kept always.
	Trace bool
	// Hostile lets the source be asked about operations that break Linux's
	// contract ([faults.Op.Hostile]).
	Hostile bool
	// Spares, if set, go from world to world.
	Spares *Spares
	// MaxSteps ends a run that does not end by itself; 0 means 1<<20 calls.
	MaxSteps int
}

// World is one deterministic machine room: processes with descriptor tables, the
// network between them, actors and virtual time. Everything in it runs on the
// goroutine that calls it. Two worlds share nothing.
type World struct {
	cfg  Config
	calm bool

	now    time.Duration
	steps  int
	timers timers

	main    *actor // whoever called New
	current *actor
	runq    []*actor
	actors  []*actor
	closing bool
	over    bool // MaxSteps is used up
	driven  bool // time is an [Adapter]'s

	self      chooser // choices that belong to nobody else
	processes []*Process
	workers   []*Worker
	peers     []*Peer
	listeners map[netip.AddrPort][]*sock
	bound     map[uint16][]*sock
	nextPort  uint16
	timeWait  map[uint16]time.Duration          // until when a port is not free for all
	redirects map[netip.AddrPort]netip.AddrPort // of a client's address: where it wanted to go
	conns     int32
	listens   int32

	names *nameTable
	// scheduler is the source if it wants to know who can run.
	scheduler  faults.Scheduler
	candidates []string
	injected   [32]int // by faults.Op
	findings   []Finding
	trace      trace
	coverage   Coverage
	reached    uint32 // Goals, as bits

	freeItems *item
	freeSocks []*sock
	freeSeqs  []*seqs
}

// New makes a world at virtual time 0 with one process in it.
func New(cfg Config) *World {
	w := &World{cfg: cfg}
	cfg.Spares.lend(w)
	w.calm = cfg.Source == nil || cfg.Source == faults.Calm
	w.scheduler, _ = cfg.Source.(faults.Scheduler)
	if w.cfg.NoFile == 0 {
		w.cfg.NoFile = 1024
	}
	if w.cfg.SndBuf == 0 {
		w.cfg.SndBuf = 256 << 10
	}
	if w.cfg.RcvBuf == 0 {
		w.cfg.RcvBuf = 128 << 10
	}
	if w.cfg.MaxSteps == 0 {
		w.cfg.MaxSteps = 1 << 20
	}
	w.nextPort = firstEphemeral
	w.self.kind = kindWorld
	w.main = &actor{w: w, state: running}
	w.main.kind, w.main.timer.fire = kindTest, w.main
	w.current = w.main
	w.NewProcess()
	return w
}

// Now is the virtual time since the world was made. It moves only when nobody
// can run.
func (w *World) Now() time.Duration { return w.now }

// Steps counts the boundary calls so far. A finding names the step that caused it.
func (w *World) Steps() int { return w.steps }

// Run lets everybody go on until nothing more can happen: no actor can run and
// nothing is on its way. It is called by the goroutine that made the world.
func (w *World) Run() { w.RunFor(-1) }

// RunFor is Run for at most d of virtual time; negative means without end.
func (w *World) RunFor(d time.Duration) {
	end := time.Duration(-1)
	if d >= 0 {
		end = w.now + d
	}
	for !w.over && w.turn(end) {
	}
	if end > w.now {
		w.now = end
	}
}

// Close ends every actor where it stands: the call that it is blocked in never
// returns and its deferred functions run. Close first if you want them to see a
// working world.
func (w *World) Close() {
	w.closing = true
	for _, a := range w.actors {
		switch co := a.co; {
		case co == nil:
			continue
		case a.begun:
			w.cfg.Spares.end(co)
		default:
			w.cfg.Spares.give(co)
		}
		a.co = nil
	}
	w.runq = nil
	w.cfg.Spares.collect(w)
}

// choose asks the source. It is the only door for uncertainty.
func (w *World) choose(c *chooser, op faults.Op, n int) int {
	if w.calm || n < 2 {
		return 0
	}
	p := faults.Point{Actor: w.name(c), Op: op, Seq: w.next(c, op)}
	return w.taken(p, n, w.cfg.Source.Choose(p, n))
}

// taken accounts for an outcome.
func (w *World) taken(p faults.Point, n, outcome int) int {
	if outcome <= 0 || outcome >= n {
		return 0
	}
	w.injected[p.Op]++
	w.noteDeviation(p, outcome)
	return outcome
}

// Injected counts the deviations of op so far, for a test that has to know
// whether an early end may be right.
func (w *World) Injected(op faults.Op) int { return w.injected[op] }

// chooseRun is choose among those that can run: current, unless nil, and the
// run queue.
func (w *World) chooseRun(c *chooser, current *actor) int {
	n := len(w.runq)
	if current != nil {
		n++
	}
	if w.scheduler == nil {
		return w.choose(c, faults.Run, n)
	}
	if w.calm || n < 2 {
		return 0
	}
	names := w.candidates[:0]
	if current != nil {
		names = append(names, w.name(&current.chooser))
	}
	for _, a := range w.runq {
		names = append(names, w.name(&a.chooser))
	}
	w.candidates = names
	p := faults.Point{Actor: w.name(c), Op: faults.Run, Seq: w.next(c, faults.Run)}
	return w.taken(p, n, w.scheduler.ChooseRun(p, names))
}

// chooseTime is choose for operations whose outcome is a time.
func (w *World) chooseTime(c *chooser, op faults.Op) time.Duration {
	if w.calm {
		return 0
	}
	return time.Duration(w.choose(c, op, faults.MaxTime+1)) * time.Millisecond
}

func (w *World) newItem() *item {
	it := w.freeItems
	if it == nil {
		return new(item)
	}
	w.freeItems = it.next
	return it
}

func (w *World) freeItem(it *item) {
	*it = item{next: w.freeItems}
	w.freeItems = it
}
