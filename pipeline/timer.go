package pipeline

import "time"

// Timer calls a function once, some time after Enable (Envoy Event::Timer). Timers
// with the same deadline fire in the order in which they were enabled.
type Timer struct {
	loop     *Loop
	f        func()
	deadline time.Duration
	order    uint64 // breaks ties of deadline
	index    int    // in the heap
	state    timerState
}

type timerState uint8

const (
	timerIdle    timerState = iota
	timerArmed              // in the heap
	timerExpired            // in the queue of this iteration
)

// NewTimer returns a disabled timer that calls f.
func (l *Loop) NewTimer(f func()) *Timer { return &Timer{loop: l, f: f} }

// Enable makes the timer fire when d has passed since [Loop.Now], instead of when
// it would have. It never fires in the current iteration: 0 means in the next one.
func (t *Timer) Enable(d time.Duration) {
	t.Disable()
	deadline := t.loop.now + max(d, 0)
	if deadline < t.loop.now {
		deadline = 1<<63 - 1 // farther than the clock goes
	}
	t.deadline = deadline
	t.state = timerArmed
	t.loop.timers.push(t)
}

// Disable makes the timer not fire, even when it has expired in this iteration and
// waits in the queue.
func (t *Timer) Disable() {
	if t.state == timerArmed {
		t.loop.timers.remove(t)
	}
	t.state = timerIdle // a queued expiry is void: it can not be expired again in this iteration
}

// Enabled says whether the timer is going to fire.
func (t *Timer) Enabled() bool { return t.state != timerIdle }

// timerHeap is a binary heap by deadline, then by order of Enable. Timers know
// their place, so that removal needs no search.
type timerHeap struct {
	timers []*Timer
	order  uint64
}

func (h *timerHeap) first() (deadline time.Duration, ok bool) {
	if len(h.timers) == 0 {
		return 0, false
	}
	return h.timers[0].deadline, true
}

func (h *timerHeap) push(t *Timer) {
	h.order++
	t.order = h.order
	t.index = len(h.timers)
	h.timers = append(h.timers, t)
	h.up(t.index)
}

// popExpired takes the first timer that is due at now, nil when there is none.
func (h *timerHeap) popExpired(now time.Duration) *Timer {
	if len(h.timers) == 0 || h.timers[0].deadline > now {
		return nil
	}
	t := h.timers[0]
	h.remove(t)
	t.state = timerExpired
	return t
}

func (h *timerHeap) remove(t *Timer) {
	i, last := t.index, len(h.timers)-1
	h.swap(i, last)
	h.timers[last] = nil
	h.timers = h.timers[:last]
	if i < last {
		h.down(i)
		h.up(i)
	}
}

func (h *timerHeap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(i, parent) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *timerHeap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h.timers) {
			return
		}
		if right := child + 1; right < len(h.timers) && h.less(right, child) {
			child = right
		}
		if !h.less(child, i) {
			return
		}
		h.swap(i, child)
		i = child
	}
}

func (h *timerHeap) less(i, j int) bool {
	a, b := h.timers[i], h.timers[j]
	return a.deadline < b.deadline || a.deadline == b.deadline && a.order < b.order
}

func (h *timerHeap) swap(i, j int) {
	h.timers[i], h.timers[j] = h.timers[j], h.timers[i]
	h.timers[i].index, h.timers[j].index = i, j
}
