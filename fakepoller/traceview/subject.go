package traceview

import (
	"net/netip"
	"strings"

	"edgewise.test/fakepoller"
	"edgewise.test/poller"
)

// subject is whose socket an event is about.
type subject struct {
	end string // "conn 1", "conn 1 server", "listener 1", or "" for nobody's
	// conn is the connection of end, or else the one that the event is about
	// besides: what a listener queued, what an accept returned. "" is none.
	conn string
}

// isServer tells whether the end is the one that was accepted.
func (s subject) isServer() bool { return strings.HasSuffix(s.end, serverSuffix) }

const serverSuffix = " server"

// connOf returns the connection that an end belongs to, or "".
func connOf(end string) string {
	if !strings.HasPrefix(end, "conn ") {
		return ""
	}
	return strings.TrimSuffix(end, serverSuffix)
}

// descriptor is a number as one worker knows it.
type descriptor struct {
	worker string
	fd     poller.FD
}

// findSubjects says for each event whose socket it is about. An annotation and
// the calls before connect or listen name a descriptor alone: what becomes of it
// later in its life tells.
func findSubjects(events []fakepoller.Event) []subject {
	found := make([]subject, len(events))
	owners := map[descriptor]string{}
	for i := len(events) - 1; i >= 0; i-- {
		e := &events[i]
		d := descriptor{e.Actor, e.FD}
		if named := endOf(e); named != "" {
			found[i].end = named
			if e.FD >= 0 {
				owners[d] = named
			}
		} else if e.FD >= 0 {
			found[i].end = owners[d]
		}
		if opens(e) {
			made := descriptor{e.Actor, poller.FD(e.N)}
			found[i].conn = connOf(owners[made])
			delete(owners, made)
		}
	}
	addConns(events, found)
	return found
}

// addConns fills in connections, and what only the life before an event tells:
// the owner of a descriptor that is last mentioned by an annotation.
func addConns(events []fakepoller.Event, found []subject) {
	owners := map[descriptor]string{}
	routes := map[route]string{}
	for i := range events {
		e, s := &events[i], &found[i]
		d := descriptor{e.Actor, e.FD}
		switch {
		case s.end == "" && e.FD >= 0:
			s.end = owners[d]
		case e.FD >= 0:
			owners[d] = s.end
		}
		if e.Call == fakepoller.CallClose {
			delete(owners, d)
		}
		if opens(e) && poller.FD(e.N) != e.FD {
			delete(owners, descriptor{e.Actor, poller.FD(e.N)})
		}
		if conn := connOf(s.end); conn != "" {
			s.conn = conn
			if e.Call == fakepoller.CallConnect && e.From.IsValid() {
				routes[route{e.From, e.To}] = conn
			}
		} else if e.From.IsValid() {
			s.conn = routes[route{e.From, e.To}]
		}
	}
}

// route is from whom to whom a packet goes.
type route struct{ from, to netip.AddrPort }

func (r route) back() route { return route{r.to, r.from} }

// endOf returns the socket that e itself names, or "".
func endOf(e *fakepoller.Event) string {
	for _, name := range [...]string{e.About, e.Actor} {
		if strings.HasPrefix(name, "conn ") || strings.HasPrefix(name, "listener ") {
			return name
		}
	}
	return ""
}

// opens tells whether e made the descriptor e.N.
func opens(e *fakepoller.Event) bool {
	switch e.Call {
	case fakepoller.CallAccept, fakepoller.CallSocket, fakepoller.CallDup:
		return e.Err == nil && e.N >= 0
	}
	return false
}

// isWorker tells whether the actor is an event loop, and not a peer.
func isWorker(actor string) bool { return strings.HasPrefix(actor, "worker ") }
