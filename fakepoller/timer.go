package fakepoller

import "time"

// timer is an event at an instant of virtual time. It is part of what it belongs
// to (a socket, an actor), so arming one costs no memory.
type timer struct {
	at    time.Duration
	order uint64 // earlier armed first among equals
	index int    // in timers, plus 1; 0 when not armed
	fire  firer
}

type firer interface{ fired(t *timer) }

// timers is a binary heap by instant and order.
type timers struct {
	heap  []*timer
	order uint64
}

func (h *timers) arm(t *timer, at time.Duration) {
	if t.index != 0 {
		h.disarm(t)
	}
	h.order++
	t.at, t.order = at, h.order
	h.heap = append(h.heap, t)
	t.index = len(h.heap)
	h.up(len(h.heap) - 1)
}

func (h *timers) disarm(t *timer) {
	if t.index == 0 {
		return
	}
	i, last := t.index-1, len(h.heap)-1
	if i != last {
		h.swap(i, last)
	}
	h.heap[last] = nil
	h.heap = h.heap[:last]
	t.index = 0
	if i != last {
		h.down(i)
		h.up(i)
	}
}

func (h *timers) less(i, j int) bool {
	a, b := h.heap[i], h.heap[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (h *timers) swap(i, j int) {
	h.heap[i], h.heap[j] = h.heap[j], h.heap[i]
	h.heap[i].index, h.heap[j].index = i+1, j+1
}

func (h *timers) up(i int) {
	for i > 0 && h.less(i, (i-1)/2) {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (h *timers) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h.heap) {
			return
		}
		if child+1 < len(h.heap) && h.less(child+1, child) {
			child++
		}
		if !h.less(child, i) {
			return
		}
		h.swap(i, child)
		i = child
	}
}
