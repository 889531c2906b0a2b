package fakepoller

import (
	"time"

	"edgewise.test/poller"
)

// file is an open file description: what descriptors point at and epolls watch.
type file interface {
	base() *watched
	// poll returns all bits that are set now, as the kernel's f_op->poll.
	poll() poller.Events
	// released runs when the last descriptor is closed.
	released()
}

// watched is the part that all open files share.
type watched struct {
	refs     int           // descriptors
	items    *item         // registrations, newest first: the order of wake-ups (EW-11)
	blocked  *actor        // who waits for this file without an epoll, newest first
	progress uint32        // counts calls that got something done, for the spin auditor
	seen     uint32        // progress when it was last looked at
	idle     int           // reports without progress since
	since    time.Duration // when progress was last looked at
	opened   int           // step that made it
	openedAt time.Duration
}

func (f *watched) base() *watched { return f }

// wake is the kernel's wait queue wake-up: it queues every registration whose
// mask has a bit of key, or all of them when key is 0 (a change of state).
func (f *watched) wake(w *World, key poller.Events) {
	var oldest *item
	exclusive := false
	for it := f.items; it != nil; it = it.nextOfFile {
		oldest = it
		if it.events&poller.Exclusive != 0 {
			exclusive = true
		} else if it.wants(key) {
			it.ep.queue(w, it)
		}
	}
	if exclusive { // in order of ADD, until one had a waiter (EC-17, EC-18)
		for it := oldest; it != nil; it = it.prevOfFile {
			if it.events&poller.Exclusive == 0 || !it.wants(key) {
				continue
			}
			waiting := it.ep.hasWaiter()
			it.ep.queue(w, it)
			if waiting {
				break
			}
		}
	}
	f.wakeBlocked(w)
}

// blockOn is block until f is woken.
func (w *World) blockOn(f *watched, until time.Duration, where string) (idle bool) {
	a := w.current
	a.next, f.blocked = f.blocked, a
	_, idle = w.block(until, where)
	for at := &f.blocked; *at != nil; at = &(*at).next { // f may be somebody else's by now
		if *at == a {
			*at = a.next
			break
		}
	}
	return idle
}

func (f *watched) wakeBlocked(w *World) {
	for f.blocked != nil {
		a := f.blocked
		f.blocked = a.next
		w.wakeActor(a)
	}
}

// wants tells whether a wake-up with key concerns it; a disarmed one-shot has
// only private bits left.
func (it *item) wants(key poller.Events) bool {
	return (key == 0 || it.events&key != 0) && it.events&^privateBits != 0
}

// deref takes one descriptor away.
func deref(w *World, f file) {
	b := f.base()
	if b.refs--; b.refs > 0 {
		return
	}
	for b.items != nil {
		b.items.remove()
	}
	f.released()
}
