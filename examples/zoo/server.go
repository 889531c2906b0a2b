package main

import (
	"bytes"
	"math"
	"syscall"
	"time"

	"edgewise.test/poller"
)

// server is the first host: a line protocol. PING is answered with PONG; QUIT ends
// at once and LAST after the client has; LATER is answered 10 ms after accept; WORK
// gets a byte from each of 20 steps, and STEPS tells how many were done. Two who
// JOIN belong together: when one ends, so does the other.
type server struct {
	*loop
	listeners []*listening
	burst     int      // connections to accept per event; -1: no limit
	limit     int      // of sessions; 0: none
	units     int      // sessions that count against the limit
	single    *session // who has no partner yet
	greeting  string
	idle      time.Duration // 0: for ever
	sessions  map[poller.FD]*session
	steps     int
	refused   int
}

// listening is a listening socket; inner is nil once it is shut down.
type listening struct {
	inner  *acceptor
	paused bool
}

type acceptor struct {
	fd         poller.FD
	token      poller.Token
	overloaded bool
}

const (
	acceptPause  = 100 * time.Millisecond
	delayedClose = time.Second
)

func newServer(s stage, bug id) *server {
	return &server{loop: newLoop(s, bug), burst: 16, sessions: map[poller.FD]*session{}}
}

// start listens and runs the server.
func (h *server) start() {
	fd := h.Listen(h.k)
	l := &listening{inner: &acceptor{fd: fd}}
	h.listeners = append(h.listeners, l)
	h.k.Go(func() {
		h.resume(l)
		h.run()
	})
}

func (h *server) resume(l *listening) {
	l.paused = false
	var err error
	if l.inner.token, err = h.watch(l.inner.fd, poller.In, func(poller.Events) { h.accept(l) }); err != nil {
		h.Fatalf("watch the listener: %v", err)
	}
}

func (h *server) pause(l *listening) {
	if !l.paused {
		l.paused = true
		h.forget(l.inner.token)
		h.k.Remove(l.inner.fd)
	}
}

func (h *server) accept(l *listening) {
	if l.inner.overloaded {
		l.inner.overloaded = false
		h.rest(l)
		return
	}
	burst := h.burst
	if burst < 0 && h.bug != "B19" {
		burst = math.MaxInt
	}
	for i := 0; i < burst; i++ {
		fd, _, err := h.k.Accept(l.inner.fd)
		if err == syscall.EAGAIN {
			return
		}
		if err != nil {
			h.acceptFailed(l, err)
			return
		}
		h.admit(fd)
	}
}

func (h *server) acceptFailed(l *listening, err error) {
	switch h.bug {
	case "B2":
		panic("listener accept failure: " + err.Error())
	case "B23":
		h.pause(l)
		h.k.Close(l.inner.fd)
		return
	case "L8":
		return // the event will come again
	}
	switch err {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM:
		if h.bug == "B11" {
			h.pause(l)
			h.resume(l) // on the way out: there is room for more sessions
			return
		}
		h.rest(l)
	}
}

// admit makes a session, unless there are too many.
func (h *server) admit(fd poller.FD) {
	h.units++
	if h.limit > 0 && h.units > h.limit {
		h.reject(fd)
		return
	}
	c := &session{server: h, fd: fd, accepted: h.k.Now()}
	h.sessions[fd] = c
	c.open()
	h.overload()
}

func (h *server) reject(fd poller.FD) {
	h.refused++
	h.k.Close(fd)
	if h.bug == "A16" {
		h.k.Close(fd) // the error path, which closes too
	}
	if h.bug == "B1" {
		return // only a session gives its unit back
	}
	h.units--
	if h.bug == "B16" {
		h.units-- // the end of a session, which never was one
	}
}

// overload makes all listeners rest at their next event while there are several
// sessions. It matters to hosts with several listeners.
func (h *server) overload() {
	if len(h.listeners) < 2 || h.units < 2 {
		return
	}
	for _, l := range h.listeners {
		if l.inner == nil && h.bug != "B7" {
			continue // shut down, but still in the list
		}
		l.inner.overloaded = true
	}
}

// rest stops accepting for a while.
func (h *server) rest(l *listening) {
	h.pause(l)
	h.after(acceptPause, func() { h.resume(l) })
}

// settled asserts that nothing is counted that is not there.
func (h *server) settled() {
	if h.units != 0 && h.Sound() {
		h.Errorf("counter: %d units are taken and no session is open", h.units)
	}
}

// line takes the next line off b.
func line(b *[]byte) (string, bool) {
	i := bytes.IndexByte(*b, '\n')
	if i < 0 {
		return "", false
	}
	text := string((*b)[:i])
	*b = (*b)[i+1:]
	return text, true
}
