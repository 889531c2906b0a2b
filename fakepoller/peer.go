package fakepoller

import (
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"edgewise.test/faults"
	"edgewise.test/poller"
)

// Peer is somebody at the other end: a client or an upstream. It has sockets but
// no descriptors and no poller.
//
// A peer made by [World.Peer] is straight-line code in a coroutine: its calls
// block until they are done. A peer made by [World.Hand] is in the test's hand:
// its calls never block and say EAGAIN instead.
type Peer struct {
	w     *World
	name  string
	actor *actor // nil: in the hand
	own   actor  // what actor points to
	self  chooser
	view  view

	conns     []*Conn     // open ones
	connRoom  [2]*Conn    // spares most peers an allocation
	listeners []*Listener // open ones
}

// Where a blocked peer stands.
const (
	whereAccept  = "accept"
	whereConnect = "connect"
	whereRead    = "read"
	whereWrite   = "write"
	whereSleep   = "sleep"
)

// Peer starts f as an actor with that name, which must be unique in the world
// and is the first word of its choices. When f returns, what it left open is
// closed, as at the end of a process. A source may leave the peer out
// ([faults.Omitter]): then it is done at once.
func (w *World) Peer(name string, f func(p *Peer)) *Peer {
	p := w.newPeer(name)
	p.actor = &p.own
	p.own.chooser = p.self
	if omitter, ok := w.cfg.Source.(faults.Omitter); ok && omitter.Omits(name) {
		p.actor.state = ended
		return p
	}
	w.spawn(p.actor, func() {
		defer p.closeAll()
		f(p)
	})
	return p
}

// Peers returns the names of the peers that [World.Peer] has made, in that order.
func (w *World) Peers() []string {
	var names []string
	for _, p := range w.peers {
		if p.actor != nil {
			names = append(names, p.name)
		}
	}
	return names
}

// Hand returns a peer that the test itself moves.
func (w *World) Hand(name string) *Peer { return w.newPeer(name) }

func (w *World) newPeer(name string) *Peer {
	p := &Peer{w: w, name: name}
	w.peers = append(w.peers, p)
	p.conns = p.connRoom[:0]
	p.self = chooser{kind: kindPeer, index: int32(len(w.peers)), view: &p.view}
	return p
}

func (p *Peer) closeAll() {
	if p.w.closing {
		return
	}
	for len(p.listeners) > 0 {
		p.listeners[len(p.listeners)-1].Close()
	}
	for len(p.conns) > 0 {
		p.conns[len(p.conns)-1].Close()
	}
}

// Done tells whether the peer's function has returned.
func (p *Peer) Done() bool { return p.actor != nil && p.actor.state == ended }

// Now is the virtual time.
func (p *Peer) Now() time.Duration { return p.w.now }

// Sleep lets d of virtual time pass. In the hand it runs everybody else meanwhile.
func (p *Peer) Sleep(d time.Duration) {
	p.w.enter()
	if p.actor == nil {
		p.w.RunFor(d)
		return
	}
	p.w.block(p.w.now+d, whereSleep)
}

// await blocks the caller until s is woken or deadline passes (negative: never).
// EDEADLK means that neither can happen; only the test itself gets it.
func (p *Peer) await(s *sock, where string, deadline time.Duration) error {
	switch {
	case p.w.closing:
		return syscall.EBADF
	case p.actor == nil:
		return syscall.EAGAIN
	}
	if p.w.blockOn(&s.watched, deadline, where) {
		return syscall.EDEADLK
	}
	return nil
}

// Dial connects. It returns the errno that connect(2) or SO_ERROR gives. In the
// hand it returns at once; while the connection is being made, [Conn.Err] is EAGAIN.
func (p *Peer) Dial(to netip.AddrPort) (*Conn, error) { return p.DialFrom(netip.AddrPort{}, to) }

// DialFrom is Dial from an address that need not be the world's: to others this
// is where the connection comes from.
func (p *Peer) DialFrom(from, to netip.AddrPort) (*Conn, error) {
	p.w.enter()
	s := p.w.newSock()
	s.refs = 1
	s.local, s.hasPort = from, from.Port() != 0
	s.ofPeer = true
	mark := len(p.w.trace.events)
	s.connect(to)
	c := p.newConn(s)
	p.note(CallConnect, s, -1, nil)
	p.w.noteRoute(s.local, s.remote)
	p.w.hoist(mark)
	err := c.Err()
	for p.actor != nil && err == syscall.EAGAIN {
		if err = p.await(s, whereConnect, -1); err == nil {
			err = c.Err()
		}
	}
	if err != nil && err != syscall.EAGAIN {
		p.note(CallConnect, s, -1, err)
		c.Close()
		return nil, err
	}
	return c, nil
}

func (p *Peer) newConn(s *sock) *Conn {
	s.ofPeer = true
	c := &Conn{p: p, s: s, local: s.local, remote: s.remote, readUntil: -1, writeUntil: -1}
	c.place = len(p.conns)
	p.conns = append(p.conns, c)
	return c
}

// forget takes c out of the open ones; the last one takes its place.
func (p *Peer) forget(c *Conn) {
	last := len(p.conns) - 1
	p.conns[c.place] = p.conns[last]
	p.conns[c.place].place = c.place
	p.conns[last] = nil
	p.conns = p.conns[:last]
}

func (p *Peer) note(c Call, s *sock, n int, err error) {
	p.w.note(&p.self, &s.chooser, c, -1, n, 0, err)
}

// Listen makes a listening socket, with a queue of the system's maximum. Port 0
// picks one; see [Listener.AddrPort].
func (p *Peer) Listen(addr netip.AddrPort) (*Listener, error) {
	p.w.enter()
	s := p.w.newSock()
	s.refs = 1
	err := s.bind(addr)
	if err == nil {
		err = s.listen(-1)
	}
	p.note(CallListen, s, -1, err)
	if err != nil {
		deref(p.w, s)
		return nil, err
	}
	l := &Listener{p: p, s: s, addr: s.local}
	p.listeners = append(p.listeners, l)
	return l, nil
}

// Listener is a peer's listening socket.
type Listener struct {
	p      *Peer
	s      *sock // somebody else's once closed
	addr   netip.AddrPort
	closed bool
}

// AddrPort is where it listens.
func (l *Listener) AddrPort() netip.AddrPort { return l.addr }

// Accept waits for a connection. It fails with [net.ErrClosed] after Close.
func (l *Listener) Accept() (*Conn, error) {
	l.p.w.enter()
	for !l.closed && l.s.pending() == 0 {
		if err := l.p.await(l.s, whereAccept, -1); err != nil {
			return nil, err
		}
	}
	if l.closed {
		return nil, net.ErrClosed
	}
	s := l.s.pop()
	s.refs = 1
	l.p.note(CallAccept, s, -1, nil)
	return l.p.newConn(s), nil
}

// Close resets everybody in the queue.
func (l *Listener) Close() error {
	l.p.w.enter()
	if l.closed {
		return net.ErrClosed
	}
	l.closed = true
	l.p.note(CallClose, l.s, -1, nil)
	if i := slices.Index(l.p.listeners, l); i >= 0 {
		l.p.listeners = slices.Delete(l.p.listeners, i, i+1)
	}
	l.p.w.abandon(l.s)
	return nil
}

// abandon closes a peer's socket; who is blocked in it gets to know.
func (w *World) abandon(s *sock) {
	s.wakeBlocked(w)
	deref(w, s)
}

// Conn is a peer's end of a connection. It implements [net.Conn] in virtual
// time, so that a protocol library can run on it. Errors are bare errnos,
// [io.EOF] at the end of the stream and [os.ErrDeadlineExceeded].
type Conn struct {
	p                     *Peer
	s                     *sock // somebody else's once closed
	local, remote         netip.AddrPort
	place                 int // in p.conns
	closed                bool
	readUntil, writeUntil time.Duration // -1: no deadline
	one                   [1][]byte
}

var _ net.Conn = (*Conn)(nil)

// Err is the pending error of the connection, or EAGAIN while it is being made,
// or nil. It takes nothing away. After Close it is [net.ErrClosed].
func (c *Conn) Err() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.s.state == tcpSynSent:
		return syscall.EAGAIN
	}
	return c.s.err
}

// Read implements [net.Conn].
func (c *Conn) Read(b []byte) (int, error) {
	c.p.w.enter()
	for {
		if err := c.check(c.readUntil); err != nil {
			return 0, err
		}
		n, err := c.s.read(b, true)
		if err == syscall.EAGAIN {
			if err := c.p.await(c.s, whereRead, c.readUntil); err != nil {
				return 0, err
			}
			continue
		}
		c.p.note(CallRead, c.s, n, err)
		if n == 0 && err == nil && len(b) > 0 {
			err = io.EOF
		}
		return n, err
	}
}

// check fails before a call that comes too late.
func (c *Conn) check(deadline time.Duration) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case deadline >= 0 && c.p.w.now >= deadline:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Write implements [net.Conn]: it returns when all of b is in the send buffer. In
// the hand it returns what fitted.
func (c *Conn) Write(b []byte) (int, error) {
	c.p.w.enter()
	total := 0
	for {
		if err := c.check(c.writeUntil); err != nil {
			return total, err
		}
		c.one[0] = b[total:]
		mark := len(c.p.w.trace.events)
		n, err := c.s.write(c.one[:])
		total += n
		if err == syscall.EAGAIN {
			if err := c.p.await(c.s, whereWrite, c.writeUntil); err != nil {
				return total, err
			}
			continue
		}
		c.p.note(CallWrite, c.s, n, err)
		c.p.w.hoist(mark)
		if err != nil || total == len(b) {
			return total, err
		}
	}
}

// CloseWrite sends a FIN and keeps reading possible.
func (c *Conn) CloseWrite() error {
	c.p.w.enter()
	if c.closed {
		return net.ErrClosed
	}
	mark := len(c.p.w.trace.events)
	err := c.s.shutdown(poller.ShutWrite)
	c.p.note(CallShutdown, c.s, int(poller.ShutWrite), err)
	c.p.w.hoist(mark)
	return err
}

// Close sends a FIN, or a reset when there is something unread.
func (c *Conn) Close() error {
	c.p.w.enter()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	c.p.note(CallClose, c.s, -1, nil)
	c.p.forget(c)
	c.p.w.abandon(c.s)
	return nil
}

// Reset ends the connection with a RST.
func (c *Conn) Reset() error {
	if c.closed {
		return net.ErrClosed
	}
	c.s.linger = 0
	return c.Close()
}

// LocalAddr implements [net.Conn].
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// RemoteAddr implements [net.Conn].
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// Epoch is the wall-clock instant of virtual time 0, for interfaces that take a
// [time.Time].
var Epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// SetDeadline implements [net.Conn]; instants count from [Epoch].
func (c *Conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error { c.readUntil = since(t); return nil }

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error { c.writeUntil = since(t); return nil }

func since(t time.Time) time.Duration {
	if t.IsZero() {
		return -1
	}
	return max(t.Sub(Epoch), 0)
}
