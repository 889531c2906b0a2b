package main

import "time"

// The scenarios of family D: connections that end in one direction, or in steps.

// playHalfClose asks, ends its direction a moment later and wants its answer.
func playHalfClose(s stage, bug id) {
	h := newServer(s, bug)
	h.start()
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("PING\n"))
		p.Sleep(time.Millisecond)
		c.CloseWrite()
		readAll(s, c, "alice", "PONG\n")
	})
	s.Run()
	h.settled()
}

// playLast lets the server say the last word and wait for the client to leave, who
// does so half a second later.
func playLast(s stage, bug id) {
	h := newServer(s, bug)
	h.start()
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("LAST\n"))
		c.Read(make([]byte, 8))
		p.Sleep(500 * time.Millisecond)
		c.Write([]byte("\n"))
	})
	s.Run()
	h.settled()
}

// playLastLine ends the last request with an empty line.
func playLastLine(s stage, bug id) {
	h := newServer(s, bug)
	h.start()
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("LAST\n\n"))
		c.Read(make([]byte, 8))
	})
	s.Run()
	h.settled()
}

// connected are the bugs of connections that end.
var connected = []entry{
	{id: "D7", what: "every write event starts the delayed close again, though nothing was written",
		links: []string{"https://github.com/envoyproxy/envoy/pull/11833", "https://github.com/envoyproxy/envoy/issues/11829"},
		class: "held", deviations: 1, play: playLast},
	{id: "D9", what: "bytes that come during a delayed close are still given to the request that is over",
		links: []string{"https://github.com/envoyproxy/envoy/pull/6852"},
		class: "panic", deviations: 1, play: playLastLine, portable: true},
	{id: "D33", what: "a hang-up is handled before the bytes in front of it are read",
		links: []string{"https://github.com/cloudwego/netpoll/pull/226", "https://github.com/cloudwego/netpoll/pull/278"},
		class: "unanswered", deviations: 1, play: playHalfClose, portable: true},
	{id: "D35", what: "a read of 0 bytes without an error is not taken for the end",
		links: []string{"https://github.com/cloudwego/netpoll/pull/189"},
		class: "endless", deviations: 1, play: playHalfClose, portable: true},
}
