package main

import (
	"io"
	"time"
)

// The scenarios of family B: the accept loop, limits and counters.

// playQueue lets clients come one after the other.
func playQueue(s stage, bug id) {
	h := newServer(s, bug)
	h.start()
	pinger(s, "alice", 0)
	pinger(s, "bob", 2*time.Millisecond)
	s.Run()
	h.settled()
}

// playRefused is playQueue with a look at who was let down: a client may be
// refused only when the network says so.
func playRefused(s stage, bug id) {
	h := newServer(s, bug)
	h.start()
	for i, name := range []string{"alice", "bob"} {
		s.Client(name, func(p client) {
			p.Sleep(time.Duration(2*i) * time.Millisecond)
			c, err := p.Dial()
			if err == nil {
				c.Write([]byte("PING\n"))
				_, err = io.ReadFull(c, make([]byte, 5))
			}
			if err != nil && unhurt(s) {
				s.Errorf("refused: %s got %v, want PONG", name, err)
			}
		})
	}
	s.Run()
	h.settled()
}

// playUnlimited accepts as many as there are at each event.
func playUnlimited(s stage, bug id) {
	h := newServer(s, bug)
	h.burst = -1
	h.start()
	pinger(s, "alice", 0)
	pinger(s, "bob", 0)
	s.Run()
	h.settled()
}

// playOverload has a second listener that is shut down at 5 ms, and leaves the list
// of listeners at 10 ms. Accepting rests while there are several sessions.
func playOverload(s stage, bug id) {
	h := newServer(s, bug)
	second := &listening{inner: &acceptor{}}
	h.listeners = append(h.listeners, second)
	h.after(5*time.Millisecond, func() { second.inner = nil })
	h.after(10*time.Millisecond, func() { h.listeners = h.listeners[1:] })
	h.start()
	pinger(s, "alice", 0)
	pinger(s, "bob", 7*time.Millisecond)
	s.Run()
	h.settled()
}

// accepted are the bugs of accept loops and counters.
var accepted = []entry{
	{id: "B1", what: "a unit of the connection limit is taken before a check that refuses the connection, and never given back",
		links: []string{"https://github.com/envoyproxy/envoy/issues/41867", "https://github.com/envoyproxy/envoy/pull/43032"},
		class: "counter", deviations: 1, play: playLimit, portable: true},
	{id: "B2", what: "a failing accept ends the process",
		links: []string{"https://github.com/envoyproxy/envoy/issues/980", "https://github.com/envoyproxy/envoy/issues/13852", "https://github.com/envoyproxy/envoy/issues/6403"},
		class: "panic", deviations: 1, play: playQueue},
	{id: "B7", what: "the overload action reaches a listener that is shut down but still in the list",
		links: []string{"https://github.com/envoyproxy/envoy/issues/13514", "https://github.com/envoyproxy/envoy/pull/13515"},
		class: "panic", deviations: 1, play: playOverload, portable: true},
	{id: "B11", what: "a listener that rests after a failed accept is resumed at once, because there is room",
		links: []string{"https://github.com/haproxy/haproxy/commit/cdcba115b", "https://github.com/haproxy/haproxy/issues/382"},
		class: "spin", deviations: 1, world: oneAtATime, play: playQueue},
	{id: "B16", what: "a refused connection is taken off the counter twice",
		links: []string{"https://github.com/haproxy/haproxy/commit/fe234281d"},
		class: "counter", deviations: 1, play: playLimit, portable: true},
	{id: "B19", what: "no limit of accepts per event is -1, and a loop counts to it",
		links: []string{"https://github.com/haproxy/haproxy/commit/102854cbb"},
		class: "spin", deviations: 0, play: playUnlimited, portable: true},
	{id: "B23", what: "a failing accept closes the listener",
		links: []string{"https://github.com/netty/netty/commit/dcf7896172", "https://github.com/netty/netty/commit/d0a3877535"},
		class: "refused", deviations: 1, play: playRefused},
	{id: "L8", what: "a failing accept is passed over in silence, and its event comes again at once",
		links: []string{"https://github.com/envoyproxy/envoy/blob/main/source/common/network/tcp_listener_impl.cc"},
		class: "spin", deviations: 1, world: oneAtATime, play: playQueue},
}
