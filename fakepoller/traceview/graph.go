package traceview

import (
	"fmt"
	"slices"
	"strings"

	"edgewise.test/fakepoller"
)

// graph draws row after row; it knows what is open and in which state.
type graph struct {
	lanes   []*lane
	byName  map[string]*lane
	width   int
	upright bool
	counts  [laneKinds]int

	states  []*state // in the order in which they came up
	byState map[string]*state
	tracks  []*track // that have something to show, in the order in which they came up
	byTrack map[string]*track
}

// track is what states and the life of a socket are drawn along: an end of a
// connection, or a lane.
type track struct {
	name  string
	x     int
	open  bool
	state *state
}

func newGraph(events []fakepoller.Event, subjects []subject, shown func(i int) bool) *graph {
	g := &graph{byState: map[string]*state{}, byTrack: map[string]*track{}}
	g.lanes, g.byName = layout(events, subjects, shown)
	g.width, g.upright = place(g.lanes)
	for _, l := range g.lanes {
		g.counts[l.kind]++
	}
	return g
}

// lane returns the lane of an actor or an end; nil if it has none.
func (g *graph) lane(name string) *lane {
	if conn := connOf(name); conn != "" {
		name = conn
	}
	return g.byName[name]
}

func (g *graph) track(name string, x int) *track {
	if t := g.byTrack[name]; t != nil {
		return t
	}
	t := &track{name: name, x: x}
	g.byTrack[name] = t
	g.tracks = append(g.tracks, t)
	return t
}

// draw returns the graph of e's row, and moves on.
func (g *graph) draw(e *fakepoller.Event, s subject) row {
	var r row
	actor, about := g.lane(e.Actor), g.lane(s.end)
	conn := g.lane(s.conn)
	r.Lanes = numberList(actor, about, conn)
	g.drawTracks(&r, e, s)
	switch {
	case e.Call == fakepoller.CallDeviate, e.Call == fakepoller.CallFinding:
		r.Flag = graphMargin / 2
		if actor != nil {
			r.Flag = actor.end(s)
		}
	case e.Call == fakepoller.CallArrive, e.Call == fakepoller.CallNet:
		g.drawPacket(&r, e, s, conn)
	case e.Call == fakepoller.CallAnnotate:
	case actor != nil:
		r.Mark = actor.Middle()
		if about != nil && about != actor {
			from, to := r.Mark, about.end(s)
			if inward(e.Call) {
				from, to = to, from
			}
			r.Link, r.Arrow = line(from, to), head(from, to)
		}
	}
	return r
}

// inward tells whether a call brings something to its caller.
func inward(c fakepoller.Call) bool {
	switch c {
	case fakepoller.CallRead, fakepoller.CallPeek, fakepoller.CallEvent, fakepoller.CallAccept, fakepoller.CallSocketError:
		return true
	}
	return false
}

// drawPacket draws from one end of the connection to the other, or into the
// listener's queue.
func (g *graph) drawPacket(r *row, e *fakepoller.Event, s subject, conn *lane) {
	switch l := g.lane(s.end); {
	case l == nil:
	case l.kind != laneConn:
		r.Mark = l.Middle()
		if conn != nil {
			r.Link, r.Arrow = line(conn.end(subject{end: s.conn + serverSuffix}), r.Mark), head(conn.Middle(), r.Mark)
		}
	default:
		to := l.end(s)
		from := 2*l.Middle() - to
		r.Link, r.Arrow = line(from, to), head(from, to)
		if e.Text == netRST {
			r.Arrow = cross(to)
		}
	}
}

// follow applies what e does to the tracks. It returns the one that e changes,
// and how that was before; nil if there is none.
func (g *graph) follow(e *fakepoller.Event, s subject) (changed *track, before track) {
	if e.Call == fakepoller.CallNet && e.Text == netQueued {
		name := s.conn + serverSuffix
		if l := g.lane(s.conn); l != nil {
			g.track(name, l.end(subject{end: name})).open = true
		}
	}
	if changed = g.trackOf(e, s); changed != nil {
		before = *changed
		changed.apply(g, e)
	}
	return changed, before
}

// forget drops a track that has nothing to show any more.
func (g *graph) forget(t *track) {
	if t != nil && !t.open && t.state == nil {
		g.tracks = slices.DeleteFunc(g.tracks, func(other *track) bool { return other == t })
		delete(g.byTrack, t.name)
	}
}

// skip is draw for an event that is not shown.
func (g *graph) skip(e *fakepoller.Event, s subject) {
	changed, _ := g.follow(e, s)
	g.forget(changed)
}

// drawTracks draws sockets that are open and states that last, and lets those of
// e begin or end in the middle of the row.
func (g *graph) drawTracks(r *row, e *fakepoller.Event, s subject) {
	changed, before := g.follow(e, s)
	defer g.forget(changed)
	if e.Call == fakepoller.CallAnnotate && changed != nil {
		r.State = changed.state
	}
	var ends strings.Builder
	for _, t := range g.tracks {
		above, below := *t, *t
		if t == changed {
			above = before
		}
		if above.open {
			fmt.Fprintf(&ends, "M%d 0V%d", t.x, rowHeight/2)
		}
		if below.open {
			fmt.Fprintf(&ends, "M%d %dV%d", t.x, rowHeight/2, rowHeight)
		}
		switch {
		case above.state == below.state && below.state != nil:
			r.Spans = append(r.Spans, span{X: t.x, Y: 0, Height: rowHeight, State: below.state, Whose: t.name})
			continue
		case above.state != nil:
			r.Spans = append(r.Spans, span{X: t.x, Y: 0, Height: rowHeight / 2, State: above.state, Whose: t.name})
		}
		if below.state != nil {
			r.Spans = append(r.Spans, span{X: t.x, Y: rowHeight / 2, Height: rowHeight - rowHeight/2, State: below.state, Whose: t.name})
		}
	}
	r.Ends = ends.String()
}

// drawGap returns what goes on while nothing happens.
func (g *graph) drawGap(text string) row {
	r := row{Gap: text}
	var ends strings.Builder
	for _, t := range g.tracks {
		if t.open {
			fmt.Fprintf(&ends, "M%d 0V%d", t.x, rowHeight)
		}
		if t.state != nil {
			r.Spans = append(r.Spans, span{X: t.x, Height: rowHeight, State: t.state, Whose: t.name})
		}
	}
	r.Ends = ends.String()
	return r
}

// trackOf returns the track that e changes, or nil.
func (g *graph) trackOf(e *fakepoller.Event, s subject) *track {
	l, name := g.lane(s.end), s.end
	switch e.Call {
	case fakepoller.CallAnnotate:
		if s.end == "" { // about no socket: about the worker
			l, name = g.lane(e.Actor), e.Actor
		}
	case fakepoller.CallConnect, fakepoller.CallClose, fakepoller.CallAccept, fakepoller.CallListen:
	default:
		return nil
	}
	if l == nil || e.Call == fakepoller.CallAccept && l.kind != laneConn {
		return nil
	}
	return g.track(name, l.end(s))
}

// apply changes what lasts.
func (t *track) apply(g *graph, e *fakepoller.Event) {
	switch {
	case e.Call == fakepoller.CallAnnotate:
		t.state = g.stateOf(e.Text)
	case e.Call == fakepoller.CallClose:
		t.open, t.state = false, nil
	default:
		t.open = true
	}
}

func (g *graph) stateOf(name string) *state {
	s := g.byState[name]
	if s == nil {
		s = &state{Name: name, Color: len(g.states) % palette}
		g.byState[name] = s
		g.states = append(g.states, s)
	}
	return s
}

// Paths in a row.

func line(from, to int) string { return fmt.Sprintf("M%d %dH%d", from, rowHeight/2, to) }

// head is an arrow's. It stops short of what is at to: a dot, or the bar of a state.
func head(from, to int) string {
	short, length := 4, 7
	if from > to {
		short, length = -short, -length
	}
	tip := to - short
	return fmt.Sprintf("M%d %dL%d %dV%dZ", tip, rowHeight/2, tip-length, rowHeight/2-4, rowHeight/2+4)
}

func cross(x int) string {
	const y, d = rowHeight / 2, 5
	return fmt.Sprintf("M%d %dL%d %dM%d %dL%d %d", x-d, y-d, x+d, y+d, x-d, y+d, x+d, y-d)
}
