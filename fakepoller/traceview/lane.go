package traceview

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	"edgewise.test/fakepoller"
)

// laneKind orders the lanes: who is outside on the left, our code on the right.
type laneKind int

const (
	lanePeer laneKind = iota
	laneConn
	laneListener
	laneWorker
	laneKinds
)

// lane is a column of the graph.
type lane struct {
	Name     string
	Number   int // from 0, left to right
	X, Width int
	kind     laneKind
	flipped  bool // the end that connected is a worker's, and so on the right
}

// Middle is where the lane's mark is.
func (l *lane) Middle() int { return l.X + l.Width/2 }

// end is where an end of the lane's connection is.
func (l *lane) end(s subject) int {
	if l.kind != laneConn || s.end == "" {
		return l.Middle()
	}
	if s.isServer() != l.flipped {
		return l.X + l.Width*3/4
	}
	return l.X + l.Width/4
}

// Sizes in pixels.
const (
	rowHeight   = 22
	graphMargin = 28 // for the marks of nobody's lane
	graphWanted = 620
	minUnit     = 15 // a connection has two of these, the others have one
	maxUnit     = 52
	letter      = 8 // of a lane's name
)

// layout finds the lanes of the events that are shown.
func layout(events []fakepoller.Event, subjects []subject, shown func(i int) bool) (lanes []*lane, byName map[string]*lane) {
	byName = map[string]*lane{}
	add := func(name string) {
		kind, ok := kindOf(name)
		if !ok || byName[name] != nil {
			return
		}
		l := &lane{Name: name, kind: kind}
		byName[name] = l
		lanes = append(lanes, l)
	}
	for i := range events {
		if !shown(i) {
			continue
		}
		e, s := &events[i], subjects[i]
		for _, name := range [...]string{e.Actor, s.end, s.conn} {
			if conn := connOf(name); conn != "" {
				name = conn
			}
			add(name)
		}
	}
	for i := range events {
		if e := &events[i]; e.Call == fakepoller.CallConnect && isWorker(e.Actor) {
			if l := byName[subjects[i].conn]; l != nil {
				l.flipped = true
			}
		}
	}
	slices.SortStableFunc(lanes, func(a, b *lane) int { return int(a.kind - b.kind) })
	return lanes, byName
}

// kindOf tells what has that name; the world and the test have no lane.
func kindOf(name string) (laneKind, bool) {
	switch {
	case name == "", name == "world", name == "test":
		return 0, false
	case strings.HasPrefix(name, "conn "):
		return laneConn, true
	case strings.HasPrefix(name, "listener "):
		return laneListener, true
	case isWorker(name):
		return laneWorker, true
	}
	return lanePeer, true
}

// place gives each lane its room. It returns the width of all, and whether names
// must be written upwards.
func place(lanes []*lane) (width int, upright bool) {
	units := 0
	for _, l := range lanes {
		units += l.units()
	}
	unit := min(max(graphWanted/max(units, 1), minUnit), maxUnit)
	width = graphMargin
	for i, l := range lanes {
		l.Number, l.X, l.Width = i, width, unit*l.units()
		width += l.Width
		upright = upright || len(l.Name)*letter > l.Width
	}
	return width, upright
}

func (l *lane) units() int {
	if l.kind == laneConn {
		return 2
	}
	return 1
}

// quiet events say nothing about why a run ended as it did.
func quiet(e *fakepoller.Event) bool {
	switch e.Call {
	case fakepoller.CallWait, fakepoller.CallSocket, fakepoller.CallBind, fakepoller.CallListen, fakepoller.CallSetSockOpt,
		fakepoller.CallSockOpt, fakepoller.CallLocalAddr, fakepoller.CallPeerAddr, fakepoller.CallWake, fakepoller.CallSleep:
		return e.Err == nil
	}
	return false
}

// alarming errors are not those that every event loop lives with.
func alarming(err error) bool {
	return err != nil && err != syscall.EAGAIN && err != syscall.EINPROGRESS && err != syscall.EINTR
}

// numberList is what the page looks for to find the rows of a lane.
func numberList(lanes ...*lane) string {
	var b strings.Builder
	for _, l := range lanes {
		if l != nil {
			fmt.Fprintf(&b, " %d ", l.Number)
		}
	}
	return b.String()
}
