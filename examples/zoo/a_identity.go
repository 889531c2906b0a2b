package main

import (
	"time"

	"edgewise.test/fakepoller"
)

// The scenarios of family A: events, tasks and descriptors that name somebody who
// is gone.

// pinger wants PONG for its PING, some time after the start.
func pinger(s stage, name string, start time.Duration) {
	s.Client(name, func(p client) {
		p.Sleep(start)
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("PING\n"))
		read(s, c, name, "PONG\n")
	})
}

// leaver joins, and leaves some time later.
func leaver(s stage, name string, leave time.Duration) {
	s.Client(name, func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("JOIN\n"))
		c.Read(make([]byte, 16))
		p.Sleep(leave)
	})
}

// playPartners lets alice and bob, who belong together, leave one after the other
// while carol comes.
func playPartners(s stage, bug id) {
	h := newServer(s, bug)
	h.start()
	leaver(s, "alice", 1*time.Millisecond)
	leaver(s, "bob", 3*time.Millisecond)
	s.Client("carol", func(p client) {
		p.Sleep(2 * time.Millisecond)
		c, err := p.Dial()
		if err != nil {
			return
		}
		for range 2 {
			c.Write([]byte("PING\n"))
			if !read(s, c, "carol", "PONG\n") {
				return
			}
		}
	})
	s.Run()
	h.settled()
}

// playLeaving lets alice leave shortly before bob comes.
func playLeaving(s stage, bug id) {
	h := newServer(s, bug)
	h.start()
	leaver(s, "alice", 1*time.Millisecond)
	pinger(s, "bob", 2*time.Millisecond)
	s.Run()
	h.settled()
}

// playQuit lets alice say QUIT and leave a moment later, if not told to before.
func playQuit(s stage, bug id) {
	h := newServer(s, bug)
	h.start()
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("QUIT\n"))
		p.Sleep(time.Millisecond)
		c.CloseWrite()
		readAll(s, c, "alice", "BYE\n")
	})
	pinger(s, "bob", 3*time.Millisecond)
	s.Run()
	h.settled()
}

// playIdle has sessions that are ended when they are idle, with a word to say so.
func playIdle(s stage, bug id) {
	h := newServer(s, bug)
	h.idle = 10 * time.Second
	h.start()
	leaver(s, "alice", 5*time.Millisecond)
	leaver(s, "bob", 6*time.Millisecond)
	s.Run()
	h.settled()
}

// playGreeting has a server that speaks first.
func playGreeting(s stage, bug id) {
	h := newServer(s, bug)
	h.greeting = "220 zoo ready\n"
	h.start()
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		if read(s, c, "alice", h.greeting) {
			c.Write([]byte("PING\n"))
			read(s, c, "alice", "PONG\n")
		}
	})
	s.Run()
	h.settled()
}

// playLimit has room for one session at a time, which is enough for clients that
// come one after the other. Who comes too early may be refused.
func playLimit(s stage, bug id) {
	h := newServer(s, bug)
	h.limit = 1
	h.start()
	for i, name := range []string{"alice", "bob", "carol"} {
		s.Client(name, func(p client) {
			p.Sleep(time.Duration(2*i) * time.Millisecond)
			if c, err := p.Dial(); err == nil {
				c.Write([]byte("PING\n"))
				c.Read(make([]byte, 5))
			}
		})
	}
	s.Run()
	h.settled()
}

// identities are the bugs of family A that the server has.
var identities = []entry{
	{id: "A1", what: "an event of a closed connection reaches the new owner of its slot: the token has no generation",
		links: []string{"https://github.com/nginx/nginx/blob/master/src/event/modules/ngx_epoll_module.c"},
		class: "unanswered", deviations: 1, play: playPartners, portable: true},
	{id: "A2", what: "a queued deregistration names a descriptor that is somebody else's by then",
		links: []string{"https://github.com/netty/netty/pull/9114", "https://github.com/netty/netty/commit/e348bd9217"},
		class: "spin", deviations: 1, play: playLeaving, portable: true},
	{id: "A4", what: "poller and handler both detach a connection",
		links: []string{"https://github.com/cloudwego/netpoll/pull/280", "https://github.com/cloudwego/netpoll/pull/283"},
		class: "use after close", deviations: 1, play: playQuit, portable: true},
	{id: "A6", what: "the callback that tells of a close runs after the descriptor was closed, and writes to it",
		links: []string{"https://github.com/panjf2000/gnet/issues/621", "https://github.com/panjf2000/gnet/pull/622"},
		class: "use after close", deviations: 1, play: playIdle},
	{id: "A9", what: "write interest is added as if the descriptor were new",
		links: []string{"https://github.com/panjf2000/gnet/pull/572"},
		class: "unanswered", deviations: 1, play: playGreeting, portable: true},
	{id: "A16", what: "a connection above the limit is closed twice",
		links: []string{"https://github.com/haproxy/haproxy/commit/8f6c0c32b"},
		class: "double close", deviations: 1, play: playLimit, portable: true},
	{id: "A18", what: "one of two descriptors of a file is closed, and its registration stays",
		links: []string{"https://github.com/libevent/libevent/commit/c281aba3"},
		class: "spin", deviations: 1, play: playTwoDescriptors, portable: true},
}

// oneAtATime leaves room for one connection beside standard streams, poller and
// listener.
var oneAtATime = fakepoller.Config{NoFile: 7}
