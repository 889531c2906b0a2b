package main

import (
	"bytes"
	"syscall"
	"time"

	"edgewise.test/poller"
)

// inspector is the second host: it peeks at each socket until it knows the route,
// as Envoy's listener filters do, and only then makes it a connection, which
// answers each line of payload with the route and the line.
//
// The stream begins with "HELLO <route>\n", perhaps after "STARTTLS\n", which is
// answered with "OK\n".
type inspector struct {
	*loop
	fd       poller.FD
	token    poller.Token
	banner   string
	timeout  time.Duration // of an inspection; 0: none
	goOn     bool          // an inspection that timed out is routed to "default"
	upstream time.Duration // how long a connection does not read at first
	serial   bool          // accept the next when the one before is inspected
	paused   time.Duration // since when accepting stands still
	routes   []string      // that were taken
	lookups  int           // that inspections have begun and not ended
	wasted   int           // handshakes for clients whose reset was reported
}

const helloMax = 32

func newInspector(s stage, bug id) *inspector {
	return &inspector{loop: newLoop(s, bug), timeout: 15 * time.Second}
}

func (h *inspector) start() {
	h.fd = h.Listen(h.k)
	h.k.Go(func() {
		h.resume()
		h.run()
	})
}

func (h *inspector) resume() {
	var err error
	if h.token, err = h.watch(h.fd, poller.In, func(poller.Events) { h.accept() }); err != nil {
		h.Fatalf("watch the listener: %v", err)
	}
}

func (h *inspector) accept() {
	fd, _, err := h.k.Accept(h.fd)
	if err != nil {
		return // level-triggered: the event comes again
	}
	if h.serial {
		h.forget(h.token)
		h.k.Remove(h.fd)
		h.paused = h.k.Now()
	}
	c := &socket{inspector: h, fd: fd, accepted: h.k.Now()}
	c.filter = poller.In | poller.RdHup
	if h.bug == "C3" {
		c.filter = poller.In
	}
	if c.token, err = h.watch(fd, c.mask(), c.onEvent); err != nil {
		h.Fatalf("watch a socket: %v", err)
	}
	h.lookups++
	switch h.bug {
	case "C13", "C20", "C29": // only another filter has a timeout
	default:
		if h.timeout > 0 {
			c.timer = h.after(h.timeout, c.timedOut)
		}
	}
	c.out = []byte(h.banner)
	c.flush()
}

// routed asserts that nobody was sent where he did not want to go.
func (h *inspector) routed(want string) {
	for _, r := range h.routes {
		if r != want {
			h.Errorf("wrong route: a client went to %q, want %q", r, want)
		}
	}
}

type verdict uint8

const (
	needMore verdict = iota
	startTLS
	found
	refused
)

// parse tells what b, the beginning of the stream, asks for.
func (h *inspector) parse(b []byte) (v verdict, header int, route string) {
	start := len(b) - len(bytes.TrimLeft(b, "\r\n"))
	if h.bug == "C8" {
		start = 0 // the first line is what ends first
	}
	end := bytes.IndexByte(b[start:], '\n')
	text := string(b[start : start+max(end, 0)])
	switch {
	case end < 0 && len(b) == helloMax && h.bug != "C6":
		return refused, 0, ""
	case end < 0:
		return needMore, 0, ""
	case text == "STARTTLS":
		return startTLS, start + end + 1, ""
	case len(text) > 6 && text[:6] == "HELLO ":
		return found, start + end + 1, text[6:]
	}
	return refused, 0, ""
}

// socket is one accepted socket, and later the connection that it becomes.
type socket struct {
	*inspector
	fd       poller.FD
	token    poller.Token
	accepted time.Duration
	filter   poller.Events // what the inspection waits for
	conn     poller.Events // what the connection waits for
	writing  bool
	route    string
	open     bool // it is a connection
	ended    bool // nothing more comes from the client
	closed   bool
	timer    *timer
	seen     int // bytes that the filter has looked at
	in, out  []byte
}

// mask is the union of what the events of a descriptor want, as in libevent: an
// edge only when all of them want edges.
func (c *socket) mask() poller.Events {
	m := c.filter | c.conn
	if c.writing {
		m |= poller.Out
	}
	if c.conn == 0 && !c.open {
		m |= poller.EdgeTriggered
	}
	return m
}

func (c *socket) update() { c.k.Modify(c.fd, c.mask(), c.token) }

func (c *socket) onEvent(events poller.Events) {
	if events&poller.Out != 0 && c.writing {
		c.flush()
	}
	const always = poller.Err | poller.Hup
	if !c.closed && events&(c.filter|always) != 0 && c.filter != 0 {
		c.inspect(events)
	}
	if !c.closed && events&(c.conn|always) != 0 && c.open {
		c.serve(events)
	}
}

// inspect is the listener filter.
func (c *socket) inspect(events poller.Events) {
	if c.open && c.bug != "C2" {
		return
	}
	if held := c.k.Now() - c.accepted; !c.open && !c.serial && c.timeout > 0 && held >= c.timeout && onTime(c) {
		c.Errorf("held: fd %d is still inspected %v after it was accepted, want less than %v", c.fd, held, c.timeout)
	}
	if events&poller.Err != 0 {
		switch c.bug {
		case "L2", "L3":
			events = poller.In // libevent tells an error as readable, and no more
		case "B20":
		case "C34":
			c.becomes("", 0) // the read error gives an empty hello
			return
		default:
			c.close()
			return
		}
	}
	if c.bug == "C4" && events&poller.RdHup != 0 {
		c.close()
		return
	}
	var buffer [helloMax]byte
	n, err := c.k.Peek(c.fd, buffer[:])
	switch {
	case err == syscall.EAGAIN:
		return
	case err != nil || n == 0:
		c.close()
		return
	case n == c.seen && c.bug == "L2":
		c.becomes("raw", 0) // the parser fails when it is fed nothing
		return
	}
	c.seen = n
	switch v, header, route := c.parse(buffer[:n]); v {
	case found:
		if events&poller.Err != 0 {
			c.wasted++
		}
		c.becomes(route, header)
	case startTLS:
		c.startTLS(header)
	case refused:
		c.close()
	case needMore:
		if events&poller.RdHup != 0 {
			c.close() // nothing more comes
		}
	}
}

func (c *socket) startTLS(header int) {
	c.k.Read(c.fd, make([]byte, header))
	c.seen = 0
	if c.bug == "C30" {
		c.cancel(c.timer)
	}
	c.out = append(c.out, "OK\n"...)
	c.flush()
}

func (c *socket) timedOut() {
	if c.goOn {
		left := c.filter
		c.becomes("default", 0)
		if c.bug == "C1" || c.bug == "C2" {
			c.filter = left // only a filter that finishes resets its event
			c.update()
		}
		return
	}
	if c.bug == "L13" {
		c.lookups++ // not told: the filter does not end its lookup
	}
	c.close()
}

// becomes ends the inspection and makes the socket a connection.
func (c *socket) becomes(route string, header int) {
	if c.open {
		c.Errorf("routed twice: fd %d went to %q and then to %q", c.fd, c.route, route)
		return
	}
	c.lookups--
	c.route, c.open = route, true
	c.routes = append(c.routes, route)
	if c.bug != "C21" {
		c.cancel(c.timer)
	}
	c.k.Read(c.fd, make([]byte, header))
	c.filter = 0
	if c.upstream > 0 {
		c.after(c.upstream, c.reads)
		c.update()
	} else {
		c.reads()
	}
	c.next()
}

// reads lets a connection read: its upstream is there.
func (c *socket) reads() {
	if !c.closed {
		c.conn = poller.In | poller.RdHup
		c.update()
	}
}

// next lets the next socket be accepted.
func (c *socket) next() {
	if !c.serial {
		return
	}
	if stood := c.k.Now() - c.paused; stood > c.timeout && onTime(c) {
		c.Errorf("blocked: accepting stood still for %v, want at most %v", stood, c.timeout)
	}
	c.resume()
}

// serve answers the lines of payload.
func (c *socket) serve(poller.Events) {
	var buffer [64]byte
	n, err := c.k.Read(c.fd, buffer[:])
	if err == syscall.EAGAIN {
		return
	}
	if err != nil || n == 0 && len(c.out) == 0 {
		c.close()
		return
	}
	if n == 0 {
		c.ended, c.conn = true, 0 // the end would be told for ever
		c.update()
		return
	}
	c.in = append(c.in, buffer[:n]...)
	for text, ok := line(&c.in); ok; text, ok = line(&c.in) {
		c.out = append(c.out, c.route+" "+text+"\n"...)
	}
	c.flush()
}

func (c *socket) flush() {
	if len(c.out) == 0 {
		return
	}
	n, err := c.k.Write(c.fd, c.out)
	if err != nil && err != syscall.EAGAIN {
		c.close()
		return
	}
	c.out = c.out[max(n, 0):]
	if wants := len(c.out) > 0; wants != c.writing {
		c.writing = wants
		if c.bug == "A20" && !wants {
			c.k.Modify(c.fd, c.filter|c.conn, c.token) // and so without the other's edge
			return
		}
		c.update()
	}
	if c.ended && !c.writing {
		c.close()
	}
}

func (c *socket) close() {
	if c.closed {
		return
	}
	c.closed = true
	c.cancel(c.timer)
	c.forget(c.token)
	c.k.Remove(c.fd)
	c.k.Close(c.fd)
	if !c.open {
		c.lookups--
		c.next()
	}
}
