package traceview

import (
	"fmt"
	"syscall"
	"time"

	"edgewise.test/fakepoller"
)

// flow is a connection on the wire.
type flow struct {
	route       route     // from who connected
	next        [2]uint32 // sequence number after what each end sent: who connected, who was accepted
	ended       [2]bool   // by a FIN
	established bool
	over        bool // by a RST
	last        *packet
	comments    []string // for its next packet
}

// capturer makes packets of events.
type capturer struct {
	packets  []*packet
	flows    map[route]*flow  // by both directions; the last one of that name
	conns    map[string]*flow // by connection
	opened   []*flow
	comments []string // for the next packet of anybody
}

func capture(events []fakepoller.Event) []*packet {
	c := &capturer{flows: map[route]*flow{}, conns: map[string]*flow{}}
	subjects := findSubjects(events)
	// What is said of a connection before its connect.
	waiting := map[string][]string{}
	for i := range events {
		e, conn := &events[i], subjects[i].conn
		f := c.conns[conn]
		switch e.Call {
		case fakepoller.CallDeviate, fakepoller.CallAnnotate, fakepoller.CallFinding:
			text := fmt.Sprintf("%.3f %s: %s", e.At.Seconds(), e.Actor, e.What())
			switch {
			case f == nil && conn != "":
				waiting[conn] = append(waiting[conn], text)
			case e.Call != fakepoller.CallDeviate:
				c.remark(f, text)
			case f != nil:
				f.comments = append(f.comments, text)
			default:
				c.comments = append(c.comments, text)
			}
		default:
			f = c.onPacket(e)
			if f != nil && conn != "" && c.conns[conn] != f {
				c.conns[conn] = f
				f.last.comments = append(f.last.comments, waiting[conn]...)
				delete(waiting, conn)
			}
		}
	}
	for _, f := range c.opened {
		f.last.comments = append(f.last.comments, f.comments...)
	}
	for _, text := range c.comments {
		c.remark(nil, text)
	}
	return c.packets
}

// remark puts a comment on the last packet of f, or of anybody.
func (c *capturer) remark(f *flow, text string) {
	switch {
	case f != nil:
		f.last.comments = append(f.last.comments, text)
	case len(c.packets) > 0:
		last := c.packets[len(c.packets)-1]
		last.comments = append(last.comments, text)
	}
}

// onPacket adds what e put on the wire, and returns whose it was.
func (c *capturer) onPacket(e *fakepoller.Event) *flow {
	if !e.From.IsValid() || !e.To.IsValid() {
		return nil
	}
	r := route{e.From, e.To}
	f := c.flows[r]
	switch e.Call {
	case fakepoller.CallConnect:
		if e.Err != nil && e.Err != syscall.EINPROGRESS {
			return nil
		}
		if f == nil || f.over || e.Err != nil {
			f = c.open(e.At, r)
		}
		return f
	case fakepoller.CallArrive, fakepoller.CallNet:
		if f == nil {
			f = c.open(e.At, r)
		}
	default:
		return nil
	}
	switch {
	case e.Call == fakepoller.CallArrive:
		c.establish(f, e.At)
		c.sendData(f, e)
	case e.Text == netQueued:
		c.establish(f, e.At)
	case e.Text == netFIN:
		c.establish(f, e.At)
		c.sendFIN(f, e)
	case e.Text == netRST:
		c.sendRST(f, e)
	}
	return f
}

// What the network does, as a CallNet says it.
const (
	netQueued = "connection queued"
	netFIN    = "FIN arrives"
	netRST    = "RST arrives"
)

// open sends the SYN of a new flow.
func (c *capturer) open(at time.Duration, r route) *flow {
	f := &flow{route: r}
	c.opened = append(c.opened, f)
	// Any number will do; a port that is used again wants a higher one.
	number := uint32(len(c.opened)) << 20
	f.next = [2]uint32{number, number + 1<<19}
	c.flows[r], c.flows[r.back()] = f, f
	c.add(f, &packet{at: at, route: r, seq: f.next[0], flags: flagSYN})
	f.next[0]++
	return f
}

// establish sends the rest of the handshake, once.
func (c *capturer) establish(f *flow, at time.Duration) {
	if f.established {
		return
	}
	f.established = true
	c.add(f, &packet{at: at, route: f.route.back(), seq: f.next[1], ack: f.next[0], flags: flagSYN | flagACK})
	f.next[1]++
	c.sendACK(f, at, 0)
}

// sender is which end of f sent a packet.
func (f *flow) sender(e *fakepoller.Event) int {
	if e.From == f.route.from {
		return 0
	}
	return 1
}

// add sends p, with the comments that wait for it.
func (c *capturer) add(f *flow, p *packet) {
	p.comments = append(c.comments, f.comments...)
	c.comments, f.comments = nil, nil
	f.last = p
	c.packets = append(c.packets, p)
}

// send is add of a packet of an established connection; length is how far it
// moves the sequence number.
func (c *capturer) send(f *flow, at time.Duration, from int, flags byte, data []byte, length uint32) {
	p := &packet{at: at, route: f.route, seq: f.next[from], ack: f.next[1-from], flags: flags | flagACK, data: data}
	if from == 1 {
		p.route = f.route.back()
	}
	c.add(f, p)
	f.next[from] += length
}

// sendACK acknowledges all that the other end has sent. It keeps the comment line
// on the packet that it answers.
func (c *capturer) sendACK(f *flow, at time.Duration, from int) {
	answered := f.last
	c.send(f, at, from, 0, nil, 0)
	f.last = answered
}

func (c *capturer) sendData(f *flow, e *fakepoller.Event) {
	from := f.sender(e)
	for data := e.Data; len(data) > 0; {
		n := min(len(data), maxSegment)
		c.send(f, e.At, from, flagPSH, data[:n], uint32(n))
		data = data[n:]
		c.sendACK(f, e.At, 1-from)
	}
}

func (c *capturer) sendFIN(f *flow, e *fakepoller.Event) {
	from := f.sender(e)
	if f.ended[from] {
		return
	}
	f.ended[from] = true
	c.send(f, e.At, from, flagFIN, nil, 1)
	c.sendACK(f, e.At, 1-from)
}

// sendRST sends a reset: in answer to a SYN, RFC 9293, 3.5.2, group 1, which has
// a sequence number of zero.
func (c *capturer) sendRST(f *flow, e *fakepoller.Event) {
	from := f.sender(e)
	if !f.established && from == 1 {
		f.next[1] = 0
	}
	c.send(f, e.At, from, flagRST, nil, 0)
	f.over = true
}
