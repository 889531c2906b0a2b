package main

import (
	"slices"
	"syscall"
	"time"

	"edgewise.test/poller"
)

// loop is the event loop that the hosts share: slots with generations, timers
// that run before the events of a turn, and tasks that run after them.
type loop struct {
	stage
	k      worker
	bug    id
	slots  []slot
	free   []uint32
	timers []*timer // in the order of their deadlines
	tasks  []func()
	last   time.Duration // when timers last ran
}

type slot struct {
	generation uint32
	handle     func(poller.Events)
}

type timer struct {
	at time.Duration
	f  func()
}

func newLoop(s stage, bug id) *loop { return &loop{stage: s, k: s.NewWorker(), bug: bug, last: -1} }

// watch registers fd. It returns a token to be given to forget.
func (l *loop) watch(fd poller.FD, mask poller.Events, handle func(poller.Events)) (poller.Token, error) {
	if len(l.free) == 0 {
		l.slots = append(l.slots, slot{})
		l.free = append(l.free, uint32(len(l.slots)-1))
	}
	i := l.free[len(l.free)-1]
	token := poller.MakeToken(i, l.slots[i].generation)
	if err := l.k.Add(fd, mask, token); err != nil {
		return 0, err
	}
	l.free = l.free[:len(l.free)-1]
	l.slots[i].handle = handle
	return token, nil
}

// forget drops events for token that are in the batch already.
func (l *loop) forget(token poller.Token) {
	s := &l.slots[token.Slot()]
	s.handle = nil
	s.generation++
	l.free = append(l.free, token.Slot())
}

// after runs f once in d, unless it is cancelled.
func (l *loop) after(d time.Duration, f func()) *timer {
	t := &timer{at: l.k.Now() + d, f: f}
	i := len(l.timers)
	for i > 0 && l.timers[i-1].at > t.at {
		i--
	}
	l.timers = slices.Insert(l.timers, i, t)
	return t
}

func (l *loop) cancel(t *timer) {
	if i := slices.Index(l.timers, t); i >= 0 {
		l.timers = slices.Delete(l.timers, i, i+1)
	}
}

// post runs f at the end of this turn.
func (l *loop) post(f func()) { l.tasks = append(l.tasks, f) }

// run turns the loop until its kernel says no.
func (l *loop) run() {
	var events [16]poller.Event
	for {
		timeout := l.timeout()
		n, err := l.k.Wait(events[:], timeout)
		for l.bug == "E11" && err == syscall.EINTR {
			n, err = l.k.Wait(events[:], timeout) // all of it again
		}
		if err != nil && err != syscall.EINTR {
			return
		}
		l.expire()
		for _, e := range events[:max(n, 0)] {
			l.dispatch(e)
		}
		for len(l.tasks) > 0 {
			f := l.tasks[0]
			l.tasks = l.tasks[1:]
			f()
		}
	}
}

func (l *loop) dispatch(e poller.Event) {
	s := &l.slots[e.Token.Slot()]
	stale := s.generation != e.Token.Generation()
	if l.bug == "A1" {
		stale = false // the token is only the slot
	}
	if !stale && s.handle != nil {
		s.handle(e.Events)
	}
}

func (l *loop) timeout() time.Duration {
	if len(l.tasks) > 0 {
		return 0
	}
	if len(l.timers) == 0 {
		return -1
	}
	return max(l.timers[0].at-l.k.Now(), 0)
}

// expire runs the timers that are due. One that is made meanwhile has its turn in
// the next iteration, so that it can not starve the descriptors.
func (l *loop) expire() {
	now := l.k.Now()
	if l.bug == "E8" && now == l.last {
		return // nothing can be due: the clock has not moved
	}
	l.last = now
	due := 0
	for due < len(l.timers) && l.timers[due].at <= now {
		due++
	}
	if l.bug == "E3" {
		batch := l.timers[:due:due]
		l.timers = slices.Clone(l.timers[due:])
		for _, t := range batch {
			t.f() // whoever cancels another of the batch does not reach it
		}
		return
	}
	batch := slices.Clone(l.timers[:due])
	for _, t := range batch {
		if i := slices.Index(l.timers, t); i >= 0 {
			l.timers = slices.Delete(l.timers, i, i+1)
			t.f()
		}
		for l.bug == "E1" && len(l.timers) > 0 && l.timers[0].at <= now {
			again := l.timers[0]
			l.timers = l.timers[1:]
			again.f()
		}
	}
}
