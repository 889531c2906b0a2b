package main

import (
	"net/netip"
	"syscall"
	"time"

	"edgewise.test/poller"
)

// relay is the third host: a proxy between clients and one upstream, on
// edge-triggered events and a buffer per direction. A side is not read while the
// other has something to write, nor before the upstream is connected.
type relay struct {
	*loop
	fd      poller.FD
	to      netip.AddrPort
	abandon bool // a client that has ended before the upstream is there is given up
	tells   bool // an upstream that fails before it answers is told to the client: 502
}

func newRelay(s stage, bug id, to netip.AddrPort) *relay {
	return &relay{loop: newLoop(s, bug), to: to}
}

func (h *relay) start() {
	h.fd = h.Listen(h.k)
	h.k.Go(func() {
		if _, err := h.watch(h.fd, poller.In, func(poller.Events) { h.accept() }); err != nil {
			h.Fatalf("watch the listener: %v", err)
		}
		h.run()
	})
}

const relayMask = poller.In | poller.Out | poller.RdHup | poller.EdgeTriggered

func (h *relay) accept() {
	fd, _, err := h.k.Accept(h.fd)
	if err != nil {
		return // level-triggered: the event comes again
	}
	p := &pair{relay: h}
	p.client = &side{pair: p, fd: fd, connected: true, writable: true}
	up, err := h.k.Socket(poller.DomainOf(h.to.Addr()))
	if err != nil {
		h.k.Close(fd)
		return
	}
	p.upstream = &side{pair: p, fd: up, name: "upstream"}
	h.k.Connect(up, h.to) // EINPROGRESS: an event tells how it ends
	p.client.other, p.upstream.other = p.upstream, p.client
	for _, s := range []*side{p.client, p.upstream} {
		if s.token, err = h.watch(s.fd, relayMask, s.onEvent); err != nil {
			h.Fatalf("watch a side: %v", err)
		}
	}
}

// pair is a client and its upstream.
type pair struct {
	*relay
	client, upstream *side
	closed           bool
}

// side is one of the two connections of a pair.
type side struct {
	*pair
	other              *side
	name               string
	fd                 poller.FD
	token              poller.Token
	connected          bool
	readable, writable bool
	ended              bool // its stream was read to the end
	shut               bool // our direction is ended
	answered           bool // something was read
	level              bool // the mistake of D20
	out                []byte
	reset              time.Duration // when the kernel told of a reset, from 1 on; 0: never
}

// disabled tells whether the side is not read for now.
func (s *side) disabled() bool {
	return len(s.other.out) > 0 || !s.connected || !s.other.connected
}

func (s *side) onEvent(events poller.Events) {
	const ends = poller.RdHup | poller.Hup | poller.Err
	handshake := !s.connected
	if handshake {
		s.connect(events)
		if s.closed {
			return
		}
	}
	s.readable = s.readable || events&(poller.In|ends) != 0
	s.writable = s.writable || events&poller.Out != 0
	if handshake && s.bug == "D27" {
		s.readable = false // it was the handshake's
	}
	if events&poller.Err != 0 {
		s.reset = s.k.Now() + 1
	}
	switch {
	case s.bug == "D1" && events&poller.RdHup != 0 && s.disabled(),
		s.bug == "D18" && events&poller.RdHup != 0 && s == s.client,
		s.bug == "D22" && events&poller.Hup != 0 && s == s.upstream:
		s.close()
		return
	case s.bug == "D3" && events&poller.Err != 0 && s == s.upstream:
		s.k.Write(s.other.fd, []byte("502\n"))
		s.close()
		return
	case s.bug == "L4" && s.disabled(): // only the write event is delivered
		s.flush()
		return
	case events&poller.Err != 0 && s == s.client:
		s.close() // nobody is left to be answered, and no byte of his to be relayed
		return
	}
	s.pump()
}

// connect ends the upstream's handshake.
func (s *side) connect(events poller.Events) {
	if pending, _ := s.k.SocketError(s.fd); pending != nil {
		s.close()
		return
	}
	if events&poller.Out == 0 {
		return
	}
	s.connected = true
	for _, callback := range []func(){s.giveUp, s.greet} {
		if !s.closed || s.bug == "D11" {
			callback()
		}
	}
}

// giveUp is the first who is told that the upstream is connected.
func (s *side) giveUp() {
	if s.abandon && s.other.readable {
		if n, err := s.k.Peek(s.other.fd, make([]byte, 1)); n == 0 && err == nil {
			s.close()
		}
	}
}

// greet is the second.
func (s *side) greet() { s.k.SetSockOpt(s.fd, poller.TCPNoDelay, 1) }

// pump moves what it can in both directions, and ends what has ended.
func (p *pair) pump() {
	for moved := true; moved && !p.closed; {
		moved = p.client.move()
		moved = !p.closed && p.upstream.move() || moved
	}
	if p.closed {
		return
	}
	for _, s := range []*side{p.client, p.upstream} {
		if s.other.ended && len(s.out) == 0 && s.connected && !s.shut {
			s.shut = true
			s.k.Shutdown(s.fd, poller.ShutWrite)
		}
	}
	if p.upstream.ended && len(p.client.out) == 0 {
		p.close() // the answer is delivered
	}
	if p.bug == "D20" {
		p.client.stopReading()
		p.upstream.stopReading()
	}
}

// stopReading takes the interest in IN away while the side is not read, and
// forgets that the end of the stream is as level-triggered.
func (s *side) stopReading() {
	switch stop := !s.closed && s.connected && s.disabled(); {
	case stop && !s.level:
		s.level = true
		s.k.Modify(s.fd, poller.RdHup, s.token)
	case !stop && s.level && !s.closed:
		s.level = false
		s.k.Modify(s.fd, relayMask, s.token)
	}
}

// move flushes what waits for the other side, and reads more for it.
func (s *side) move() (moved bool) {
	to := s.other
	moved = to.flush()
	if s.closed || !s.readable || s.ended || s.disabled() {
		return moved
	}
	var buffer [64]byte
	n, err := s.k.Read(s.fd, buffer[:])
	switch {
	case err == syscall.EAGAIN:
		s.readable = false
		return moved
	case err != nil && s == s.client:
		s.close()
		return false
	case err != nil || n == 0:
		s.ended = true
		if err != nil && !s.answered && s.tells {
			to.out = append(to.out, "502\n"...)
		}
		return true
	}
	s.answered = true
	to.out = append(to.out, buffer[:n]...)
	to.flush()
	return true
}

// flush writes what it can, and tells whether that was something.
func (s *side) flush() bool {
	if len(s.out) == 0 || !s.writable || !s.connected {
		return false
	}
	n, err := s.k.Write(s.fd, s.out)
	switch {
	case err == syscall.EAGAIN:
		s.writable = false
		return false
	case err != nil && s == s.client:
		s.close()
		return false
	case err != nil:
		n = len(s.out) // the upstream does not want it; it may have answered
	}
	s.out = s.out[n:]
	return true
}

func (p *pair) close() {
	if p.closed {
		return
	}
	p.closed = true
	for _, s := range []*side{p.client, p.upstream} {
		if held := p.k.Now() - s.reset + 1; s.reset > 0 && s == p.client && held > 0 && onTime(p) {
			p.Errorf("held: fd %d was kept for %v after its reset was reported", s.fd, held)
		}
		p.forget(s.token)
		p.k.Remove(s.fd)
		p.k.Close(s.fd)
	}
}
