package pipeline

import (
	"syscall"

	"edgewise.test/poller"
)

// Handler is told what is ready on a registered descriptor.
type Handler interface {
	// OnFileEvent gets what is ready of what was asked for, Err and Hup in any
	// case, and what was activated. It may close anything, itself included: an
	// event of the same batch for a registration that is gone is dropped.
	OnFileEvent(events poller.Events)
}

// Registration is one descriptor in the poller of a loop (Envoy FileEvent). It is
// a value: copies name the same registration. The zero value, and one that was
// unregistered, do nothing, also when the descriptor number is in use again.
type Registration struct {
	loop  *Loop
	token poller.Token
}

// Register adds fd to the poller of the loop. The error is a syscall.Errno of
// epoll_ctl(2).
func (l *Loop) Register(fd poller.FD, events poller.Events, h Handler) (Registration, error) {
	token := l.slots.take(fd, events, h)
	if err := l.kernel.Add(fd, events, token); err != nil {
		l.slots.drop(token)
		return Registration{}, err
	}
	return Registration{l, token}, nil
}

// Valid says whether the registration is in force.
func (r Registration) Valid() bool { return r.loop != nil && r.loop.slots.lookup(r.token) != nil }

// SetEvents replaces the mask. What was queued or activated for the registration
// is dropped; the poller reports again what is still ready. With an unchanged mask
// it does that for [poller.EdgeTriggered] and nothing otherwise (Envoy
// file_event_impl.cc setEnabled).
func (r Registration) SetEvents(events poller.Events) error {
	s := r.slot()
	if s == nil {
		return syscall.EBADF
	}
	if events == s.events && events&poller.EdgeTriggered == 0 {
		return nil
	}
	return r.modify(s, events)
}

// Activate delivers events in the next iteration, whatever the mask, without
// asking the poller. Activations add up, and join an event of the poller.
func (r Registration) Activate(events poller.Events) {
	s := r.slot()
	if s == nil || events == 0 {
		return
	}
	if s.injected == 0 {
		s.activation++
		r.loop.next.push(work{kind: activation, token: r.token, serial: s.activation})
	}
	s.injected |= events
}

// Unregister takes the descriptor out of the poller. Call it before the descriptor
// is closed: when the number has been given out again it is too late.
func (r Registration) Unregister() {
	s := r.slot()
	if s == nil {
		return
	}
	fd := s.fd
	r.loop.slots.drop(r.token)
	// It fails only if fd was closed behind our back, and then it is gone.
	r.loop.kernel.Remove(fd)
}

// forget is Unregister for a descriptor that is closed next. close(2) takes the
// open file out of the poller, unless somebody has a duplicate of it, which nobody
// here makes of a connection (epoll(7) Q6). A child process has one between fork
// and exec; an event that comes meanwhile names a registration that is gone.
func (r Registration) forget() {
	if r.slot() != nil {
		r.loop.slots.drop(r.token)
	}
}

// rebind hands the registration to another handler with another mask: one call of
// the kernel instead of Unregister and Register. Tokens stay valid, and events that
// were queued for the old handler are dropped.
func (r Registration) rebind(events poller.Events, h Handler) error {
	s := r.slot()
	if s == nil {
		return syscall.EBADF
	}
	s.handler = h
	return r.modify(s, events)
}

func (r Registration) slot() *slot {
	if r.loop == nil {
		return nil
	}
	return r.loop.slots.lookup(r.token)
}

func (r Registration) modify(s *slot, events poller.Events) error {
	s.ready, s.injected = 0, 0
	s.events = events
	return r.loop.kernel.Modify(s.fd, events, r.token)
}

// slot is one registration.
type slot struct {
	handler    Handler // nil: not in use
	fd         poller.FD
	events     poller.Events // the mask in the kernel
	ready      poller.Events // reported in this batch and not delivered
	injected   poller.Events // activated and not delivered
	activation uint32        // serial number of the last activation
	generation uint32        // of the current use, or of the last one
}

// slotTable gives registrations their tokens. The generation of a slot changes
// with every use, so an event that names an earlier use is recognised. Slots are
// used again only after the batch in which they were dropped.
type slotTable struct {
	slots   []slot
	free    []uint32
	dropped []uint32
}

func (t *slotTable) take(fd poller.FD, events poller.Events, h Handler) poller.Token {
	var i uint32
	if n := len(t.free); n > 0 {
		i = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		i = uint32(len(t.slots))
		t.slots = append(t.slots, slot{})
	}
	s := &t.slots[i]
	*s = slot{handler: h, fd: fd, events: events, generation: s.generation + 1}
	return poller.MakeToken(i, s.generation)
}

// lookup returns nil for a token that is not, or no longer, in use. The pointer is
// good until the next take.
func (t *slotTable) lookup(token poller.Token) *slot {
	i := token.Slot()
	if uint64(i) >= uint64(len(t.slots)) {
		return nil
	}
	s := &t.slots[i]
	if s.handler == nil || s.generation != token.Generation() {
		return nil
	}
	return s
}

func (t *slotTable) drop(token poller.Token) {
	s := t.lookup(token)
	s.handler = nil
	t.dropped = append(t.dropped, token.Slot())
}

func (t *slotTable) release() {
	t.free = append(t.free, t.dropped...)
	t.dropped = t.dropped[:0]
}
