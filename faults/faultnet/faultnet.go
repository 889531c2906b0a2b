// Package faultnet puts a fault plan over real connections: what fakenet does to
// a [net.Conn] in virtual time, as far as it can be done from outside of a kernel.
//
//	n := faultnet.New(plan.Source())
//	l = n.Listener(l)
//	dial := n.Dialer(new(net.Dialer).DialContext)
//
// Names are those of a plan: "listener 1" counts calls of Listener, "conn 2
// server" what was accepted, "conn 2" what was dialled, in their order in real
// time. Of the operations these are asked: accept, connect, handshake, segment,
// delay, fin, reset and room. Arrivals are split and delayed at the reader, which
// can not tell the difference; a write that finds no room goes on a little later.
package faultnet

import (
	"context"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"edgewise.test/faults"
)

// pause is how much later comes what a segment or a write leaves over.
const pause = time.Millisecond

// Net asks one source about many connections. Its methods may be called by several
// goroutines.
type Net struct {
	mu                         sync.Mutex
	source                     faults.Source
	seq                        map[faults.Point]int // how often each was asked, by points without Seq
	listeners, accepted, dials int
}

// New returns a Net that asks source, one question at a time.
func New(source faults.Source) *Net {
	return &Net{source: source, seq: make(map[faults.Point]int)}
}

func (n *Net) choose(actor string, op faults.Op, limit int) int {
	if limit < 2 {
		return 0
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p := faults.Point{Actor: actor, Op: op}
	n.seq[p]++
	p.Seq = n.seq[p]
	outcome := n.source.Choose(p, limit)
	if outcome < 0 || outcome >= limit {
		return 0
	}
	return outcome
}

func (n *Net) time(actor string, op faults.Op) time.Duration {
	return time.Duration(n.choose(actor, op, op.Range())) * time.Millisecond
}

// number returns the next of a counter.
func (n *Net) number(counter *int) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	*counter++
	return strconv.Itoa(*counter)
}

// Listener returns l with faults. A connection whose accept fails stays queued.
func (n *Net) Listener(l net.Listener) net.Listener {
	return &listener{Listener: l, n: n, name: "listener " + n.number(&n.listeners)}
}

type listener struct {
	net.Listener
	n    *Net
	name string
	mu   sync.Mutex
	held []net.Conn // accepted, though nobody was told
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.take()
	if err != nil {
		return nil, err
	}
	if errno := faults.Accept.Errno(l.n.choose(l.name, faults.Accept, faults.Accept.Range())); errno != nil {
		l.mu.Lock()
		l.held = append(l.held, c)
		l.mu.Unlock()
		if errno == syscall.EINTR || errno == syscall.ECONNABORTED { // package net tries again
			return l.Accept()
		}
		return nil, &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(), Err: os.NewSyscallError("accept4", errno)}
	}
	return l.n.conn(c, "conn "+l.n.number(&l.n.accepted)+" server"), nil
}

func (l *listener) take() (net.Conn, error) {
	l.mu.Lock()
	if len(l.held) > 0 {
		c := l.held[0]
		l.held = l.held[1:]
		l.mu.Unlock()
		return c, nil
	}
	l.mu.Unlock()
	return l.Listener.Accept()
}

// Close ends what is still queued too.
func (l *listener) Close() error {
	l.mu.Lock()
	for _, c := range l.held {
		c.Close()
	}
	l.held = nil
	l.mu.Unlock()
	return l.Listener.Close()
}

// Dial is the type of [net.Dialer.DialContext].
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer returns dial with faults. Connections are numbered over all dialers of n.
func (n *Net) Dialer(dial Dial) Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		name := "conn " + n.number(&n.dials)
		if errno := faults.Connect.Errno(n.choose(name, faults.Connect, faults.Connect.Range())); errno != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", errno)}
		}
		if late := n.time(name, faults.Handshake); late > 0 {
			select {
			case <-time.After(late):
			case <-ctx.Done():
				return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
			}
		}
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return n.conn(c, name), nil
	}
}
