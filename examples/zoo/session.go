package main

import (
	"syscall"
	"time"

	"edgewise.test/poller"
)

// session is one connection of a server.
type session struct {
	*server
	fd       poller.FD
	token    poller.Token
	accepted time.Duration
	in, out  []byte
	handler  func() // takes lines off in; nil once the last was taken
	writing  bool   // interested in OUT
	ended    bool   // nothing more comes from the client
	closed   bool
	partner  *session
	idle     *timer
	lingerAt time.Duration
	linger   *timer
}

func (c *session) open() {
	c.handler = c.lines
	onEvent := func(events poller.Events) {
		if c := c.server.sessions[c.fd]; c != nil {
			c.onEvent(events)
		}
	}
	var err error
	if c.token, err = c.watch(c.fd, poller.In|poller.RdHup, onEvent); err != nil {
		c.Fatalf("watch a session: %v", err)
	}
	if c.server.idle > 0 {
		c.idle = c.after(c.server.idle, c.idleOut)
	}
	c.send(c.greeting)
}

func (c *session) onEvent(events poller.Events) {
	if events&poller.Out != 0 {
		c.flush()
		c.lingerOn(c.bug == "D7")
	}
	ended := events&(poller.RdHup|poller.Hup|poller.Err) != 0
	if ended && c.bug == "D33" {
		c.close()
	}
	var buffer [64]byte
	for !c.closed {
		n, err := c.k.Read(c.fd, buffer[:])
		if err == syscall.EAGAIN {
			break
		}
		if err != nil {
			c.close()
			break
		}
		c.received(buffer[:n])
		if n == 0 && c.bug != "D35" {
			ended = true
		}
		if ended && n < len(buffer) {
			break // nothing more can come
		}
	}
	if ended {
		if c.bug == "A4" {
			c.post(c.hangUp)
			return
		}
		c.finish()
	}
}

// hangUp detaches who hung up, whether or not a handler has closed it meanwhile.
func (c *session) hangUp() {
	c.k.Remove(c.fd)
	c.finish()
}

func (c *session) received(b []byte) {
	c.in = append(c.in, b...)
	if len(b) == 0 || c.handler == nil && c.bug != "D9" {
		return
	}
	c.handler()
}

func (c *session) lines() {
	for !c.closed && c.handler != nil {
		text, ok := line(&c.in)
		if !ok {
			return
		}
		switch text {
		case "JOIN":
			c.join()
			c.send("PONG\n")
		case "PING":
			c.send("PONG\n")
		case "QUIT":
			c.send("BYE\n")
			c.finish()
		case "LAST":
			c.handler = nil
			c.send("BYE\n")
			c.lingerStart()
		case "LATER":
			c.after(c.accepted+10*time.Millisecond-c.k.Now(), func() {
				if !c.closed {
					c.send("PONG\n")
				}
			})
		case "WORK":
			c.work(20)
		case "STEPS":
			c.send(string(rune('A'+c.steps)) + "\n")
		}
	}
}

func (c *session) join() {
	if c.partner, c.single = c.single, c; c.partner != nil {
		c.partner.partner, c.single = c, nil
	}
}

func (c *session) send(text string) {
	if !c.closed && text != "" {
		c.out = append(c.out, text...)
		c.flush()
	}
}

func (c *session) flush() {
	if len(c.out) == 0 && !c.writing {
		return
	}
	n, err := c.k.Write(c.fd, c.out)
	if err != nil && err != syscall.EAGAIN {
		c.close()
		return
	}
	c.out = c.out[max(n, 0):]
	switch {
	case len(c.out) > 0 && !c.writing:
		c.writing = true
		c.wantWrite()
	case len(c.out) == 0 && c.ended:
		c.close()
	case len(c.out) == 0 && c.writing:
		c.writing = false
		c.k.Modify(c.fd, poller.In|poller.RdHup, c.token)
	}
}

func (c *session) wantWrite() {
	if c.bug == "A9" {
		if c.k.Add(c.fd, poller.In|poller.RdHup|poller.Out, c.token) != nil {
			c.close()
		}
		return
	}
	mask := poller.In | poller.RdHup | poller.Out
	if c.ended {
		mask = poller.Out // level-triggered: the end would be told for ever
	}
	c.k.Modify(c.fd, mask, c.token)
}

// finish closes when all output is written.
func (c *session) finish() {
	switch {
	case c.closed:
	case len(c.out) > 0:
		c.ended = true
		c.wantWrite()
	default:
		c.close()
	}
}

// lingerStart ends our direction and gives the client a second to end its own.
func (c *session) lingerStart() {
	if c.closed {
		return
	}
	c.lingerAt = c.k.Now()
	c.linger = c.after(delayedClose, c.close)
	c.k.Modify(c.fd, poller.In|poller.Out|poller.RdHup|poller.EdgeTriggered, c.token)
}

// lingerOn starts the second again when something was written.
func (c *session) lingerOn(wrote bool) {
	if c.linger != nil && wrote && !c.closed {
		c.cancel(c.linger)
		c.linger = c.after(delayedClose, c.close)
	}
}

func (c *session) idleOut() {
	if c.bug == "A6" {
		c.close()
		c.k.Write(c.fd, []byte("IDLE\n")) // in the callback that tells of the close
		return
	}
	c.k.Write(c.fd, []byte("IDLE\n"))
	c.close()
}

func (c *session) work(left int) {
	if c.closed || left == 0 {
		return
	}
	c.steps++
	c.send(".")
	c.after(0, func() { c.work(left - 1) })
}

func (c *session) close() {
	if c.closed {
		return
	}
	if held := c.k.Now() - c.lingerAt; c.linger != nil && held > delayedClose && onTime(c) {
		c.Errorf("held: fd %d was closed %v after its last answer, want at most %v", c.fd, held, delayedClose)
	}
	c.closed = true
	c.cancel(c.idle)
	c.cancel(c.linger)
	c.forget(c.token)
	c.k.Remove(c.fd)
	c.k.Close(c.fd)
	if fd := c.fd; c.bug == "A2" {
		c.post(func() { delete(c.sessions, fd) })
	} else {
		delete(c.sessions, fd)
	}
	c.units--
	if c.single == c {
		c.single = nil
	}
	if c.partner != nil {
		c.partner.close()
	}
}
