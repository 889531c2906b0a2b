package main

import (
	"io"
	"net"
	"net/netip"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/poller"
	"edgewise.test/proptest"
)

// stage is where a scenario plays: a deterministic world, or this machine's
// kernel with goroutines for a comparison.
type stage interface {
	// NewWorker adds an event loop to the one process of the stage.
	NewWorker() worker
	// Listen makes a listening socket at which clients dial.
	Listen(k worker) poller.FD
	// Client starts somebody who dials the listener. What it leaves open is
	// closed at its end.
	Client(name string, f func(client))
	// Upstream starts a server that serves one connection after the other.
	Upstream(name string, serve func(client, conn)) netip.AddrPort
	// Run returns when nothing more can happen.
	Run()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	// Injected counts the deviations of an operation.
	Injected(op faults.Op) int
	// Sound tells whether no auditor has found anything so far.
	Sound() bool
}

// worker is the kernel of one event loop.
type worker interface {
	poller.System
	Go(loop func())
}

// client is a peer's side of the stage.
type client interface {
	Dial() (conn, error)
	Sleep(d time.Duration)
	// After is the instant for SetReadDeadline that is d away.
	After(d time.Duration) time.Time
}

// conn is a peer's end of a connection.
type conn interface {
	net.Conn
	CloseWrite() error
	Reset() error
}

// fake is the deterministic stage.
type fake struct {
	*proptest.World
	upstreams uint16
}

var listenAddr = netip.MustParseAddrPort("127.0.0.1:443")

func (f *fake) NewWorker() worker { return f.World.NewWorker() }

func (f *fake) Listen(k worker) poller.FD {
	fd, err := poller.ListenTCP(k, listenAddr, poller.ListenConfig{})
	if err != nil {
		f.Fatalf("listen: %v", err)
	}
	return fd
}

func (f *fake) Sound() bool { return len(f.Findings()) == 0 }

func (f *fake) Client(name string, do func(client)) {
	f.Peer(name, func(p *fakepoller.Peer) { do(fakeClient{p}) })
}

func (f *fake) Upstream(name string, serve func(client, conn)) netip.AddrPort {
	f.upstreams++
	addr := netip.AddrPortFrom(listenAddr.Addr(), 8080+f.upstreams)
	f.Peer(name, func(p *fakepoller.Peer) {
		l, err := p.Listen(addr)
		if err != nil {
			f.Fatalf("upstream: %v", err)
		}
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(fakeClient{p}, c)
			c.Close()
		}
	})
	return addr
}

type fakeClient struct{ *fakepoller.Peer }

func (p fakeClient) Dial() (conn, error) {
	c, err := p.Peer.Dial(listenAddr)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (p fakeClient) After(d time.Duration) time.Time { return fakepoller.Epoch.Add(p.Now() + d) }

// onTime tells whether nothing made the host or the network slow: only then may
// a scenario assert how long something took.
func onTime(s stage) bool {
	for _, op := range [...]faults.Op{faults.Pause, faults.Wake, faults.Timer} {
		if s.Injected(op) > 0 {
			return false
		}
	}
	return true
}

// unhurt tells whether no fault kept a client from its answer by right.
func unhurt(s stage) bool {
	return s.Injected(faults.Reset) == 0 && s.Injected(faults.Connect) == 0
}

// read reads len(want) bytes and tells whether they came. All else fails s, but for
// a connection that the network has ended.
func read(s stage, c conn, who, want string) bool {
	got := make([]byte, len(want))
	n, err := io.ReadFull(c, got)
	if got := string(got[:n]); got != want[:n] {
		s.Errorf("wrong bytes: %s got %q, want %q", who, got, want)
		return false
	}
	if err != nil && unhurt(s) {
		s.Errorf("unanswered: %s got %q and %v, want %q", who, got[:n], err, want)
	}
	return err == nil
}

// readAll is read to the end of the stream.
func readAll(s stage, c conn, who, want string) {
	got, err := io.ReadAll(c)
	if (err != nil || string(got) != want) && unhurt(s) {
		s.Errorf("unanswered: %s got %q and %v, want %q", who, got, err, want)
	}
}
