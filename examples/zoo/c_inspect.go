package main

import (
	"io"
	"time"
)

// The scenarios of family C: sockets whose first bytes are looked at before they
// are connections.

// playHello lets two clients say where they want to go, and then send a line.
func playHello(s stage, bug id) { inspect(s, newInspector(s, bug), "HELLO zoo\n", "GET\n") }

// playLookups is playHello with a look at what inspections leave behind.
func playLookups(s stage, bug id) {
	h := newInspector(s, bug)
	inspect(s, h, "HELLO zoo\n", "GET\n")
	if h.lookups != 0 {
		s.Errorf("counter: %d lookups were begun and not ended", h.lookups)
	}
}

// playHandshakes is playHello with a look at what was done for nothing.
func playHandshakes(s stage, bug id) {
	h := newInspector(s, bug)
	inspect(s, h, "HELLO zoo\n", "GET\n")
	if h.wasted != 0 {
		s.Errorf("wasted: %d handshakes were computed after the reset of their client was reported", h.wasted)
	}
}

// playHalves lets the hello itself come in two writes.
func playHalves(s stage, bug id) { inspect(s, newInspector(s, bug), "HELL", "O zoo\nGET\n") }

// inspect sends the pieces a millisecond apart and wants to get to the zoo.
func inspect(s stage, h *inspector, pieces ...string) {
	h.start()
	for _, name := range []string{"alice", "bob"} {
		s.Client(name, func(p client) {
			c, err := p.Dial()
			if err != nil {
				return
			}
			for i, piece := range pieces {
				if i > 0 {
					p.Sleep(time.Millisecond)
				}
				if _, err := c.Write([]byte(piece)); err != nil {
					return
				}
			}
			if h.goOn {
				c.Read(make([]byte, 64)) // whatever the route
				return
			}
			const want = "zoo GET\n"
			got := make([]byte, len(want))
			n, _ := io.ReadFull(c, got) // an inspection that times out may end the stream
			if got := string(got[:n]); got != want[:n] {
				s.Errorf("wrong bytes: %s got %q, want %q", name, got, want)
			}
		})
	}
	s.Run()
	if !h.goOn {
		h.routed("zoo")
	}
}

// playBanner lets the server speak first. The client sends half a hello, and the
// rest when it has the banner. Is there none after a second, it gives up: it ends
// its direction and waits for the end.
func playBanner(s stage, bug id) {
	h := newInspector(s, bug)
	h.banner, h.timeout = "220 zoo\n", 0
	h.start()
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("HELL"))
		c.SetReadDeadline(p.After(time.Second))
		_, err = io.ReadFull(c, make([]byte, len(h.banner)))
		c.SetReadDeadline(time.Time{})
		if err != nil {
			c.CloseWrite()
			io.Copy(io.Discard, c)
			return
		}
		c.Write([]byte("O zoo\nGET\n"))
		read(s, c, "alice", "zoo GET\n")
	})
	s.Run()
	h.routed("zoo")
}

// playKnock lets a client that sees no banner for a second knock with an empty line.
func playKnock(s stage, bug id) {
	h := newInspector(s, bug)
	h.banner, h.timeout = "220 zoo\n", 0
	h.start()
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.SetReadDeadline(p.After(time.Second))
		banner := make([]byte, len(h.banner))
		if _, err := c.Read(banner[:1]); err != nil {
			c.Write([]byte("\r\n"))
		}
		c.SetReadDeadline(time.Time{})
		c.Write([]byte("HELLO zoo\nGET\n"))
		for n := 0; n < 2; {
			var b [1]byte
			if _, err := c.Read(b[:]); err != nil {
				if unhurt(s) {
					s.Errorf("unanswered: alice got %v, want a route", err)
				}
				return
			}
			if b[0] == '\n' {
				n++
			}
		}
	})
	s.Run()
	h.routed("zoo")
}

// playOneShot lets a client say everything, end its direction and wait for the answer.
func playOneShot(s stage, bug id) {
	h := newInspector(s, bug)
	h.timeout = 0
	h.start()
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("HELLO zoo\nGET\n"))
		p.Sleep(time.Millisecond)
		c.CloseWrite()
		read(s, c, "alice", "zoo GET\n")
	})
	s.Run()
	h.routed("zoo")
}

// playNoTimeout has inspections without a timeout.
func playNoTimeout(s stage, bug id) {
	h := newInspector(s, bug)
	h.timeout = 0
	inspect(s, h, "HELLO zoo\n", "GET\n")
}

// playTooLong sends a hello without an end.
func playTooLong(s stage, bug id) {
	h := newInspector(s, bug)
	h.timeout = 0
	h.start()
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write(make([]byte, 2*helloMax))
		c.Read(make([]byte, 1)) // until it is refused
	})
	s.Run()
	h.routed("zoo")
}

// playGoOn has inspections that go on without a route when they time out; the
// connection needs 5 ms to reach its upstream, and does not read before.
func playGoOn(s stage, bug id) {
	h := newInspector(s, bug)
	h.goOn, h.upstream = true, 5*time.Millisecond
	inspect(s, h, "HELLO zoo\n", "GET\n")
}

// playGoOnAtOnce is playGoOn without the upstream.
func playGoOnAtOnce(s stage, bug id) {
	h := newInspector(s, bug)
	h.goOn = true
	inspect(s, h, "HELLO zoo\n", "GET\n")
}

// playSerial accepts a socket when the one before is inspected.
func playSerial(s stage, bug id) {
	h := newInspector(s, bug)
	h.serial, h.timeout = true, 10*time.Second
	inspect(s, h, "HELLO zoo\n", "GET\n")
}

// playStartTLS upgrades before the hello.
func playStartTLS(s stage, bug id) {
	h := newInspector(s, bug)
	h.start()
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("STARTTLS\n"))
		if _, err := c.Read(make([]byte, 3)); err == nil {
			c.Write([]byte("HELLO zoo\nGET\n"))
			c.Read(make([]byte, 64))
		}
	})
	s.Run()
	h.routed("zoo")
}

// playIdlePayload says where to go, and sends its line when it likes: only the
// hello has a deadline.
func playIdlePayload(s stage, bug id) {
	h := newInspector(s, bug)
	h.start()
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("HELLO zoo\n"))
		p.Sleep(time.Millisecond)
		c.Write([]byte("GET\n"))
		got := make([]byte, 8)
		if n, err := c.Read(got); err != nil && len(h.routes) > 0 && unhurt(s) {
			s.Errorf("unanswered: alice got %q and %v, want a line", got[:n], err)
		}
	})
	s.Run()
	h.routed("zoo")
}

// inspected are the bugs of the inspector.
var inspected = []entry{
	{id: "A20", what: "of two edge-triggered events on one descriptor one is deleted, and with it the edge of the other",
		links: []string{"https://github.com/libevent/libevent/commit/b77d3e78"},
		class: "spin", deviations: 1, play: playBanner, portable: true},
	{id: "B20", what: "a handshake is computed for a client that is gone",
		links: []string{"https://github.com/haproxy/haproxy/commit/62e8aaa1b", "https://github.com/haproxy/haproxy/commit/0630038e7"},
		class: "wasted", deviations: 1, play: playHandshakes},
	{id: "C1", what: "an inspection that times out leaves its event behind, and the connection that does not read spins",
		links: []string{"https://nvd.nist.gov/vuln/detail/CVE-2019-18836", "https://github.com/envoyproxy/envoy/pull/8922", "https://github.com/envoyproxy/envoy/issues/8925"},
		class: "spin", deviations: 1, play: playGoOn},
	{id: "C2", what: "the event of a filter that is done goes on to fire beside the connection's",
		links: []string{"https://github.com/envoyproxy/envoy/pull/16952", "https://github.com/envoyproxy/envoy/pull/17227"},
		class: "routed twice", deviations: 1, play: playGoOnAtOnce},
	{id: "C3", what: "who peeks does not see a FIN behind half a hello",
		links: []string{"https://github.com/envoyproxy/envoy/pull/18265", "https://github.com/envoyproxy/envoy/pull/21585"},
		class: "leak", deviations: 1, play: playBanner, portable: true},
	{id: "C4", what: "the end of the stream is looked at before the bytes in front of it",
		links: []string{"https://github.com/envoyproxy/envoy/issues/36197"},
		class: "unanswered", deviations: 1, play: playOneShot, portable: true},
	{id: "C6", what: "an inspection waits for more though it has as much as it may look at",
		links: []string{"https://github.com/envoyproxy/envoy/issues/36162", "https://github.com/envoyproxy/envoy/pull/37002"},
		class: "leak", deviations: 0, play: playTooLong},
	{id: "C8", what: "an empty line in front is taken for the request",
		links: []string{"https://github.com/envoyproxy/envoy/pull/22102"},
		class: "unanswered", deviations: 1, play: playKnock},
	{id: "C13", what: "one kind of inspection has no timeout",
		links: []string{"https://github.com/envoyproxy/envoy/pull/5231", "https://github.com/envoyproxy/envoy/issues/5217"},
		class: "held", deviations: 1, play: playHello},
	{id: "C20", what: "a client that is silent keeps all others from being accepted",
		links: []string{"https://nvd.nist.gov/vuln/detail/CVE-2021-23409", "https://github.com/pires/go-proxyproto/pull/74"},
		class: "blocked", deviations: 1, play: playSerial},
	{id: "C21", what: "the deadline of the header stays when the header is there",
		links: []string{"https://github.com/pires/go-proxyproto/commit/a4e6227", "https://github.com/pires/go-proxyproto/commit/0c5719a"},
		class: "unanswered", deviations: 1, play: playIdlePayload},
	{id: "C29", what: "half a hello is waited for without a timeout",
		links: []string{"https://github.com/netty/netty/pull/13041"},
		class: "held", deviations: 1, play: playHalves},
	{id: "C30", what: "the deadline is cleared at STARTTLS, before the hello that follows",
		links: []string{"https://nvd.nist.gov/vuln/detail/CVE-2026-25949", "https://github.com/traefik/traefik/commit/31e566e9f1", "https://github.com/golang/vulndb/issues/4484"},
		class: "held", deviations: 1, play: playStartTLS},
	{id: "C34", what: "an error while the hello is read gives an empty hello, and routing goes on",
		links: []string{"https://github.com/traefik/traefik/commit/7a3ffcc3d9"},
		class: "wrong route", deviations: 1, play: playHello},
	{id: "L2", what: "a wake-up without new bytes makes the parser fail, and the wrong filter chain is chosen",
		links: []string{"https://github.com/envoyproxy/envoy/blob/main/source/extensions/filters/listener/http_inspector/http_inspector.cc"},
		class: "wrong route", deviations: 2, play: playHello},
	{id: "L3", what: "a reset behind half a hello is told as readable, and a peek shows the old bytes",
		links: []string{"https://github.com/envoyproxy/envoy/blob/main/source/common/network/listener_filter_buffer_impl.cc"},
		class: "leak", deviations: 2, play: playNoTimeout},
	{id: "L13", what: "a filter is not told that its socket timed out, and its lookup is never ended",
		links: []string{"https://github.com/envoyproxy/envoy/blob/main/source/common/listener_manager/active_tcp_socket.cc"},
		class: "counter", deviations: 1, play: playLookups},
}
