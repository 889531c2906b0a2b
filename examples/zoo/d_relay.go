package main

import (
	"io"
	"net/netip"
	"time"

	"edgewise.test/faults"
)

// The scenarios of family D that need an upstream.

// upstream answers each request line with reply.
func upstream(s stage, reply func(p client, c conn)) netip.AddrPort {
	return s.Upstream("upstream", func(p client, c conn) {
		for b := make([]byte, 1); b[0] != '\n'; {
			if _, err := c.Read(b); err != nil {
				return
			}
		}
		reply(p, c)
	})
}

// asks lets alice send request through the relay, once the upstream is there.
func asks(s stage, request string, then func(p client, c conn)) {
	s.Client("alice", func(p client) {
		p.Sleep(time.Millisecond)
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte(request))
		then(p, c)
	})
}

// playChunks has an answer in two pieces.
func playChunks(s stage, bug id) {
	to := upstream(s, func(p client, c conn) {
		c.Write([]byte("hello "))
		p.Sleep(500 * time.Microsecond)
		c.Write([]byte("world\n"))
	})
	newRelay(s, bug, to).start()
	asks(s, "GET\n", func(_ client, c conn) { readAll(s, c, "alice", "hello world\n") })
	s.Run()
}

// playTrailer has an upstream that answers without reading the end of the request,
// so that a reset follows its answer.
func playTrailer(s stage, bug id) {
	to := upstream(s, func(p client, c conn) {
		c.Write([]byte("200 ok\n"))
		p.Sleep(time.Millisecond)
	})
	newRelay(s, bug, to).start()
	asks(s, "GET\n\n", func(_ client, c conn) {
		// A reset may overtake an answer that is on its way.
		if got, err := io.ReadAll(c); err == nil && string(got) == "502\n" && unhurt(s) && s.Injected(faults.Delay)+s.Injected(faults.Segment) == 0 {
			s.Errorf("answer lost: alice got %q, want the answer that came before the reset", got)
		}
	})
	s.Run()
}

// playRequestEnds lets alice end her direction a moment after the request.
func playRequestEnds(s stage, bug id) {
	to := upstream(s, func(_ client, c conn) { c.Write([]byte("200 ok\n")) })
	newRelay(s, bug, to).start()
	asks(s, "GET\n", func(p client, c conn) {
		p.Sleep(time.Millisecond)
		c.CloseWrite()
		readAll(s, c, "alice", "200 ok\n")
	})
	s.Run()
}

// playWholeRequest has an upstream that waits for the end of the request.
func playWholeRequest(s stage, bug id) {
	to := upstream(s, func(p client, c conn) {
		c.Read(make([]byte, 1))
		c.Write([]byte("200 ok\n"))
		p.Sleep(time.Millisecond)
	})
	newRelay(s, bug, to).start()
	asks(s, "GET\n", func(_ client, c conn) {
		c.CloseWrite()
		readAll(s, c, "alice", "200 ok\n")
	})
	s.Run()
}

// playGivesUp lets alice leave when there is no answer after a second.
func playGivesUp(s stage, bug id) {
	to := upstream(s, func(_ client, c conn) { c.Write([]byte("200 ok\n")) })
	h := newRelay(s, bug, to)
	h.abandon = true
	h.start()
	s.Client("alice", func(p client) {
		p.Sleep(time.Millisecond)
		c, err := p.Dial()
		if err != nil {
			return
		}
		p.Sleep(100 * time.Microsecond)
		c.SetReadDeadline(p.After(time.Second))
		if _, err := c.Read(make([]byte, 8)); err == nil {
			c.Write([]byte("GET\n"))
		}
	})
	s.Run()
}

// playUpstreamFirst has an upstream that speaks first.
func playUpstreamFirst(s stage, bug id) {
	to := s.Upstream("upstream", func(_ client, c conn) {
		c.Write([]byte("220 zoo\n"))
		c.Read(make([]byte, 8))
	})
	newRelay(s, bug, to).start()
	asks(s, "", func(_ client, c conn) {
		if read(s, c, "alice", "220 zoo\n") {
			c.Write([]byte("QUIT\n"))
		}
	})
	s.Run()
}
