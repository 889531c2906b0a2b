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
	h := newRelay(s, bug, to)
	h.tells = true
	h.start()
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

// relayed are the bugs between a client and an upstream.
var relayed = []entry{
	{id: "D1", what: "a side that is not read sees the end of its stream before the bytes in front, and is closed",
		links: []string{"https://github.com/envoyproxy/envoy/pull/1691", "https://github.com/envoyproxy/envoy/issues/1679"},
		class: "unanswered", deviations: 1, play: playChunks, portable: true},
	{id: "D3", what: "an error is reported although an answer was received before it",
		links: []string{"https://github.com/haproxy/haproxy/commit/dfefebcd7"},
		class: "answer lost", deviations: 1, play: playTrailer, portable: true},
	{id: "D11", what: "a callback closes the connection in Connected, and the next is told Connected all the same",
		links: []string{"https://github.com/envoyproxy/envoy/pull/20469", "https://github.com/envoyproxy/envoy/issues/20438"},
		class: "use after close", deviations: 1, play: playGivesUp},
	{id: "D18", what: "a client that has ended its direction is taken for one that is gone",
		links: []string{"https://github.com/envoyproxy/envoy/issues/17160", "https://github.com/envoyproxy/envoy/issues/2066", "https://github.com/envoyproxy/envoy/issues/2067"},
		class: "unanswered", deviations: 1, play: playRequestEnds, portable: true},
	{id: "D20", what: "the end of a stream stays enabled while full buffers keep everybody from reading it",
		links: []string{"https://github.com/haproxy/haproxy/commit/4cabfc18a"},
		class: "spin", deviations: 1, play: playChunks, portable: true},
	{id: "D22", what: "a hang-up after our own shutdown is taken for an error",
		links: []string{"https://github.com/haproxy/haproxy/commit/2aaeee34d"},
		class: "unanswered", deviations: 1, play: playWholeRequest, portable: true},
	{id: "D27", what: "what was ready during the handshake is forgotten at its end",
		links: []string{"https://github.com/nginx/nginx/commit/15769c391"},
		class: "leak", deviations: 1, play: playUpstreamFirst, portable: true},
	{id: "L4", what: "a reset is not noticed while reading is disabled",
		links: []string{"https://github.com/envoyproxy/envoy/blob/main/source/common/network/connection_impl.cc"},
		class: "held", deviations: 2, play: playChunks},
}
