package fakepoller

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"edgewise.test/poller"
)

// TestSleepersWakeInOrder: by instant, and by who went to sleep first among equals.
func TestSleepersWakeInOrder(t *testing.T) {
	w := New(Config{})
	defer w.Close()
	var got []string
	for i, d := range []time.Duration{3, 1, 2, 1, 0} {
		w.Peer(fmt.Sprint("sleeper ", i), func(p *Peer) {
			p.Sleep(d * time.Hour)
			got = append(got, fmt.Sprintf("%d at %s", i, p.Now()))
		})
	}
	w.Run()
	want := []string{"4 at 0s", "1 at 1h0m0s", "3 at 1h0m0s", "2 at 2h0m0s", "0 at 3h0m0s"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRunForStopsAtItsInstant(t *testing.T) {
	w := New(Config{})
	defer w.Close()
	ticks := 0
	w.Peer("ticker", func(p *Peer) {
		for range 10 {
			p.Sleep(time.Second)
			ticks++
		}
	})
	tests := []struct {
		d     time.Duration
		now   time.Duration
		ticks int
	}{
		{0, 0, 0},
		{999 * time.Millisecond, 999 * time.Millisecond, 0},
		{time.Millisecond, time.Second, 1},
		{2500 * time.Millisecond, 3500 * time.Millisecond, 3},
		{-1, 10 * time.Second, 10},
		{time.Minute, 70 * time.Second, 10}, // nothing happens, and time passes
	}
	for _, test := range tests {
		w.RunFor(test.d)
		if w.Now() != test.now || ticks != test.ticks {
			t.Errorf("after RunFor(%s): got %s and %d ticks, want %s and %d", test.d, w.Now(), ticks, test.now, test.ticks)
		}
	}
}

// TestWaitMovesTimeOnlyWhenNobodyCanRun: a time-out is exact, and ends early for an
// event.
func TestWaitMovesTimeOnlyWhenNobodyCanRun(t *testing.T) {
	w, k, fd, c := accepted(t, Config{})
	k.Add(fd, poller.In, tokenOf(fd))
	var events [4]poller.Event
	check := func(what string, timeout time.Duration, n int, at time.Duration) {
		t.Helper()
		got, err := k.Wait(events[:], timeout)
		if got != n || err != nil || w.Now() != at || k.Now() != at {
			t.Errorf("%s: got %d, %v at %s, want %d at %s", what, got, err, w.Now(), n, at)
		}
	}
	check("a look", 0, 0, 0)
	check("a time-out", 1500*time.Microsecond, 0, 1500*time.Microsecond)
	w.Peer("late", func(p *Peer) {
		p.Sleep(time.Second)
		c.Write([]byte("x"))
	})
	check("an event ends the wait", time.Minute, 1, 1001500*time.Microsecond)
	check("what is ready needs no time", time.Minute, 1, 1001500*time.Microsecond)
	w.Peer("waker", func(p *Peer) { k.Wake() })
	k.Read(fd, make([]byte, 1))
	check("a wake-up is no event", time.Minute, 0, 1001500*time.Microsecond)
}

// TestWaitWithoutEnd tells the test that nothing can ever happen.
func TestWaitWithoutEnd(t *testing.T) {
	w := New(Config{})
	defer w.Close()
	k := w.NewWorker()
	var events [1]poller.Event
	if n, err := k.Wait(events[:], -1); n != 0 || err != syscall.EDEADLK {
		t.Errorf("got %d, %v, want 0, EDEADLK", n, err)
	}
	k.Wake()
	if n, err := k.Wait(events[:], -1); n != 0 || err != nil {
		t.Errorf("after Wake: got %d, %v, want 0 and no error", n, err)
	}
}

// TestLateWakeOfAnEndlessWait: ready is not scheduled, also without a time-out.
func TestLateWakeOfAnEndlessWait(t *testing.T) {
	w := New(Config{Source: planned(t, "test wake 1: 40ms")})
	defer w.Close()
	k := w.NewWorker()
	listen(t, k, poller.ListenConfig{})
	w.Peer("client", func(p *Peer) { p.Dial(addr) })
	var events [1]poller.Event
	if n, err := k.Wait(events[:], -1); n != 1 || err != nil || w.Now() != 40*time.Millisecond {
		t.Errorf("got %d, %v at %s, want 1 at 40ms", n, err, w.Now())
	}
}

// TestClosedWorldEndsEverybody: deferred functions run, and find that nothing
// works any more.
func TestClosedWorldEndsEverybody(t *testing.T) {
	w := New(Config{})
	k := w.NewWorker()
	l := listen(t, k, poller.ListenConfig{Backlog: 1})
	var got []string
	note := func(who string, err error) { got = append(got, who+" "+poller.ErrnoName(err)) }
	k.Go(func() {
		var events [1]poller.Event
		defer func() {
			_, err := k.Wait(events[:], -1)
			note("wait", err)
			_, _, err = k.Accept(l)
			note("accept", err)
			note("wake", k.Wake())
		}()
		k.Modify(l, 0, 0)
		k.Wait(events[:], -1)
		note("never", nil)
	})
	w.Peer("client", func(p *Peer) {
		c, _ := p.Dial(addr)
		defer func() {
			_, err := c.Read(make([]byte, 1))
			note("read", err)
			p.Dial(addr)
			_, err = p.Dial(addr) // the queue is full
			note("dial", err)
		}()
		c.Read(make([]byte, 1))
		note("never", nil)
	})
	w.RunFor(time.Second)
	w.Close()
	w.Close()
	want := []string{"wait EBADF", "accept EBADF", "wake EBADF", "read EBADF", "dial EBADF"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
