package fakepoller

import (
	"fmt"
	"time"

	"edgewise.test/poller"
)

// FindingKind is what an auditor looks for.
type FindingKind string

// The auditors' findings.
const (
	Leak          FindingKind = "leak"            // a socket is still open at the end
	DoubleClose   FindingKind = "double close"    // close of a number that is closed
	UseAfterClose FindingKind = "use after close" // any other call with such a number
	Spin          FindingKind = "spin"            // a registration is reported again and again and nothing gets done
	Deadlock      FindingKind = "deadlock"        // somebody waits for what can never come
	Endless       FindingKind = "endless"         // Config.MaxSteps is used up
	Panic         FindingKind = "panic"           // an actor panicked
)

// Finding is something that an auditor saw. The world goes on; the test decides.
type Finding struct {
	Kind FindingKind
	At   time.Duration // virtual
	Step int           // the call that showed it
	Text string
	// Value is what an actor panicked with, and Stack where.
	Value any
	Stack string
}

// String returns kind and text.
func (f Finding) String() string { return string(f.Kind) + ": " + f.Text }

// spinLimit is how often a file is reported at one instant, with nothing
// done about it, before it counts as spinning.
const spinLimit = 100

// Findings returns what the auditors saw so far, in order. The slice is the caller's.
func (w *World) Findings() []Finding { return append([]Finding(nil), w.findings...) }

func (w *World) find(f Finding) {
	f.At, f.Step = w.now, w.steps
	w.findings = append(w.findings, f)
	w.noteText(chooser{kind: kindWorld}, CallFinding, -1, f.String())
}

// Audit looks at what is left: sockets that a worker's process still holds, and
// actors that can never go on. Listening sockets and pollers may stay, and so
// may a peer that waits for somebody to connect. Call it when everything ought
// to be over; it returns all findings.
func (w *World) Audit() []Finding {
	for _, o := range w.OpenSockets() {
		w.find(Finding{Kind: Leak, Text: fmt.Sprintf("fd %d (%s) is still open; it was opened at step %d", o.FD, o.About, o.Step)})
	}
	for _, x := range w.WaitingPeers() {
		w.find(Finding{Kind: Deadlock, Text: fmt.Sprintf("%s waits for ever in %s since step %d", x.Actor, x.Where, x.Step)})
	}
	return w.Findings()
}

// Open is a socket that a worker's process holds.
type Open struct {
	FD    poller.FD
	About string        // whose it is, or "socket"
	Step  int           // the call that made it
	Since time.Duration // when that was
}

// OpenSockets returns what is open now, by process and number, listening sockets
// excepted.
func (w *World) OpenSockets() []Open {
	var open []Open
	for _, p := range w.processes {
		for fd, f := range p.fds {
			if s, ok := f.(*sock); ok && s.state != tcpListen {
				open = append(open, Open{poller.FD(fd), w.name(&s.chooser), s.opened, s.openedAt})
			}
		}
	}
	return open
}

// Waiting is a peer that has not come to its end.
type Waiting struct {
	Actor string
	Where string        // the call that it is blocked in
	Step  int           // the number of that call
	Since time.Duration // when it began
}

// WaitingPeers returns the peers that have not ended, in the order in which they
// were made, but not those that wait for somebody to connect.
func (w *World) WaitingPeers() []Waiting {
	var waiting []Waiting
	for _, a := range w.actors {
		if a.kind == kindPeer && a.state == blocked && a.where != whereAccept {
			waiting = append(waiting, Waiting{w.name(&a.chooser), a.where, a.blocking, a.blockedAt})
		}
	}
	return waiting
}

// Heal ends all uncertainty: from now on every outcome is calm. What is on its way
// still takes its time.
func (w *World) Heal() { w.calm = true }

// badFD accounts for a call with a number that is not open.
func (w *World) badFD(k *Worker, c Call, fd poller.FD) {
	if w.closing || fd < 0 || int(fd) >= len(k.p.closed) || k.p.closed[fd] == 0 {
		return // never was open: nobody's stale number
	}
	kind := UseAfterClose
	if c == CallClose {
		kind = DoubleClose
	}
	w.find(Finding{Kind: kind, Text: fmt.Sprintf("%s: %s of fd %d, which was closed at step %d", w.name(&k.chooser), c, fd, k.p.closed[fd])})
}

// spun reports a spinning registration and takes its worker out of the run.
func (w *World) spun(it *item) {
	w.find(Finding{Kind: Spin, Text: fmt.Sprintf("fd %d (%s) was reported %d times at %s with %s and nothing was done about it", it.fd, w.fileName(it.f), spinLimit, w.now, it.f.poll()&it.events)})
	w.current.stuck = true
}

func (w *World) fileName(f file) string {
	if s, ok := f.(*sock); ok {
		return w.name(&s.chooser)
	}
	return "not a socket"
}
