package pollertest

import (
	"fmt"
	"sync/atomic"
	"time"

	"edgewise.test/poller"
)

// Threads is an optional power of a World, for cases in which somebody is blocked
// in Wait. Without it they are skipped.
type Threads interface {
	// Go runs f beside the script. World.Sleep lets it go on until it blocks.
	Go(f func())
}

// patience is how long a waiter waits; hush is enough for all to be blocked.
const (
	patience = 300 * time.Millisecond
	hush     = 20 * time.Millisecond
)

// waiter is somebody blocked in Wait on an epoll of its own.
type waiter struct {
	epoll  *epoll
	events atomic.Uint32 // bits of the event that ended the wait
	woken  atomic.Int32  // how many events did
}

// blocked makes n waiters for s, which begin to wait in this order.
func (e *env) blocked(n int, s *sock, events poller.Events) []*waiter {
	e.t.Helper()
	threads, ok := e.world.(Threads)
	if !ok {
		e.t.Skip("this world has no threads")
	}
	var waiters []*waiter
	for range n {
		w := &waiter{epoll: e.newEpoll()}
		w.epoll.watch(s, events)
		waiters = append(waiters, w)
		threads.Go(func() {
			var batch [4]poller.Event
			got, _ := w.epoll.sys.Wait(batch[:], patience)
			w.events.Store(uint32(batch[0].Events))
			w.woken.Store(int32(got))
		})
		e.world.Sleep(hush)
	}
	return waiters
}

// over waits until all have given up, and lists how many events each got.
func (e *env) over(waiters []*waiter) {
	e.world.Sleep(patience + 10*hush)
	var woken []int32
	for _, w := range waiters {
		woken = append(woken, w.woken.Load())
	}
	e.say("woke=%s", fmt.Sprint(woken))
}

// waiterCases are about who is woken (rows of section 2.4 of the measurements).
func waiterCases() []testCase {
	wakes := func(events poller.Events) func(e *env) {
		return func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			waiters := e.blocked(4, l, events)
			e.dial("C", l)
			e.over(waiters)
		}
	}
	return []testCase{
		{id: "EC-18.plain", name: "a connection wakes every epoll that watches the listener", run: wakes(in), want: "woke=[1 1 1 1]"},
		{id: "EC-18.exclusive", name: "with EPOLLEXCLUSIVE it wakes the first one registered", run: wakes(in | exclusive), want: "woke=[1 0 0 0]"},
		{id: "EC-18.edge", name: "and with edges too", run: wakes(in | exclusive | et), want: "woke=[1 0 0 0]"},
		{id: "EC-29", name: "closing the watched descriptor wakes nobody", run: func(e *env) {
			a, _ := e.pair("A")
			waiters := e.blocked(1, a, in)
			a.close()
			e.over(waiters)
		}, want: "close=ok woke=[0]"},
		{id: "LN-24", name: "shutdown of a listener wakes whoever waits for it", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			waiters := e.blocked(1, l, in)
			e.must("Shutdown", e.sys.Shutdown(l.fd, shutRD))
			e.over(waiters)
			e.say("%v", poller.Events(waiters[0].events.Load()))
		}, want: "woke=[1] HUP"},
	}
}
