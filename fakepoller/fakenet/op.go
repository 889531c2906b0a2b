package fakenet

import (
	"cmp"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"edgewise.test/poller"
)

// kind is what an operation does.
type kind uint8

const (
	kindListen kind = iota + 1
	kindDial
	kindAccept
	kindRead
	kindWrite
	kindCloseRead
	kindCloseWrite
	kindSet   // a socket option
	kindClose // the last one of its socket
	kinds
)

var kindNames = [kinds]string{
	kindListen: "listen", kindDial: "dial", kindAccept: "accept", kindRead: "read", kindWrite: "write",
	kindCloseRead: "CloseRead", kindCloseWrite: "CloseWrite", kindSet: "setsockopt", kindClose: "close",
}

// key names an operation and says where it stands among those that were begun
// in the same step.
type key struct {
	class  class
	index  int    // of the listener or connection
	host   string // of a host's operations
	effect bool   // does not park; these keep their order whatever their kind
	kind   kind
	seq    int
}

type class uint8

const (
	classHost class = iota
	classListener
	classConn
	classServer // the accepted end
)

func (k key) compare(other key) int {
	if c := cmp.Compare(k.index, other.index); c != 0 {
		return c
	}
	if c := cmp.Compare(k.class, other.class); c != 0 {
		return c
	}
	if c := cmp.Compare(k.host, other.host); c != 0 {
		return c
	}
	if k.effect != other.effect {
		if k.effect {
			return -1
		}
		return 1
	}
	if !k.effect {
		if c := cmp.Compare(k.kind, other.kind); c != 0 {
			return c
		}
	}
	return cmp.Compare(k.seq, other.seq)
}

// actor is who the operation belongs to, as in a plan.
func (k key) actor() string {
	switch k.class {
	case classListener:
		return "listener " + strconv.Itoa(k.index)
	case classConn:
		return "conn " + strconv.Itoa(k.index)
	case classServer:
		return "conn " + strconv.Itoa(k.index) + " server"
	}
	return k.host
}

func (k key) String() string {
	return k.actor() + " " + kindNames[k.kind] + " " + strconv.Itoa(k.seq)
}

// phase is how far an operation is.
type phase uint8

const (
	begun   phase = iota
	waiting       // for readiness
	ended         // the effect is there and the goroutine does not know yet
)

// op is one call. Its goroutine fills it in and reads the result; in between it
// is the scheduler's.
type op struct {
	key
	phase phase
	from  *Host   // of a dial or a listen
	on    *socket // of all others
	next  *op

	buf    []byte
	n      int
	err    error
	failed string         // the system call, where there is more than one
	addr   netip.AddrPort // to dial, or to listen on
	opt    poller.SockOpt // of a kindSet
	value  int
	made   *socket // by a dial, a listen or an accept
	edge   *edge   // from a dial to its accept
	fd     poller.FD

	until, expires instant // the deadline that it knows, and when it fires
	asked          bool    // about how late it fires
	cancelled      atomic.Bool
	since          time.Duration

	done chan struct{}
}

// newOp returns an operation for one call.
//
//go:norace
func (n *Net) newOp(k kind) *op {
	n.mu.Lock()
	o := n.free
	if o != nil {
		n.free = o.next
	}
	n.mu.Unlock()
	if o == nil {
		o = &op{done: make(chan struct{}, 1)}
	}
	o.reset()
	o.kind = k
	return o
}

//go:norace
func (o *op) reset() {
	o.key, o.phase, o.next, o.n, o.made = key{}, begun, nil, 0, nil
	o.until, o.expires, o.asked = 0, 0, false
	o.cancelled.Store(false)
}

// freeOp takes back an operation whose call has returned.
//
//go:norace
func (n *Net) freeOp(o *op) {
	if !raceEnabled {
		o.buf = nil
	}
	o.on, o.from, o.made, o.err = nil, nil, nil, nil
	n.mu.Lock()
	o.next, n.free = n.free, o
	n.mu.Unlock()
}

// call hands o to the scheduler and waits until it has an end.
//
//go:norace
func (n *Net) call(o *op) {
	if n.submit(o) {
		<-o.done
	}
}

// release lets o's goroutine go on.
//
//go:norace
func (o *op) release() {
	raceDisable()
	o.done <- struct{}{}
	raceEnable()
}

// submit hands o to the scheduler. It returns false when there is none any more.
//
//go:norace
func (n *Net) submit(o *op) bool {
	n.mu.Lock()
	if n.stopped {
		n.mu.Unlock()
		o.err = errStopped
		return false
	}
	switch {
	case o.effect:
		o.on.effects++
		o.seq = o.on.effects
	case o.on != nil:
		o.on.seq[o.kind]++
		o.seq = o.on.seq[o.kind]
	default:
		o.from.seq[o.kind]++
		o.seq = o.from.seq[o.kind]
	}
	o.next, n.inbox = n.inbox, o
	n.mu.Unlock()
	n.wake()
	return true
}

// wake lets the scheduler look again.
//
//go:norace
func (n *Net) wake() {
	select {
	case n.bell <- struct{}{}:
	default:
	}
}
