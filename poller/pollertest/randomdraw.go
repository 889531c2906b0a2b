package pollertest

import "edgewise.test/poller"

// Draw makes a random sequence of n steps. Every choice is asked of choose,
// which returns a number below its argument: a seeded generator, the draws of a
// property, the bytes of a fuzzer. It looks at no machine: it counts on calls
// doing what they usually do, so that most steps hit something alive, and the
// rest hit what is stale, in another state than thought, or not there.
func Draw(choose func(n int) int, n int) []Step {
	d := drawer{choose: choose}
	for len(d.steps) < n {
		d.draw()
	}
	return d.steps[:n]
}

// drawer draws a sequence with a rough idea of what is open.
type drawer struct {
	choose func(n int) int
	steps  []Step
	labels []label
	limit  bool // NoFile is in force
}

// label is what the drawer thinks that a label stands for.
type label struct {
	kind    kind
	open    bool
	queue   []int // of a listener: clients that wait to be accepted
	watched [epolls]bool
}

type kind uint8

const (
	fresh kind = iota
	listening
	connection
)

// maxOpen keeps a sequence about few things that meet often.
const maxOpen = 10

var (
	sizes    = []int{0, 1, 1, 2, 3, 5, 8, 16, 64}
	backlogs = []int{0, 0, 1, 2, 3, 64, -1}
	lowats   = []int{0, 1, 1, 2, 4, 9}
	fits     = []int{1, 2, 16, 16}
	masks    = []poller.Events{in, in | rdhup, in | out, in | out | rdhup, out, rdhup, 0, poller.Pri, poller.Err, poller.Hup}
	flags    = []poller.Events{0, 0, et, et, et, oneShot, et | oneShot, exclusive, exclusive | et, exclusive | oneShot}
)

// weights says how often each kind of step is drawn.
var weights = []struct {
	times int
	draw  func(d *drawer)
}{
	{14, (*drawer).wait}, {8, (*drawer).add}, {5, (*drawer).modify}, {2, (*drawer).remove},
	{9, (*drawer).write}, {6, (*drawer).read}, {3, (*drawer).peek},
	{7, (*drawer).dial}, {2, (*drawer).redial}, {5, (*drawer).accept}, {3, (*drawer).listener}, {2, (*drawer).close}, {2, (*drawer).reset},
	{3, (*drawer).shutdown}, {2, (*drawer).dup}, {2, (*drawer).ask}, {1, (*drawer).lowat}, {1, (*drawer).odd}, {1, (*drawer).noFile},
}

func (d *drawer) draw() {
	total := 0
	for _, w := range weights {
		total += w.times
	}
	pick := d.choose(total)
	for _, w := range weights {
		if pick -= w.times; pick < 0 {
			w.draw(d)
			return
		}
	}
}

func (d *drawer) put(s Step) { d.steps = append(d.steps, s) }

// make adds a step that makes a label, which it returns.
func (d *drawer) make(s Step, k kind) int {
	s.made = len(d.labels)
	d.labels = append(d.labels, label{kind: k, open: true})
	d.put(s)
	return s.made
}

func pick[T any](d *drawer, from []T) T { return from[d.choose(len(from))] }

// any returns a label: of the given kind if there is one, once in twelve times
// any at all. It returns false when nothing was made yet.
func (d *drawer) any(k ...kind) (int, bool) {
	if len(d.labels) == 0 {
		return 0, false
	}
	if len(k) > 0 && d.choose(12) > 0 {
		if fitting := d.those(k[0]); len(fitting) > 0 {
			return pick(d, fitting), true
		}
	}
	if open := d.open(); len(open) > 0 && d.choose(8) > 0 {
		return pick(d, open), true
	}
	return d.choose(len(d.labels)), true
}

func (d *drawer) those(k kind) (labels []int) {
	for _, i := range d.open() {
		if d.labels[i].kind == k {
			labels = append(labels, i)
		}
	}
	return labels
}

func (d *drawer) open() (labels []int) {
	for i, l := range d.labels {
		if l.open {
			labels = append(labels, i)
		}
	}
	return labels
}

func (d *drawer) crowded() bool { return len(d.open()) >= maxOpen }

// on adds a step that acts on a label of kind k, if anything was made yet.
func (d *drawer) on(k kind, s Step) {
	if i, ok := d.any(k); ok {
		s.on = i
		d.put(s)
	}
}

func (d *drawer) wait() {
	d.put(Step{op: opWait, epoll: d.epoll(), n: pick(d, fits)})
}

// epoll prefers the first: order shows when many registrations are in one.
func (d *drawer) epoll() int { return max(0, d.choose(epolls+3)-3) }

func (d *drawer) mask() poller.Events { return pick(d, masks) | pick(d, flags) }

func (d *drawer) add() {
	i, ok := d.any()
	if !ok {
		return
	}
	p := d.epoll()
	if d.labels[i].watched[p] && d.choose(4) > 0 {
		d.put(Step{op: opModify, on: i, epoll: p, events: d.mask()})
		return
	}
	d.labels[i].watched[p] = true
	d.put(Step{op: opAdd, on: i, epoll: p, events: d.mask()})
}

func (d *drawer) modify() {
	if i, p, ok := d.registered(); ok {
		d.put(Step{op: opModify, on: i, epoll: p, events: d.mask()})
	}
}

func (d *drawer) remove() {
	if i, p, ok := d.registered(); ok {
		d.labels[i].watched[p] = false
		d.put(Step{op: opRemove, on: i, epoll: p})
	}
}

// registered returns a registration, or once in ten times what may be none.
func (d *drawer) registered() (on, epoll int, ok bool) {
	epoll = d.epoll()
	if d.choose(10) > 0 {
		var those []int
		for i, l := range d.labels {
			if l.open && l.watched[epoll] {
				those = append(those, i)
			}
		}
		if len(those) > 0 {
			return pick(d, those), epoll, true
		}
	}
	on, ok = d.any()
	return on, epoll, ok
}

func (d *drawer) write() { d.on(connection, Step{op: opWrite, n: pick(d, sizes)}) }
func (d *drawer) read()  { d.on(connection, Step{op: opRead, n: pick(d, sizes)}) }
func (d *drawer) peek()  { d.on(connection, Step{op: opPeek, n: pick(d, sizes)}) }
func (d *drawer) lowat() { d.on(connection, Step{op: opRcvLowat, n: pick(d, lowats)}) }

func (d *drawer) shutdown() { d.on(connection, Step{op: opShutdown, n: d.choose(3)}) }

// ask adds a step that looks, or that takes the pending error.
func (d *drawer) ask() {
	d.on(connection, Step{op: []op{opSoError, opSoError, opLocalAddr, opPeerAddr}[d.choose(4)]})
}

// dial makes a client and connects it, most often to a listener.
func (d *drawer) dial() {
	if d.crowded() {
		d.close()
		return
	}
	to, ok := d.any(listening)
	if !ok || d.choose(12) == 0 {
		to = -1
	}
	client := d.make(Step{op: opSocket}, connection)
	if to >= 0 && d.labels[to].kind == listening {
		d.labels[to].queue = append(d.labels[to].queue, client)
	}
	d.put(Step{op: opConnect, on: client, to: to})
	if d.choose(2) == 0 {
		d.accept()
	}
}

// redial connects what is connected, or on its way, or was refused.
func (d *drawer) redial() {
	to, ok := d.any(listening)
	if !ok || d.choose(3) == 0 {
		to = -1
	}
	d.on(connection, Step{op: opConnect, to: to})
}

// accept prefers a listener where somebody waits.
func (d *drawer) accept() {
	var busy []int
	for _, i := range d.those(listening) {
		if len(d.labels[i].queue) > 0 {
			busy = append(busy, i)
		}
	}
	l, ok := 0, len(busy) > 0 && d.choose(10) > 0
	if ok {
		l = pick(d, busy)
		d.labels[l].queue = d.labels[l].queue[1:]
	} else if l, ok = d.any(listening); !ok || d.choose(4) > 0 {
		return
	}
	d.make(Step{op: opAccept, on: l}, connection)
}

// listener makes a listening socket.
func (d *drawer) listener() {
	if len(d.those(listening)) > 2 || d.crowded() {
		d.on(listening, Step{op: opListen, n: pick(d, backlogs)})
		return
	}
	l := d.make(Step{op: opSocket}, listening)
	if d.choose(8) > 0 {
		d.put(Step{op: opBind, on: l})
	}
	d.put(Step{op: opListen, on: l, n: pick(d, backlogs)})
}

func (d *drawer) close() { d.end(opClose) }
func (d *drawer) reset() { d.end(opReset) }

func (d *drawer) end(o op) {
	i, ok := d.any(connection)
	if !ok {
		return
	}
	d.labels[i].open = false
	d.labels[i].watched = [epolls]bool{}
	d.put(Step{op: o, on: i})
}

func (d *drawer) dup() {
	i, ok := d.any()
	if !ok || d.crowded() {
		return
	}
	d.make(Step{op: opDup, on: i}, d.labels[i].kind)
}

// odd adds a step that makes no sense where it stands, as a rule.
func (d *drawer) odd() {
	i, ok := d.any()
	if !ok || d.choose(4) == 0 {
		if !d.crowded() {
			d.make(Step{op: opSocket}, fresh)
		}
		return
	}
	to, _ := d.any(listening)
	d.put([]Step{
		{op: opBind, on: i}, {op: opListen, on: i, n: pick(d, backlogs)}, {op: opConnect, on: i, to: to}, {op: opConnect, on: i, to: -1},
		{op: opShutdown, on: i, n: d.choose(3)}, {op: opRead, on: i, n: pick(d, sizes)}, {op: opWrite, on: i, n: pick(d, sizes)},
		{op: opRcvLowat, on: i, n: pick(d, lowats)}, {op: opSoError, on: i}, {op: opPeerAddr, on: i}, {op: opLocalAddr, on: i},
	}[d.choose(11)])
}

// noFile switches the limit of descriptors, to few and back.
func (d *drawer) noFile() {
	if d.limit = !d.limit; !d.limit {
		d.put(Step{op: opNoFile, n: -1})
		return
	}
	d.put(Step{op: opNoFile, n: len(d.open()) + d.choose(3)})
}
