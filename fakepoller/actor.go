package fakepoller

import (
	"fmt"
	"runtime/debug"
	"syscall"
	"time"

	"edgewise.test/faults"
)

// actor is somebody who runs: a worker or a peer as a coroutine, or the test
// itself, which drives everybody else while it waits.
type actor struct {
	chooser
	w     *World
	state state
	co    *coroutine // nil: it has come to its end, or is the test
	begun bool

	timer     timer  // ends a wait
	stuck     bool   // an auditor takes it out of the run at its next call
	woken     bool   // by what it waited for, and not by its timer
	next      *actor // in the list of who is blocked on the same file
	where     string
	blocking  int // step of the call that it is blocked in
	blockedAt time.Duration
}

type state uint8

const (
	runnable state = iota
	running
	blocked
	ended
)

// ending unwinds a coroutine whose world is over.
type ending struct{}

// spawn makes a coroutine that runs f when its turn comes.
func (w *World) spawn(a *actor, f func()) {
	a.w, a.timer.fire = w, a
	w.actors = append(w.actors, a)
	a.co = w.cfg.Spares.take(func() {
		defer func() {
			a.state = ended
			if r := recover(); r != nil {
				if _, ok := r.(ending); !ok {
					w.find(Finding{Kind: Panic, Text: fmt.Sprintf("%s: %v", w.name(&a.chooser), r), Value: r, Stack: string(debug.Stack())})
				}
			}
		}()
		f()
	})
	w.ready(a)
}

func (w *World) ready(a *actor) {
	a.state = runnable
	w.runq = append(w.runq, a)
}

// wakeActor ends a's wait because what it waits for may be there. Ready is not
// scheduled: the source may let it run later.
func (w *World) wakeActor(a *actor) {
	if a.state != blocked || a.woken {
		return
	}
	a.woken = true
	if late := w.chooseTime(&a.chooser, faults.Wake); late > 0 {
		w.timers.arm(&a.timer, w.now+late)
		return
	}
	w.timers.disarm(&a.timer)
	w.ready(a)
}

// fired implements firer: the actor's wait is over.
func (a *actor) fired(*timer) {
	if a.state == blocked {
		a.w.ready(a)
	}
}

// block gives the processor away until somebody wakes a or, unless negative, until
// an instant. It tells whether a was woken; idle means that nothing can ever
// wake it (only the test gets to know that).
func (w *World) block(until time.Duration, where string) (woken, idle bool) {
	a := w.current
	a.state, a.woken, a.where, a.blocking = blocked, false, where, w.steps
	a.blockedAt = w.now
	if until >= 0 {
		w.timers.arm(&a.timer, until)
	}
	if !w.switchAway(a) {
		a.state = running
		return false, true
	}
	w.timers.disarm(&a.timer)
	return a.woken, false
}

// switchAway lets others run until it is a's turn again. It returns false when
// that can never be, which only the test gets to see.
func (w *World) switchAway(a *actor) bool {
	if a == w.main {
		for a.state != running {
			if !w.turn(-1) {
				return false
			}
		}
		w.current = a
		return true
	}
	if co := a.co; !co.yield(struct{}{}) || co.unwind {
		panic(ending{})
	}
	return true
}

// turn makes one decision of the scheduler: it lets the next actor run until it
// gives the processor away, or else moves time to the next instant at which
// something happens, not beyond end. It returns false when nothing can happen.
func (w *World) turn(end time.Duration) bool {
	if len(w.runq) == 0 {
		return w.advance(end)
	}
	next := 0
	if len(w.runq) > 1 {
		next = w.chooseRun(&w.self, nil)
	}
	a := w.runq[next]
	copy(w.runq[next:], w.runq[next+1:])
	w.runq = w.runq[:len(w.runq)-1]
	a.state = running
	if a == w.main {
		return true
	}
	before := w.current
	w.current = a
	a.begun = true
	a.co.resume()
	if a.co.run == nil {
		w.cfg.Spares.give(a.co)
		a.co = nil
	}
	w.current = before
	return true
}

// advance moves time to the next armed timer and fires all that are due then.
func (w *World) advance(end time.Duration) bool {
	if len(w.timers.heap) == 0 {
		return false
	}
	at := w.timers.heap[0].at
	if end >= 0 && at > end {
		return false
	}
	if at > w.now {
		w.now = at
	}
	for len(w.timers.heap) > 0 && w.timers.heap[0].at <= w.now {
		t := w.timers.heap[0]
		w.timers.disarm(t)
		t.fire.fired(t)
	}
	return true
}

// preempt is the point before each boundary call at which another actor may go
// first, or time may pass.
func (w *World) preempt(a *actor) {
	if n := len(w.runq); n > 0 {
		if k := w.chooseRun(&a.chooser, a); k > 0 {
			chosen := w.runq[k-1]
			copy(w.runq[1:k], w.runq[:k-1])
			w.runq[0] = chosen
			w.runq = append(w.runq, nil)
			copy(w.runq[2:], w.runq[1:])
			w.runq[1] = a
			a.state = runnable
			w.switchAway(a)
		}
	}
	if a.kind != kindPeer && !w.driven && len(w.timers.heap) > 0 {
		if d := w.chooseTime(&a.chooser, faults.Pause); d > 0 {
			w.block(w.now+d, "pause")
		}
	}
}

// enter begins a call of the current actor: the point at which others may go
// first, and at which a run that got out of hand is ended.
func (w *World) enter() error {
	if w.closing {
		return syscall.EBADF
	}
	w.steps++
	if w.steps >= w.cfg.MaxSteps && !w.over {
		w.over = true
		w.find(Finding{Kind: Endless, Text: "the run did not end by itself"})
	}
	if a := w.current; (a.stuck || w.over) && a != w.main {
		a.state = ended
		w.switchAway(a) // for good: only Close resumes it
	}
	if !w.calm {
		w.preempt(w.current)
	}
	return nil
}
