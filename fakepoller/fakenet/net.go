package fakenet

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"edgewise.test/fakepoller"
)

// Quiesce says how the scheduler knows that nobody runs.
type Quiesce uint8

const (
	// Wait is synctest.Wait: exact, and several runs at once do not disturb each
	// other. A goroutine that waits for a mutex keeps it from returning, so code
	// that holds one over an operation stalls.
	Wait Quiesce = iota
	// Metrics asks runtime/metrics until no goroutine runs. Code may hold a mutex
	// over an operation then, but nothing else may run in the process, and virtual
	// time stands still as long as somebody waits for a mutex. It sets GOMAXPROCS to 1
	// for the run. For code that Wait can run too the traces are the same.
	Metrics
)

// Config says how goroutines are run. The zero value is a good one.
type Config struct {
	Quiesce Quiesce
	// ParkClose makes Close an operation of two steps as Write is. Much code holds
	// a mutex over Close, so it needs Metrics mostly.
	ParkClose bool
	// Hosts are names that may be dialled. Others than these, "localhost" and
	// addresses are not found.
	Hosts map[string]netip.Addr
	// Idle is the virtual time without any operation after which a run counts as
	// hung; 0 means an hour. It is also how long goroutines have to end after
	// the scenario has returned, at most five minutes.
	Idle time.Duration
	// Stall is the real time without progress after which a run is given up; 0
	// means ten seconds. It has to be longer than the code computes in one piece.
	Stall time.Duration
}

const (
	defaultIdle  = time.Hour
	defaultGrace = 5 * time.Minute
	defaultStall = 10 * time.Second
)

// Net is the network of one run.
type Net struct {
	cfg    Config
	header string // which bubble it is, in a stack dump
	start  time.Time
	bell   chan struct{} // rings when there is something new for the scheduler

	mu      sync.Mutex
	inbox   *op // newest first
	free    *op
	hosts   *Host
	told    *told // newest first
	stopped bool  // nothing is taken any more
	ended   bool  // the scenario has returned

	sched scheduler
	done  chan struct{} // closed by the scheduler
	steps atomic.Int64  // for the watchdog
}

func newNet(w *fakepoller.World, cfg Config) *Net {
	if cfg.Idle == 0 {
		cfg.Idle = defaultIdle
	}
	if cfg.Stall == 0 {
		cfg.Stall = defaultStall
	}
	n := &Net{cfg: cfg, start: time.Now(), bell: make(chan struct{}, 1), done: make(chan struct{})}
	n.sched.init(n, w.Adapter())
	return n
}

// Host returns the host of that name, which is made at first use. The name must
// not look like another actor's in a plan.
//
//go:norace
func (n *Net) Host(name string) *Host {
	raceDisable()
	n.mu.Lock()
	h := n.hosts
	for h != nil && h.name != name {
		h = h.next
	}
	if h == nil {
		h = &Host{n: n, name: name, next: n.hosts}
		n.hosts = h
	}
	n.mu.Unlock()
	raceEnable()
	return h
}

// end says that the scenario has returned.
//
//go:norace
func (n *Net) end() {
	raceDisable()
	n.mu.Lock()
	n.ended = true
	n.mu.Unlock()
	n.wake()
	raceEnable()
}

// take empties the inbox.
//
//go:norace
func (n *Net) take() (inbox *op, ended bool) {
	raceDisable()
	n.mu.Lock()
	inbox, n.inbox = n.inbox, nil
	ended = n.ended
	n.mu.Unlock()
	raceEnable()
	return inbox, ended
}

//go:norace
func (n *Net) stop() {
	raceDisable()
	n.mu.Lock()
	n.stopped = true
	n.mu.Unlock()
	raceEnable()
}

// told is a value in the list of those that Tell keeps.
type told struct {
	v    any
	next *told
}

// Tell keeps v for whoever runs the scenario. Any goroutine may call it, and the
// race detector does not take it for synchronisation.
//
//go:norace
func (n *Net) Tell(v any) {
	raceDisable()
	t := &told{v: v}
	n.mu.Lock()
	t.next, n.told = n.told, t
	n.mu.Unlock()
	raceEnable()
}

// Told returns what was told, in that order. It is for after the run.
func (n *Net) Told() []any {
	var all []any
	for t := n.told; t != nil; t = t.next {
		all = append(all, t.v)
	}
	slices.Reverse(all)
	return all
}
