package pipeline

// Post runs f on the loop, in the order of posting, in an iteration that starts or
// goes on after the call. Any goroutine may call it. A func that is posted to a
// loop which does not turn any more is never called.
func (l *Loop) Post(f func()) {
	if l.enqueue(f) {
		l.kernel.Wake() // later ones find the wake-up on its way
	}
}

// enqueue is Post without the wake-up. It says whether there has to be one.
func (l *Loop) enqueue(f func()) (first bool) {
	q := &l.posted
	q.mu.Lock()
	defer q.mu.Unlock()
	first = len(q.funcs) == 0
	q.funcs = append(q.funcs, f)
	q.pending.Store(true)
	return first
}

// runPosts runs what is posted now as one group; posts of the group make another.
// Deferred deletes go first (Envoy dispatcher_impl.cc runPostCallbacks).
func (l *Loop) runPosts() {
	l.deleteDeferred()
	q := &l.posted
	q.mu.Lock()
	q.pending.Store(false) // before the group is taken: a post from here on wakes again
	group := q.funcs
	q.funcs = q.spare
	q.mu.Unlock()
	q.spare = nil
	for i, f := range group {
		group[i] = nil
		f()
	}
	q.spare = group[:0]
}

// DeferredDeletable is an object with a last thing to do once nothing on the stack
// can use it any more.
type DeferredDeletable interface {
	DeferredDelete()
}

// DeferredDelete calls d.DeferredDelete later in this iteration, after what is
// queued. Deletes run in order of the requests; those that a delete asks for make
// a later group.
func (l *Loop) DeferredDelete(d DeferredDeletable) {
	l.deletable = append(l.deletable, d)
	if len(l.deletable) == 1 {
		l.work.push(work{kind: deletes})
	}
}

func (l *Loop) deleteDeferred() {
	if len(l.deleting) > 0 || len(l.deletable) == 0 {
		return // a delete that ends up here again is a part of the group
	}
	l.deleting, l.deletable = l.deletable, l.deleting[:0]
	for i, d := range l.deleting {
		l.deleting[i] = nil
		d.DeferredDelete()
	}
	l.deleting = l.deleting[:0]
}

// Callback runs a function when it is scheduled (Envoy SchedulableCallback). A
// callback that is scheduled already is not scheduled again.
type Callback struct {
	loop    *Loop
	f       func()
	enabled bool
	serial  uint32 // of the last schedule; the queue entry of an older one is void
}

// NewCallback returns a callback of f, not scheduled.
func (l *Loop) NewCallback(f func()) *Callback { return &Callback{loop: l, f: f} }

// ScheduleCurrentIteration runs the callback in this iteration, after all that is
// queued so far.
func (c *Callback) ScheduleCurrentIteration() { c.schedule(&c.loop.work) }

// ScheduleNextIteration runs the callback in the next iteration, after its file
// events.
func (c *Callback) ScheduleNextIteration() { c.schedule(&c.loop.next) }

// Cancel takes a schedule back.
func (c *Callback) Cancel() { c.enabled = false }

// Enabled says whether the callback is going to run.
func (c *Callback) Enabled() bool { return c.enabled }

func (c *Callback) schedule(q *queue) {
	if c.enabled {
		return
	}
	c.enabled = true
	c.serial++
	q.push(work{kind: scheduled, callback: c, serial: c.serial})
}
