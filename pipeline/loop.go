package pipeline

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"edgewise.test/poller"
)

// Event slices start small and double when a poll fills them, as Envoy's do.
const (
	initialEvents = 32
	maxEvents     = 4096
)

// Loop is the event loop of one worker (Envoy Event::Dispatcher). All methods but
// Post and Stop belong to the goroutine that turns it.
//
// One iteration is, in this order: poll; resolve the batch to registrations;
// sample the clock; queue expired timers; run the queue, first in first out, until
// it is empty. So file events run before timers, activated events and callbacks
// for the next iteration, and those before what they schedule for the current
// iteration: posts, deferred deletes and callbacks. A callback that keeps
// scheduling for the current iteration keeps the loop from polling.
type Loop struct {
	kernel  poller.Kernel
	now     time.Duration
	events  []poller.Event
	slots   slotTable
	timers  timerHeap
	chunks  chunkPool
	scratch [1]byte // for a peek that only asks whether there is a byte

	work queue // what runs in this iteration
	next queue // what runs in the next one, after its file events

	deleting  []DeferredDeletable // this group is being deleted
	deletable []DeferredDeletable // the next group

	posted postQueue
	stop   atomic.Bool
	stats  LoopStats
}

// LoopStats counts what a loop has done.
type LoopStats struct {
	Turns       uint64 // iterations
	Events      uint64 // file events that the poller returned
	StaleEvents uint64 // of these, dropped: their registration was gone
	Interrupts  uint64 // polls that ended with EINTR
}

// NewLoop returns a loop over k. The caller keeps k, and releases it when the loop
// is no longer used.
func NewLoop(k poller.Kernel) *Loop {
	l := &Loop{kernel: k, now: k.Now(), events: make([]poller.Event, initialEvents)}
	l.work.items, l.next.items, l.slots.slots = make([]work, 0, 8), make([]work, 0, 8), make([]slot, 0, 8)
	return l
}

// Kernel returns what the loop runs on.
func (l *Loop) Kernel() poller.Kernel { return l.kernel }

// Now is the kernel's clock, sampled once per iteration, after the poll.
func (l *Loop) Now() time.Duration { return l.now }

// Stats returns the counters so far.
func (l *Loop) Stats() LoopStats { return l.stats }

// Turn runs one iteration. It waits at most max for something to do, less when a
// timer is due; negative means as long as it takes. An interrupted poll (EINTR) is
// one without events. Another error is the poller's own, and the loop can not go on.
func (l *Loop) Turn(max time.Duration) error {
	n, err := l.kernel.Wait(l.events, l.timeout(max))
	l.stats.Turns++
	switch {
	case err == syscall.EINTR:
		l.stats.Interrupts++
	case err != nil:
		return fmt.Errorf("loop: wait: %w", err)
	}
	l.resolve(l.events[:n])
	l.now = l.kernel.Now()
	l.work.moveFrom(&l.next)
	l.expireTimers()
	l.runWork()
	l.slots.release()
	if n == len(l.events) && n < maxEvents {
		l.events = make([]poller.Event, 2*n)
	}
	return nil
}

// Run turns until Stop. A Stop that came before makes it run what was posted and
// return. Run may be called again afterwards.
func (l *Loop) Run() error {
	l.runWork()
	for !l.stop.CompareAndSwap(true, false) {
		if err := l.Turn(-1); err != nil {
			return err
		}
	}
	return nil
}

// Stop makes Run return before the next poll. Any goroutine may call it.
func (l *Loop) Stop() {
	l.stop.Store(true)
	l.kernel.Wake()
}

// timeout is how long this iteration may sleep. It uses the time of the last
// iteration, so a timer is late by as long as the callbacks took, never early.
func (l *Loop) timeout(max time.Duration) time.Duration {
	if !l.work.empty() || !l.next.empty() {
		return 0
	}
	if deadline, ok := l.timers.first(); ok {
		left := deadline - l.now
		if left < 0 {
			left = 0
		}
		if max < 0 || left < max {
			return left
		}
	}
	return max
}

// resolve queues the registrations that the batch names, before any callback can
// close one of them or reuse its descriptor (Envoy: libevent's active list).
func (l *Loop) resolve(batch []poller.Event) {
	l.stats.Events += uint64(len(batch))
	for _, e := range batch {
		s := l.slots.lookup(e.Token)
		if s == nil {
			l.stats.StaleEvents++
			continue
		}
		if s.ready == 0 {
			l.work.push(work{kind: fileEvent, token: e.Token})
		}
		s.ready |= e.Events & (s.events | poller.Err | poller.Hup)
	}
}

func (l *Loop) expireTimers() {
	for {
		t := l.timers.popExpired(l.now)
		if t == nil {
			return
		}
		l.work.push(work{kind: expiredTimer, timer: t})
	}
}

// runWork runs the queue until it is empty, also of what was posted meanwhile.
func (l *Loop) runWork() {
	for {
		if l.posted.pending.Load() {
			l.work.push(work{kind: posts})
		}
		if l.work.empty() {
			return
		}
		for !l.work.empty() {
			l.runOne(l.work.pop())
		}
	}
}

func (l *Loop) runOne(w work) {
	switch w.kind {
	case fileEvent:
		s := l.slots.lookup(w.token)
		if s == nil {
			l.stats.StaleEvents++ // closed by an earlier callback of this iteration
		} else if s.ready != 0 {
			deliver(s)
		}
	case activation:
		if s := l.slots.lookup(w.token); s != nil && s.injected != 0 && s.activation == w.serial {
			deliver(s)
		}
	case expiredTimer:
		if w.timer.state == timerExpired {
			w.timer.state = timerIdle
			w.timer.f()
		}
	case scheduled:
		if w.callback.enabled && w.callback.serial == w.serial {
			w.callback.enabled = false
			w.callback.f()
		}
	case deletes:
		l.deleteDeferred()
	case posts:
		l.runPosts()
	}
}

// deliver gives a registration what is ready together with what was injected.
func deliver(s *slot) {
	events := s.ready | s.injected
	s.ready, s.injected = 0, 0
	s.handler.OnFileEvent(events)
}

// workKind says what a queue entry does.
type workKind uint8

const (
	fileEvent workKind = iota
	activation
	expiredTimer
	scheduled
	deletes
	posts
)

// work is one queue entry. It names its object by token or serial number, so that
// taking the work back needs no search: a number that no longer fits is skipped.
type work struct {
	kind     workKind
	serial   uint32
	token    poller.Token
	timer    *Timer
	callback *Callback
}

// queue is first in, first out, and keeps its storage.
type queue struct {
	items []work
	head  int
}

func (q *queue) empty() bool { return q.head == len(q.items) }

func (q *queue) push(w work) { q.items = append(q.items, w) }

func (q *queue) pop() work {
	w := q.items[q.head]
	q.items[q.head] = work{}
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return w
}

func (q *queue) moveFrom(from *queue) {
	for !from.empty() {
		q.push(from.pop())
	}
}

// postQueue holds what other goroutines want to be run.
type postQueue struct {
	mu      sync.Mutex
	funcs   []func()
	spare   []func()    // storage of the last group; the loop's alone
	pending atomic.Bool // funcs may not be empty
}
