package pipeline_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgewise.test/pipeline"
	"edgewise.test/poller"
)

// handlerFunc is a handler of one function.
type handlerFunc func(poller.Events)

func (f handlerFunc) OnFileEvent(events poller.Events) { f(events) }

type deleteFunc func()

func (f deleteFunc) DeferredDelete() { f() }

// pair returns both ends of a connection: ours, accepted, and the peer's.
func (e *env) pair() (poller.FD, *peer) {
	e.Helper()
	l, addr := e.socket()
	p := e.dial(addr)
	fd, _, err := e.kernel.System.Accept(l)
	e.must(err)
	e.must(e.kernel.System.Close(l))
	return fd, p
}

func TestOneIterationRunsInEnvoysOrder(t *testing.T) {
	onKernels(t, func(e *env) {
		fd, p := e.pair()
		say := func(s string) func() { return func() { e.logf("%s", s) } }
		timer, late := e.loop.NewTimer(say("timer")), e.loop.NewTimer(say("late"))
		next := e.loop.NewCallback(say("next"))
		current := e.loop.NewCallback(say("current"))
		var r pipeline.Registration
		r, err := e.loop.Register(fd, poller.In|poller.EdgeTriggered, handlerFunc(func(ev poller.Events) {
			e.logf("event %v", ev)
			e.loop.Post(say("post"))
			e.loop.DeferredDelete(deleteFunc(func() {
				e.logf("delete")
				e.loop.DeferredDelete(deleteFunc(say("delete of delete")))
			}))
			e.loop.DeferredDelete(deleteFunc(say("delete 2")))
			current.ScheduleCurrentIteration()
			current.ScheduleCurrentIteration()
			if ev&poller.In != 0 {
				late.Enable(0)
				r.Activate(poller.Out)
				r.Activate(poller.RdHup)
			}
		}))
		e.must(err)
		next.ScheduleNextIteration()
		timer.Enable(0)
		p.write("x")
		e.must(e.loop.Turn(0))
		e.told("event IN; next; timer; delete; delete 2; current; delete of delete; post")
		e.must(e.loop.Turn(0))
		e.told("event OUT+RDHUP; late; delete; delete 2; current; delete of delete; post")
		e.must(e.loop.Turn(0))
		e.told("")
	})
}

func TestDeferredDeletesOfPostedCallsComeBeforeTheNextGroup(t *testing.T) {
	e := newFakeEnv(t)
	e.loop.Post(func() {
		e.logf("post 1")
		e.loop.Post(func() { e.logf("post 3") })
		e.loop.DeferredDelete(deleteFunc(func() { e.logf("delete") }))
	})
	e.loop.Post(func() { e.logf("post 2") })
	e.must(e.loop.Turn(-1)) // Post has woken it
	e.told("post 1; post 2; delete; post 3")
}

func TestPostWakesOnceUntilTheQueueIsTaken(t *testing.T) {
	onKernels(t, func(e *env) {
		for range 3 {
			e.loop.Post(func() { e.logf("post") })
		}
		e.must(e.loop.Turn(-1))
		e.told("post; post; post")
		e.must(e.loop.Turn(0))
		e.told("")
		e.loop.Post(func() { e.logf("again") })
		e.must(e.loop.Turn(-1))
		e.told("again")
	})
}

// Two descriptors in one batch; the first handler closes the second, and opens
// another that gets its number and its slot.
func TestEventOfAClosedRegistrationReachesNobody(t *testing.T) {
	onKernels(t, func(e *env) {
		a, pa := e.pair()
		b, pb := e.pair()
		var ra, rb pipeline.Registration
		swap := func(self string, r, other *pipeline.Registration, fd poller.FD) handlerFunc {
			return func(poller.Events) {
				e.logf("first handler")
				other.Unregister()
				e.must(e.kernel.Close(fd))
				reused := poller.FD(-1)
				for tries := 0; reused != fd; tries++ {
					var err error
					if reused, err = e.kernel.Socket(poller.Inet); err != nil || tries > 50 {
						e.Fatalf("the kernel gave %d, %v, not %d again", reused, err, fd)
					}
				}
				_, err := e.loop.Register(reused, poller.In|poller.Out|poller.EdgeTriggered, handlerFunc(func(ev poller.Events) { e.logf("new owner") }))
				e.must(err)
			}
		}
		var err error
		ra, err = e.loop.Register(a, poller.In|poller.EdgeTriggered, swap("a", &ra, &rb, b))
		e.must(err)
		rb, err = e.loop.Register(b, poller.In|poller.EdgeTriggered, handlerFunc(func(poller.Events) { e.logf("stale") }))
		e.must(err)
		pa.write("x")
		pb.write("x")
		e.must(e.loop.Turn(0))
		e.told("first handler")
		if got := e.loop.Stats().StaleEvents; got != 1 {
			e.Errorf("stale events: got %d, want 1", got)
		}
		rb.Activate(poller.In) // does nothing: it is gone
		rb.Unregister()
		if rb.Valid() || !ra.Valid() {
			e.Errorf("Valid: got %v for the closed one and %v for the other", rb.Valid(), ra.Valid())
		}
	})
}

func TestCopyOfAnOldRegistrationDoesNotNameItsSuccessor(t *testing.T) {
	onKernels(t, func(e *env) {
		fd, _ := e.pair()
		old, err := e.loop.Register(fd, poller.In, handlerFunc(func(poller.Events) { e.logf("old") }))
		e.must(err)
		old.Unregister()
		e.must(e.loop.Turn(0)) // from here on the slot is free
		r, err := e.loop.Register(fd, poller.In, handlerFunc(func(poller.Events) { e.logf("successor") }))
		e.must(err)
		old.Activate(poller.In)
		old.Unregister()
		e.must(e.loop.Turn(0))
		e.told("")
		if old.Valid() || !r.Valid() {
			e.Errorf("Valid: got %v for the old one and %v for its successor", old.Valid(), r.Valid())
		}
	})
}

func TestHandlerMayUnregisterItself(t *testing.T) {
	onKernels(t, func(e *env) {
		fd, p := e.pair()
		var r pipeline.Registration
		r, err := e.loop.Register(fd, poller.In, handlerFunc(func(poller.Events) {
			e.logf("event")
			r.Unregister()
			r.Unregister()
			r.Activate(poller.In)
		}))
		e.must(err)
		p.write("x")
		e.turns()
		e.told("event")
	})
}

func TestSetEventsDropsWhatWasQueuedAndEdgesComeAgain(t *testing.T) {
	onKernels(t, func(e *env) {
		fd, p := e.pair()
		r, err := e.loop.Register(fd, poller.In|poller.EdgeTriggered, handlerFunc(func(ev poller.Events) { e.logf("%v", ev) }))
		e.must(err)
		p.write("x")
		e.must(e.loop.Turn(0))
		e.told("IN")
		r.Activate(poller.Out)
		e.must(r.SetEvents(poller.In | poller.EdgeTriggered)) // the same mask
		e.must(e.loop.Turn(0))
		e.told("IN") // the edge again, and no OUT
		e.must(e.loop.Turn(0))
		e.told("")
		r.Unregister()
		if err := r.SetEvents(poller.In); err != syscall.EBADF {
			e.Errorf("SetEvents after Unregister: got %v, want EBADF", err)
		}
	})
}

// Envoy PR 11823: a timer that enables itself with 0 must not keep the loop from
// polling.
func TestTimerOfZeroRunsOncePerIteration(t *testing.T) {
	onKernels(t, func(e *env) {
		var timer *pipeline.Timer
		timer = e.loop.NewTimer(func() { e.logf("timer"); timer.Enable(0) })
		timer.Enable(0)
		e.must(e.loop.Turn(-1))
		e.must(e.loop.Turn(-1))
		e.told("timer; timer")
	})
}

func TestTimerDisabledOrMovedAfterItExpiredDoesNotFire(t *testing.T) {
	e := newFakeEnv(t)
	var a, b, c *pipeline.Timer
	a = e.loop.NewTimer(func() { e.logf("a"); b.Disable(); c.Enable(time.Millisecond) })
	b = e.loop.NewTimer(func() { e.logf("b") })
	c = e.loop.NewTimer(func() { e.logf("c at %v", e.loop.Now()) })
	a.Enable(time.Second)
	b.Enable(time.Second)
	c.Enable(time.Second)
	e.must(e.loop.Turn(-1))
	e.told("a")
	if b.Enabled() || !c.Enabled() {
		t.Errorf("Enabled: got %v for the disabled one, %v for the moved one", b.Enabled(), c.Enabled())
	}
	e.must(e.loop.Turn(-1))
	e.told("c at 1.001s")
}

func TestCallbackThatIsCancelledDoesNotRun(t *testing.T) {
	e := newFakeEnv(t)
	c := e.loop.NewCallback(func() { e.logf("ran") })
	c.ScheduleNextIteration()
	c.Cancel()
	e.must(e.loop.Turn(0))
	e.told("")
	c.ScheduleNextIteration()
	c.Cancel()
	c.ScheduleNextIteration()
	e.must(e.loop.Turn(0))
	e.told("ran") // once
}

// Netty PR 14425: with signals more often than timers, timers must still fire.
func TestInterruptedWaitAsksForWhatIsLeftOfTheTimeout(t *testing.T) {
	e := newFakeEnv(t)
	e.kernel.waits = []time.Duration{}
	fired := false
	e.loop.NewTimer(func() { fired = true }).Enable(10 * time.Millisecond)
	for range 3 {
		e.kernel.System.Wait(make([]poller.Event, 1), 2*time.Millisecond)
		e.kernel.wait = []error{syscall.EINTR}
		e.must(e.loop.Turn(-1))
	}
	e.must(e.loop.Turn(-1))
	if got, want := fmt.Sprint(e.kernel.waits), "[10ms 8ms 6ms 4ms]"; got != want || !fired {
		t.Errorf("timeouts: got %v, want %v; fired: %v", got, want, fired)
	}
	if got := e.loop.Stats().Interrupts; got != 3 {
		t.Errorf("interrupts: got %d, want 3", got)
	}
}

func TestWaitErrorIsFinal(t *testing.T) {
	e := newFakeEnv(t)
	e.kernel.wait = []error{syscall.EBADF}
	if err := e.loop.Run(); err == nil || err.Error() != "loop: wait: bad file descriptor" {
		t.Errorf("got %v", err)
	}
}

func TestStopEndsRunFromAnotherGoroutine(t *testing.T) {
	k := open(t)
	loop := pipeline.NewLoop(k)
	for range 2 {
		posted := make(chan struct{})
		go func() {
			loop.Post(func() { close(posted) })
			<-posted
			loop.Stop()
		}()
		if err := loop.Run(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBatchGrowsWhenItIsFull(t *testing.T) {
	e := newFakeEnv(t)
	seen := 0
	for range 40 {
		fd, p := e.pair()
		_, err := e.loop.Register(fd, poller.In|poller.EdgeTriggered, handlerFunc(func(poller.Events) { seen++ }))
		e.must(err)
		p.write("x")
	}
	var got []string
	for range 3 {
		e.must(e.loop.Turn(0))
		got = append(got, fmt.Sprint(seen))
	}
	if got := strings.Join(got, " "); got != "32 40 40" {
		t.Errorf("events seen after each turn: got %s, want 32 40 40", got)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	k := open(t)
	e := newEnv(t, k, open(t))
	loop := pipeline.NewLoop(k)
	fd, p := e.pair()
	timer := loop.NewTimer(func() {})
	callback := loop.NewCallback(func() {})
	buf, in := []byte("x"), make([]byte, 8)
	h := &steady{}
	r, err := loop.Register(fd, poller.In|poller.EdgeTriggered, h)
	e.must(err)
	post := func() {}
	h.f = func() {
		k.Read(fd, in)
		timer.Enable(time.Hour)
		callback.ScheduleCurrentIteration()
		loop.DeferredDelete(h)
	}
	turn := func() {
		e.peers.Write(p.fd, buf)
		loop.Post(post)
		r.Activate(poller.Out)
		e.must(loop.Turn(time.Second))
	}
	for range 10 {
		turn()
	}
	if allocs := testing.AllocsPerRun(200, turn); allocs != 0 {
		t.Errorf("got %v allocations per iteration, want 0", allocs)
	}
	if h.events == 0 || h.deletes == 0 {
		t.Errorf("got %d events and %d deletes: nothing was measured", h.events, h.deletes)
	}
}

type steady struct {
	f               func()
	events, deletes int
}

func (s *steady) OnFileEvent(poller.Events) { s.events++; s.f() }

func (s *steady) DeferredDelete() { s.deletes++ }
