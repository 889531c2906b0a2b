package tlstransport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/tlsinspector"
)

// stage is how far a socket is. It never goes back.
type stage uint8

const (
	hello       stage = iota // a server reads the ClientHello; a client has not begun
	queued                   // waits for a place among the handshakes
	handshaking              // has a coroutine
	established
	failed
	closed
)

var errHelloTooLarge = errors.New("ClientHello too large")

// handshake goes on with the handshake for as long as there are bytes.
func (s *socket) handshake() pipeline.IoResult {
	for s.advance() && s.fill() {
	}
	switch s.stage {
	case established:
		s.callbacks.RaiseEvent(pipeline.Connected)
	case failed:
		return pipeline.IoResult{Close: true, Err: s.err}
	}
	return pipeline.IoResult{}
}

// advance does what can be done without more bytes, and says whether more are
// wanted.
func (s *socket) advance() bool {
	if s.stage < handshaking {
		s.prepare()
	}
	if s.stage == handshaking {
		s.resume()
	}
	if s.stage == handshaking || s.stage == established {
		if err := s.flush(); err != nil && s.stage == handshaking { // afterwards DoWrite meets it again
			s.fail(err)
		}
	}
	return s.stage < established
}

// prepare keeps the expensive part back until a server has the whole ClientHello.
// What is none is left to crypto/tls, which knows the alert.
func (s *socket) prepare() {
	if s.end != nil {
		s.fail(s.end)
		return
	}
	if s.stage == hello && !s.factory.client {
		switch _, status := s.factory.parser.Parse(s.in); status {
		case tlsinspector.NeedMore:
			return
		case tlsinspector.TooLarge:
			s.fail(errHelloTooLarge)
			return
		}
	}
	if s.stage == hello {
		s.stage = queued
		if s.factory.admit(s) {
			s.begin()
		}
	}
}

// begin makes the coroutine. Handshake and not HandshakeContext: that would start a
// goroutine.
func (s *socket) begin() {
	s.stage = handshaking
	s.callbacks.Info().LocalAddress() // asks the kernel here, if it has to, and not on the coroutine
	if s.factory.client {
		s.conn = tls.Client((*wire)(s), s.factory.config.TLS)
	} else {
		s.conn = tls.Server((*wire)(s), s.factory.config.TLS)
	}
	s.next, s.stop = iter.Pull(func(yield func(struct{}) bool) {
		s.yield = yield
		s.err = s.conn.Handshake()
	})
}

// resume runs the coroutine until it wants more bytes or ends.
func (s *socket) resume() {
	s.running = true
	_, more := s.next()
	s.running = false
	if more {
		return
	}
	s.next, s.stop, s.yield = nil, nil, nil
	err := s.err
	switch {
	case s.stage == closed: // by a callback of the tls.Config
	case err != nil:
		s.fail(err)
		return
	default:
		s.stage, s.negotiated = established, true
		s.factory.stats.countHandshake(s.conn.ConnectionState())
	}
	s.factory.release()
}

// fill reads once from the kernel, and says whether that brought anything. What it
// brought is used up at once unless the socket is queued.
func (s *socket) fill() bool {
	if len(s.in) >= len(s.factory.scratch) {
		return false
	}
	n, err := s.receive(s.factory.scratch[:])
	switch {
	case err == errWouldBlock:
		return false
	case err != nil:
		s.end = err
	default:
		s.in = append(s.in, s.factory.scratch[:n]...)
	}
	return true
}

// fail ends the handshake, and tries to tell the peer why. A peer that ends the
// stream before it has said anything has not failed.
func (s *socket) fail(err error) {
	before := s.stage
	s.stage = failed
	s.factory.leave(s)
	s.factory.stats.countFailure(err, false)
	s.err = nil
	if before != hello || len(s.in) > 0 || err != io.EOF {
		s.err = fmt.Errorf("tls handshake: %w", err)
	}
	s.flush()
	if before == handshaking {
		s.abandon()
	}
}

// abandon ends the coroutine, if it is there, and frees its place.
func (s *socket) abandon() {
	if s.stop != nil {
		s.stop()
		s.next, s.stop, s.yield = nil, nil, nil
	}
	s.factory.release()
}
