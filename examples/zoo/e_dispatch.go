package main

import "edgewise.test/faults"

// The scenarios of family E: timers and tasks of the dispatcher.

// playWork lets alice ask how far her work is, once she sees that it has begun. The
// answer may not wait until the work is done.
func playWork(s stage, bug id) {
	h := newServer(s, bug)
	h.start()
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("WORK\n"))
		last := make([]byte, 1)
		if _, err := c.Read(last); err != nil {
			return
		}
		c.Write([]byte("STEPS\n"))
		for before, steps := h.steps, 0; last[0] != '\n'; steps = int(last[0]-'A') - before {
			if steps > 4 && last[0] != '.' && prompt(s) {
				s.Errorf("starved: alice was answered %d steps after she had asked, want at most 4", steps)
			}
			if _, err := c.Read(last); err != nil {
				return
			}
		}
	})
	s.Run()
	h.settled()
}

// prompt tells whether an event was dispatched as soon as its bytes were sent.
func prompt(s stage) bool {
	for _, op := range [...]faults.Op{faults.Segment, faults.Delay, faults.Queue, faults.Wait, faults.Order, faults.Accept, faults.Handshake} {
		if s.Injected(op) > 0 {
			return false
		}
	}
	return onTime(s)
}

// playLater is answered at a time that may have passed.
func playLater(s stage, bug id) {
	h := newServer(s, bug)
	h.start()
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("LATER\n"))
		read(s, c, "alice", "PONG\n")
	})
	s.Run()
	h.settled()
}

// playStays lets the server say the last word to a client who does not leave.
func playStays(s stage, bug id) {
	h := newServer(s, bug)
	h.start()
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("LAST\n"))
		for err == nil {
			_, err = c.Read(make([]byte, 8))
		}
	})
	s.Run()
	h.settled()
}

// dispatched are the bugs of timers and tasks.
var dispatched = []entry{
	{id: "E1", what: "a timer of no delay runs in the iteration that made it, and keeps descriptors waiting",
		links: []string{"https://github.com/envoyproxy/envoy/pull/11823"},
		class: "starved", deviations: 1, play: playWork},
	{id: "E3", what: "a timer's callback cancels another one of the queue that is being walked",
		links: []string{"https://github.com/envoyproxy/envoy/pull/14799"},
		class: "use after close", deviations: 1, play: playIdle},
	{id: "E8", what: "timers run only when the clock has moved, while one is due already",
		links: []string{"https://github.com/nginx/nginx/commit/c108f04e8"},
		class: "endless", deviations: 1, play: playLater, portable: true},
	{id: "E11", what: "a wait that was interrupted begins again with its full timeout, and timers are late",
		links: []string{"https://github.com/netty/netty/pull/14425"},
		class: "held", deviations: 1, play: playStays},
}
