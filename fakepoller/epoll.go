package fakepoller

import (
	"syscall"

	"edgewise.test/faults"
	"edgewise.test/poller"
)

// privateBits survive a one-shot's disarming (EP_PRIVATE_BITS).
const privateBits = poller.OneShot | poller.EdgeTriggered | poller.Exclusive | wakeUp

// epoll is an epoll instance: Linux fs/eventpoll.c without its locks.
type epoll struct {
	watched
	w       *World
	ready   list     // FIFO of wake-ups
	all     *item    // every registration
	waiters []*actor // in the order in which they began to wait
}

// item is a registration: (open file, number) in one epoll.
type item struct {
	ep         *epoll
	f          file
	events     poller.Events
	queued     bool
	token      poller.Token
	next, prev *item // ready list

	fd                     poller.FD
	nextOfFile, prevOfFile *item
	nextOfEp, prevOfEp     *item
}

// list is a doubly linked list of ready items.
type list struct{ head, tail *item }

func (l *list) push(it *item) {
	it.prev, it.next, it.queued = l.tail, nil, true
	if l.tail == nil {
		l.head = it
	} else {
		l.tail.next = it
	}
	l.tail = it
}

func (l *list) remove(it *item) {
	if it.prev == nil {
		l.head = it.next
	} else {
		it.prev.next = it.next
	}
	if it.next == nil {
		l.tail = it.prev
	} else {
		it.next.prev = it.prev
	}
	it.next, it.prev, it.queued = nil, nil, false
}

// pushFront puts it first.
func (l *list) pushFront(it *item) {
	it.prev, it.next, it.queued = nil, l.head, true
	if l.head == nil {
		l.tail = it
	} else {
		l.head.prev = it
	}
	l.head = it
}

// splice puts the items of m before those of l.
func (l *list) splice(m list) {
	if m.head == nil {
		return
	}
	m.tail.next = l.head
	if l.head == nil {
		l.tail = m.tail
	} else {
		l.head.prev = m.tail
	}
	l.head = m.head
}

func (ep *epoll) find(f file, fd poller.FD) *item {
	for it := f.base().items; it != nil; it = it.nextOfFile {
		if it.ep == ep && it.fd == fd {
			return it
		}
	}
	return nil
}

const alwaysBits = poller.Err | poller.Hup

// add is EPOLL_CTL_ADD; the arguments have been checked.
func (ep *epoll) add(f file, fd poller.FD, events poller.Events, token poller.Token) {
	it := ep.w.newItem()
	b := f.base()
	*it = item{ep: ep, f: f, fd: fd, events: events | alwaysBits, token: token}
	it.nextOfFile = b.items
	if b.items != nil {
		b.items.prevOfFile = it
	}
	b.items = it
	it.nextOfEp = ep.all
	if ep.all != nil {
		ep.all.prevOfEp = it
	}
	ep.all = it
	if f.poll()&it.events != 0 {
		ep.queue(ep.w, it)
	}
}

// modify is EPOLL_CTL_MOD.
func (ep *epoll) modify(it *item, events poller.Events, token poller.Token) {
	it.events, it.token = events|alwaysBits, token
	if it.f.poll()&it.events != 0 {
		ep.queue(ep.w, it)
	}
}

func (it *item) remove() {
	ep, b := it.ep, it.f.base()
	if it.queued {
		ep.ready.remove(it)
	}
	if it.prevOfFile == nil {
		b.items = it.nextOfFile
	} else {
		it.prevOfFile.nextOfFile = it.nextOfFile
	}
	if it.nextOfFile != nil {
		it.nextOfFile.prevOfFile = it.prevOfFile
	}
	if it.prevOfEp == nil {
		ep.all = it.nextOfEp
	} else {
		it.prevOfEp.nextOfEp = it.nextOfEp
	}
	if it.nextOfEp != nil {
		it.nextOfEp.prevOfEp = it.prevOfEp
	}
	ep.w.freeItem(it)
}

// queue puts a registration at the tail of the ready list unless it is there
// already (EW-08), and wakes whoever waits.
func (ep *epoll) queue(w *World, it *item) {
	if !it.queued {
		ep.ready.push(it)
	}
	if n := len(ep.waiters); n > 0 { // the last to wait wakes first (EW-21)
		i := n - 1 - w.choose(&w.self, faults.Waiter, n)
		a := ep.waiters[i]
		ep.waiters = append(ep.waiters[:i], ep.waiters[i+1:]...)
		w.wakeActor(a)
	}
	ep.wake(w, poller.In) // an epoll can be watched by another
}

func (ep *epoll) hasWaiter() bool { return len(ep.waiters) > 0 }

func (ep *epoll) forget(a *actor) {
	for i, x := range ep.waiters {
		if x == a {
			ep.waiters = append(ep.waiters[:i], ep.waiters[i+1:]...)
			return
		}
	}
}

// poll implements file: an epoll is readable while something in it is ready.
func (ep *epoll) poll() poller.Events {
	for it := ep.ready.head; it != nil; it = it.next {
		if it.f.poll()&it.events != 0 {
			return poller.In
		}
	}
	return 0
}

func (ep *epoll) released() {
	for ep.all != nil {
		ep.all.remove()
	}
}

// collect is ep_send_events: it walks the ready list from its head, samples each
// item's bits, drops those with none, disarms one-shots, forgets edges and
// puts level-triggered items back at the tail. What max leaves over stays at the
// head (EW-03).
func (ep *epoll) collect(events []poller.Event, max int) int {
	n := 0
	walk := ep.ready
	ep.ready = list{}
	for walk.head != nil && n < max {
		it := walk.head
		walk.remove(it)
		bits := it.f.poll() & it.events
		if bits == 0 {
			continue
		}
		level := it.events&(poller.OneShot|poller.EdgeTriggered) == 0
		events[n] = it.report(bits)
		n++
		if level {
			ep.ready.push(it)
			ep.audit(it)
		}
	}
	ep.ready.splice(walk)
	return n
}

// report makes an event of it and disarms a one-shot.
func (it *item) report(bits poller.Events) poller.Event {
	if it.events&poller.OneShot != 0 {
		it.events &= privateBits
	}
	if bits&poller.RdHup != 0 {
		if s, ok := it.f.(*sock); ok && s.visible > 0 {
			s.w.reach(DataAndFinInOneEvent)
		}
	}
	return poller.Event{Events: bits, Token: it.token}
}

// reader returns the newest registration of a socket for IN, or nil.
func (ep *epoll) reader() *item {
	for it := ep.all; it != nil; it = it.nextOfEp {
		if _, ok := it.f.(*sock); ok && it.events&poller.In != 0 {
			return it
		}
	}
	return nil
}

// audit notices a file that is reported again and again at one instant while nobody
// gets anything done on it, whether or not its registration is changed or made anew
// in between.
func (ep *epoll) audit(it *item) {
	b := it.f.base()
	if b.seen != b.progress || b.since != ep.w.now {
		b.seen, b.since, b.idle = b.progress, ep.w.now, 0
		return
	}
	b.idle++
	if b.idle == spinLimit {
		ep.w.spun(it)
	}
}

// readyCount counts what a wait would report now.
func (ep *epoll) readyCount() int {
	n := 0
	for it := ep.ready.head; it != nil; it = it.next {
		if it.f.poll()&it.events != 0 {
			n++
		}
	}
	return n
}

// first moves the k-th reportable item to the head of the ready list.
func (ep *epoll) first(k int) {
	for it := ep.ready.head; it != nil; it = it.next {
		if it.f.poll()&it.events == 0 {
			continue
		}
		if k == 0 {
			ep.ready.remove(it)
			ep.ready.pushFront(it)
			return
		}
		k--
	}
}

// reaches tells whether to can be reached from ep through nested epolls, and how
// deep the nesting below ep is.
func (ep *epoll) reaches(to *epoll) (found bool, depth int) {
	for it := ep.all; it != nil; it = it.nextOfEp {
		inner, ok := it.f.(*epoll)
		if !ok {
			continue
		}
		f, d := inner.reaches(to)
		found = found || f || inner == to
		depth = max(depth, d+1)
	}
	return found, depth
}

// above returns how many epolls are nested around ep.
func (ep *epoll) above() int {
	n := 0
	for it := ep.items; it != nil; it = it.nextOfFile {
		n = max(n, it.ep.above()+1)
	}
	return n
}

// maxNests is EP_MAX_NESTS.
const maxNests = 4

// checkAdd returns what EPOLL_CTL_ADD says about arguments that name open files.
func (ep *epoll) checkAdd(f file, fd poller.FD, events poller.Events) error {
	if f == file(ep) {
		return syscall.EINVAL
	}
	inner, nested := f.(*epoll)
	if events&poller.Exclusive != 0 {
		if nested || events&^(poller.In|poller.Out|poller.Err|poller.Hup|poller.EdgeTriggered|poller.Exclusive|wakeUp) != 0 {
			return syscall.EINVAL
		}
	}
	if nested {
		found, depth := inner.reaches(ep)
		if found || depth+1+ep.above()+1 > maxNests+1 {
			return syscall.ELOOP
		}
	}
	if ep.find(f, fd) != nil {
		return syscall.EEXIST
	}
	return nil
}

// wakeUp is EPOLLWAKEUP, which is accepted and does nothing here.
const wakeUp poller.Events = 1 << 29
