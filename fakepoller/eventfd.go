package fakepoller

import (
	"edgewise.test/poller"
)

// eventfd is a counter that makes an edge at every write (eventfd(2), WK-03).
type eventfd struct {
	watched
	w     *World
	count uint64
}

func (e *eventfd) poll() poller.Events {
	bits := poller.Out
	if e.count > 0 {
		bits |= poller.In
	}
	return bits
}

func (e *eventfd) released() {}

func (e *eventfd) add(n uint64) {
	e.count += n
	e.wake(e.w, poller.In)
}
