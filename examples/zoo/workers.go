package main

import (
	"syscall"
	"time"

	"edgewise.test/poller"
)

// The hosts of two workers, which share a descriptor table. Each has the mistake
// that only an unlucky order of their calls shows.

// playMigrate lets the first worker accept and read, and the second answer and
// close.
func playMigrate(s stage, bug id) {
	acceptor, answerer := newLoop(s, bug), newLoop(s, bug)
	listener := s.Listen(acceptor.k)
	answer := func(fd poller.FD) {
		answerer.k.Write(fd, []byte("PONG\n"))
		answerer.k.Close(fd)
	}
	accept := func(poller.Events) {
		fd, _, err := acceptor.k.Accept(listener)
		if err != nil {
			return
		}
		var token poller.Token
		token, err = acceptor.watch(fd, poller.In|poller.RdHup, func(poller.Events) {
			acceptor.k.Read(fd, make([]byte, 8))
			acceptor.forget(token)
			if bug == "A10" {
				acceptor.post(func() { acceptor.k.Remove(fd) }) // with the other updates of this turn
			} else {
				acceptor.k.Remove(fd)
			}
			answerer.post(func() { answer(fd) })
			answerer.k.Wake()
		})
		if err != nil {
			s.Fatalf("watch: %v", err)
		}
	}
	acceptor.k.Go(func() {
		acceptor.watch(listener, poller.In, accept)
		acceptor.run()
	})
	answerer.k.Go(answerer.run)
	for _, name := range []string{"alice", "bob"} {
		s.Client(name, func(p client) {
			if c, err := p.Dial(); err == nil {
				c.Write([]byte("PING\n"))
				c.Read(make([]byte, 8))
			}
		})
	}
	s.Run()
}

// playStop lets the second worker stop the listener of the first.
func playStop(s stage, bug id) {
	acceptor, admin := newLoop(s, bug), newLoop(s, bug)
	listener := s.Listen(acceptor.k)
	stopping := false
	var token poller.Token
	accepted := make([]int, 64) // by descriptor of the listener
	accept := func(poller.Events) {
		for listener >= 0 {
			fd, _, err := acceptor.k.Accept(listener)
			if err != nil {
				break
			}
			accepted[listener]++
			acceptor.k.Close(fd)
		}
		if stopping && listener >= 0 {
			acceptor.forget(token)
			acceptor.k.Close(listener)
			listener = -1
		}
	}
	acceptor.k.Go(func() {
		token, _ = acceptor.watch(listener, poller.In, accept)
		acceptor.run()
	})
	admin.after(time.Millisecond, func() {
		if bug == "A14" {
			admin.k.Close(listener)
			listener = -1
			return
		}
		stopping = true
		acceptor.post(func() { accept(0) })
		acceptor.k.Wake()
	})
	admin.k.Go(admin.run)
	for i, name := range []string{"alice", "bob"} {
		s.Client(name, func(p client) {
			p.Sleep(time.Duration(i) * time.Millisecond)
			if c, err := p.Dial(); err == nil {
				c.Read(make([]byte, 1))
			}
		})
	}
	s.Run()
}

// playBind starts two workers that both want to listen on the one address. Who
// finds it taken tries again, and then stands by.
func playBind(s stage, bug id) {
	for range 2 {
		h := newLoop(s, bug)
		tries := 0
		var try func()
		try = func() {
			fd, err := listenOn(h.k, bug)
			if err != nil {
				if tries++; tries < 3 {
					h.after(5*time.Millisecond, try)
				}
				return
			}
			h.watch(fd, poller.In, func(poller.Events) {
				if fd, _, err := h.k.Accept(fd); err == nil {
					h.k.Close(fd)
				}
			})
		}
		h.k.Go(func() {
			try()
			h.run()
		})
	}
	s.Client("alice", func(p client) {
		p.Sleep(time.Millisecond)
		if c, err := p.Dial(); err == nil {
			c.Read(make([]byte, 1))
		}
	})
	s.Run()
}

func listenOn(k worker, bug id) (poller.FD, error) {
	fd, err := k.Socket(poller.Inet)
	if err != nil {
		return -1, err
	}
	k.SetSockOpt(fd, poller.SOReuseAddr, 1)
	if err = k.Bind(fd, listenAddr); err == nil {
		if err = k.Listen(fd, -1); bug == "B3" {
			err = nil // bind would have failed if the address were taken
		}
	}
	if err != nil {
		k.Close(fd)
	}
	return fd, err
}

// playHandOver lets the first worker hand each connection to the second, whose
// listener is removed at 2 ms.
func playHandOver(s stage, bug id) {
	acceptor, other := newLoop(s, bug), newLoop(s, bug)
	listener := s.Listen(acceptor.k)
	connections, removed := 0, false
	acceptor.k.Go(func() {
		acceptor.watch(listener, poller.In, func(poller.Events) {
			fd, _, err := acceptor.k.Accept(listener)
			if err != nil {
				return
			}
			connections++ // of the worker that was picked
			other.post(func() {
				other.k.Close(fd)
				if removed && bug == "B6" {
					return // the listener that counts is gone
				}
				connections--
			})
			other.k.Wake()
		})
		acceptor.run()
	})
	other.after(2*time.Millisecond, func() { removed = true })
	other.k.Go(other.run)
	s.Client("alice", func(p client) {
		p.Sleep(time.Millisecond)
		if c, err := p.Dial(); err == nil {
			c.Read(make([]byte, 1))
		}
	})
	s.Run()
	if connections != 0 && s.Sound() {
		s.Errorf("counter: %d connections are counted and none is open", connections)
	}
}

// playPause lets the second worker pause the listener of the first at 1 ms, and
// resume it at 50 ms.
func playPause(s stage, bug id) {
	acceptor, admin := newLoop(s, bug), newLoop(s, bug)
	listener := s.Listen(acceptor.k)
	paused := false
	mask := func(paused bool) poller.Events {
		if paused {
			return 0
		}
		return poller.In
	}
	var token poller.Token
	token, err := acceptor.watch(listener, poller.In, func(poller.Events) {
		for !paused {
			fd, _, err := acceptor.k.Accept(listener)
			if err == syscall.EAGAIN {
				acceptor.k.Modify(listener, poller.In, token) // all are accepted: poll again
				for was := false; was != paused && bug != "B13"; {
					was = paused
					acceptor.k.Modify(listener, mask(paused), token)
				}
			}
			if err != nil {
				return
			}
			acceptor.k.Close(fd)
		}
	})
	if err != nil {
		s.Fatalf("watch the listener: %v", err)
	}
	acceptor.k.Go(acceptor.run)
	admin.after(time.Millisecond, func() {
		acceptor.k.Modify(listener, mask(true), token)
		paused = true
	})
	admin.after(50*time.Millisecond, func() {
		paused = false
		acceptor.k.Modify(listener, mask(false), token)
	})
	admin.k.Go(admin.run)
	for i, name := range []string{"alice", "bob"} {
		s.Client(name, func(p client) {
			p.Sleep(time.Duration(2*i+1) * time.Millisecond)
			if c, err := p.Dial(); err == nil {
				c.Read(make([]byte, 1))
			}
		})
	}
	s.Run()
}

// playHandler lets the first worker poll and the second handle. Who sees the end
// while the connection is being handled leaves it to the handler to close.
func playHandler(s stage, bug id) {
	polls, handles := newLoop(s, bug), newLoop(s, bug)
	listener := s.Listen(polls.k)
	polls.k.Go(func() {
		polls.watch(listener, poller.In, func(poller.Events) {
			fd, _, err := polls.k.Accept(listener)
			if err != nil {
				return
			}
			c := &handled{fd: fd, polls: polls, handles: handles}
			if c.token, err = polls.watch(fd, poller.In|poller.RdHup|poller.EdgeTriggered, c.onEvent); err != nil {
				s.Fatalf("watch: %v", err)
			}
		})
		polls.run()
	})
	handles.k.Go(handles.run)
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("PING\n"))
		p.Sleep(time.Millisecond)
		c.CloseWrite()
		for err == nil {
			_, err = c.Read(make([]byte, 8))
		}
	})
	s.Run()
}

// handled is a connection that one worker polls and another handles.
type handled struct {
	fd             poller.FD
	token          poller.Token
	polls, handles *loop
	busy, closing  bool
	closed         bool
}

func (c *handled) onEvent(events poller.Events) {
	c.closing = c.closing || events&(poller.RdHup|poller.Hup|poller.Err) != 0
	if !c.busy {
		c.busy = true
		c.handles.post(c.handle)
		c.handles.k.Wake()
	}
}

func (c *handled) handle() {
	ending := c.closing
	for buffer := make([]byte, 64); ; {
		n, _ := c.handles.k.Read(c.fd, buffer)
		if n <= 0 {
			break
		}
		c.handles.k.Write(c.fd, []byte("PONG\n"))
	}
	c.busy = false
	if c.handles.bug != "D31" {
		ending = c.closing // what came while it was busy
	}
	if ending && !c.closed {
		c.closed = true
		c.polls.forget(c.token)
		c.handles.k.Close(c.fd)
	}
}

// shared are the bugs that take two workers.
var shared = []entry{
	{id: "A10", what: "an update of the poller that names a descriptor runs after another worker has closed it",
		links: []string{"https://github.com/haproxy/haproxy/commit/237e6a0d6"},
		class: "use after close", deviations: 1, play: playMigrate},
	{id: "A14", what: "a listener is stopped by one worker inside the accept loop of another",
		links: []string{"https://github.com/haproxy/haproxy/commit/fed93d367", "https://github.com/haproxy/haproxy/commit/d16a9dfed"},
		class: "use after close", deviations: 1, play: playStop},
	{id: "B3", what: "a socket that is bound and does not listen is polled as a listener",
		links: []string{"https://github.com/envoyproxy/envoy/issues/14784"},
		class: "spin", deviations: 1, play: playBind},
	{id: "B6", what: "a connection is handed to a worker whose listener is removed before it gets there",
		links: []string{"https://github.com/envoyproxy/envoy/pull/8422"},
		class: "counter", deviations: 1, play: playHandOver},
	{id: "B13", what: "one worker resumes polling of a listener that another has just paused",
		links: []string{"https://github.com/haproxy/haproxy/commit/4c044e274", "https://github.com/haproxy/haproxy/issues/358"},
		class: "spin", deviations: 2, play: playPause},
	{id: "D31", what: "a hang-up is left to a handler that has looked for it already",
		links: []string{"https://github.com/cloudwego/netpoll/pull/304"},
		class: "leak", deviations: 1, play: playHandler},
}
