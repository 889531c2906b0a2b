package fakepoller

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"edgewise.test/faults"
	"edgewise.test/poller"
)

// Call is what an event in a trace is about: a boundary call, or something that
// the world did by itself.
type Call uint8

const (
	CallAdd Call = iota + 1
	CallModify
	CallRemove
	CallWait
	CallWake
	CallAccept
	CallRead
	CallPeek
	CallWrite
	CallShutdown
	CallClose
	CallSocket
	CallConnect
	CallSocketError
	CallLocalAddr
	CallPeerAddr
	CallSetSockOpt
	CallSockOpt
	CallBind
	CallListen
	CallDup
	CallAnnotate // text is the state that the code under test is in
	CallArrive   // N bytes have arrived
	CallNet      // text says what the network did
	CallEvent    // one entry of the batch that the CallWait before it returned
	CallDeviate  // text is a line of a plan
	CallFinding  // text is what an auditor saw
	CallSleep
)

var callNames = [...]string{
	CallAdd: "add", CallModify: "modify", CallRemove: "remove", CallWait: "wait", CallWake: "wake", CallAccept: "accept",
	CallRead: "read", CallPeek: "peek", CallWrite: "write", CallShutdown: "shutdown", CallClose: "close", CallSocket: "socket",
	CallConnect: "connect", CallSocketError: "SO_ERROR", CallLocalAddr: "getsockname", CallPeerAddr: "getpeername",
	CallSetSockOpt: "setsockopt", CallSockOpt: "getsockopt", CallBind: "bind", CallListen: "listen", CallDup: "dup",
	CallAnnotate: "state", CallArrive: "arrives", CallNet: "net", CallEvent: "event", CallDeviate: "deviation",
	CallFinding: "finding", CallSleep: "sleep",
}

// String returns the word that stands in a trace.
func (c Call) String() string { return callNames[c] }

// Event is one thing that happened.
type Event struct {
	Step  int           // boundary calls so far
	At    time.Duration // virtual
	Actor string        // who did it
	Call  Call
	FD    poller.FD // -1: none
	About string    // whose socket fd is, or ""
	N     int       // bytes, events, a new fd, or -1
	Bits  poller.Events
	Err   error
	Text  string
	// From and To are the ends of the packet that a CallConnect sends, or that
	// arrives with a CallArrive or a CallNet; Data is what a CallArrive brings.
	From, To netip.AddrPort
	Data     []byte
}

// String is one line of a trace. It is stable.
func (e Event) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%9s %-12s ", seconds(e.At), e.Actor)
	if e.FD >= 0 {
		fmt.Fprintf(&b, "fd %-3d", e.FD)
	} else {
		b.WriteString("      ")
	}
	b.WriteByte(' ')
	b.WriteString(e.What())
	return b.String()
}

// What is the line without time, actor and fd.
func (e Event) What() string {
	what := e.Call.String()
	switch e.Call {
	case CallNet, CallDeviate, CallFinding, CallAnnotate:
		if e.Call == CallNet {
			what = e.Text
		} else {
			what += " " + e.Text
		}
	case CallArrive:
		what = fmt.Sprintf("%d bytes arrive", e.N)
	case CallEvent:
		what = e.Bits.String()
	case CallAdd, CallModify:
		what += " " + e.Bits.String()
	default:
		if e.Text != "" {
			what += " " + e.Text
		}
		if e.N >= 0 {
			what += fmt.Sprintf(" = %d", e.N)
		}
	}
	if e.Err != nil {
		what += " " + poller.ErrnoName(e.Err)
	}
	if e.About != "" && e.About != e.Actor {
		what += " (" + e.About + ")"
	}
	return what
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// trace is the record of a world. The digest is folded from numbers as things
// happen; lines are made only when somebody looks.
type trace struct {
	digest uint64
	events []Event
}

// Digest identifies everything that happened so far. Equal runs have equal
// digests on every machine.
func (w *World) Digest() uint64 { return mix(w.trace.digest ^ uint64(w.now)) }

// Trace returns what happened so far, if Config.Trace is set. The slice stays
// the world's.
func (w *World) Trace() []Event { return w.trace.events }

func (t *trace) fold(x uint64) {
	t.digest = (t.digest ^ x) * 0x9e3779b97f4a7c15
	t.digest ^= t.digest >> 29
}

// mix is the finalizer of SplitMix64.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// note records one event; about may be nil.
func (w *World) note(who, about *chooser, c Call, fd poller.FD, n int, bits poller.Events, err error) {
	errno := 0
	if err != nil {
		errno = poller.LinuxErrno(err)
	}
	w.trace.fold(uint64(w.now)<<8 | uint64(c))
	w.trace.fold(uint64(who.kind)<<56 ^ uint64(uint32(who.index))<<32 ^ uint64(uint32(fd))<<16 ^ uint64(uint32(n)))
	if errno != 0 || bits != 0 {
		w.trace.fold(uint64(uint32(errno))<<32 | uint64(bits))
	}
	object := about
	if object == nil {
		object = who
	}
	w.cover(object, uint64(c)|uint64(errno)<<8|uint64(bits)<<32)
	if who.view != nil {
		who.view.fold(uint64(w.now)<<8 | uint64(c))
		who.view.fold(uint64(object.kind)<<56 ^ uint64(uint32(object.index))<<32 ^ uint64(uint32(fd))<<16 ^ uint64(uint32(n)))
		who.view.fold(uint64(uint32(errno))<<32 | uint64(bits))
	}
	if !w.cfg.Trace {
		return
	}
	e := Event{Step: w.steps, At: w.now, Actor: w.name(who), Call: c, FD: fd, N: n, Bits: bits, Err: err}
	if about != nil {
		e.About = w.name(about)
	}
	w.trace.events = append(w.trace.events, e)
}

// hoist moves the last event, a call, before what it caused since there were mark
// events: a reader wants the cause first. Deviations stay in front of it.
func (w *World) hoist(mark int) {
	events := w.trace.events
	last := len(events) - 1
	for mark < last && events[mark].Call == CallDeviate {
		mark++
	}
	if mark >= last {
		return
	}
	call := events[last]
	copy(events[mark+1:], events[mark:last])
	events[mark] = call
}

// hashText is FNV-1a.
func hashText(text string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(text); i++ {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}

func (w *World) noteText(who chooser, c Call, fd poller.FD, text string) {
	w.trace.fold(hashText(text))
	w.trace.fold(uint64(w.now)<<8 | uint64(c))
	if w.cfg.Trace {
		w.trace.events = append(w.trace.events, Event{Step: w.steps, At: w.now, Actor: w.name(&who), Call: c, FD: fd, N: -1, Text: text})
	}
}

// noteArrival notes that the last n visible bytes have just arrived at s.
func (w *World) noteArrival(s *sock, n int) {
	w.note(&s.chooser, nil, CallArrive, -1, n, 0, nil)
	if w.cfg.Trace {
		all := make([]byte, s.visible)
		s.in.peek(all)
		w.trace.events[len(w.trace.events)-1].Data = all[s.visible-n:]
		w.noteRoute(s.remote, s.local)
	}
}

// noteNet notes what the network did to s.
func (w *World) noteNet(s *sock, text string) {
	w.noteText(s.chooser, CallNet, -1, text)
	w.noteRoute(s.remote, s.local)
}

// noteRoute adds to the last event where its packet came from and went to.
func (w *World) noteRoute(from, to netip.AddrPort) {
	if w.cfg.Trace {
		e := &w.trace.events[len(w.trace.events)-1]
		e.From, e.To = from, to
	}
}

func (w *World) noteDeviation(p faults.Point, outcome int) {
	if !w.cfg.Trace {
		return // the consequences are in the digest
	}
	d := faults.Deviation{Actor: p.Actor, Op: p.Op, From: p.Seq, To: p.Seq, Outcome: outcome}
	w.trace.events = append(w.trace.events, Event{Step: w.steps, At: w.now, Actor: p.Actor, Call: CallDeviate, FD: -1, N: -1, Text: d.String()})
}
