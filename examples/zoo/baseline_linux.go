package main

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"edgewise.test/faults"
	"edgewise.test/poller"
)

// loopbackTime is how long one bug is looked for with real sockets.
const loopbackTime = time.Second

// onLoopback plays the scenario on real epoll with clients in goroutines, as often
// as there is time, the way integration tests do. It notices a failed assertion, a
// client that never gets an answer, a panic and a loop that spins.
func onLoopback(_ meter, e *entry, seed uint64) attempt {
	if !e.portable || seed > 2 {
		return attempt{}
	}
	a := attempt{}
	for start := time.Now(); !a.found && a.elapsed < loopbackTime; a.elapsed = time.Since(start) {
		a.runs++
		a.found = playReal(e, e.id, time.Second) != ""
	}
	return a
}

// playReal plays e once and returns the first thing that is wrong, or "". Clients
// have patience to end.
func playReal(e *entry, bug id, patience time.Duration) (wrong string) {
	r := &real{patience: patience}
	defer func() {
		if p := recover(); p != nil {
			r.Errorf("panic: %v", p)
		}
		r.end()
		wrong = r.wrong
	}()
	e.play(r, bug)
	return ""
}

// real is the stage of this machine's kernel.
type real struct {
	patience  time.Duration
	address   netip.AddrPort
	workers   []*realWorker
	closers   []interface{ Close() error }
	loops     sync.WaitGroup
	clients   sync.WaitGroup
	upstreams sync.WaitGroup
	begin     []func()
	stopped   atomic.Bool

	mutex sync.Mutex
	wrong string
}

func (r *real) Errorf(format string, args ...any) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.wrong == "" {
		r.wrong = fmt.Sprintf(format, args...)
	}
}

func (r *real) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (r *real) Injected(faults.Op) int { return 0 }

func (r *real) Sound() bool { return true }

func (r *real) NewWorker() worker {
	e, err := poller.NewEpoll()
	if err != nil {
		r.Fatalf("epoll: %v", err)
	}
	k := &realWorker{Epoll: e, stage: r, open: map[poller.FD]bool{}}
	r.workers = append(r.workers, k)
	return k
}

func (r *real) Listen(k worker) poller.FD {
	fd, err := poller.ListenTCP(k, netip.MustParseAddrPort("127.0.0.1:0"), poller.ListenConfig{})
	if err != nil {
		r.Fatalf("listen: %v", err)
	}
	if r.address, err = k.LocalAddr(fd); err != nil {
		r.Fatalf("listen: %v", err)
	}
	return fd
}

func (r *real) Client(_ string, f func(client)) {
	r.clients.Add(1)
	r.begin = append(r.begin, func() {
		defer r.clients.Done()
		p := &realClient{to: r.address, until: time.Now().Add(r.patience)}
		defer p.end()
		f(p)
	})
}

func (r *real) Upstream(_ string, serve func(client, conn)) netip.AddrPort {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		r.Fatalf("upstream: %v", err)
	}
	r.closers = append(r.closers, l)
	r.upstreams.Add(1)
	r.begin = append(r.begin, func() {
		defer r.upstreams.Done()
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(r.patience))
			serve(&realClient{}, realConn{c})
			c.Close()
		}
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// settle is how long a loop may take to notice that its clients have left.
const settle = 2 * time.Millisecond

// Run plays until the clients have ended, or run out of patience.
func (r *real) Run() {
	for _, f := range r.begin {
		go f()
	}
	start := time.Now()
	r.clients.Wait()
	if time.Since(start) > r.patience {
		r.Errorf("hangs: a client had no answer after %v", r.patience)
	}
	time.Sleep(settle)
	r.end()
}

func (r *real) end() {
	if r.stopped.Swap(true) {
		return
	}
	for _, k := range r.workers {
		k.Wake()
	}
	r.loops.Wait()
	for _, c := range r.closers {
		c.Close()
	}
	r.upstreams.Wait()
	for _, k := range r.workers {
		for fd := range k.open {
			k.Epoll.Close(fd)
		}
		k.Release()
	}
}

// realWorker is an epoll whose loop can be ended, and that knows its sockets.
type realWorker struct {
	*poller.Epoll
	stage *real
	open  map[poller.FD]bool
	waits int
	reads int // since the last wait
}

func (k *realWorker) Go(loop func()) {
	k.stage.loops.Add(1)
	go func() {
		defer k.stage.loops.Done()
		defer func() {
			if p := recover(); p != nil {
				k.stage.Errorf("panic: %v", p)
			}
		}()
		loop()
	}()
}

// manyWaits is what no loop needs for a few clients.
const manyWaits = 20_000

func (k *realWorker) Wait(events []poller.Event, timeout time.Duration) (int, error) {
	k.reads = 0
	if k.waits++; k.waits == manyWaits {
		k.stage.Errorf("spin: the loop turned %d times", manyWaits)
	}
	if k.stage.stopped.Load() || k.waits > manyWaits {
		return 0, syscall.EBADF
	}
	return k.Epoll.Wait(events, timeout)
}

// Read ends a loop that reads for ever without a wait.
func (k *realWorker) Read(fd poller.FD, p []byte) (int, error) {
	if k.reads++; k.reads == manyWaits {
		k.stage.Errorf("spin: %d reads without a wait", manyWaits)
	}
	if k.reads >= manyWaits {
		return 0, syscall.EBADF
	}
	return k.Epoll.Read(fd, p)
}

func (k *realWorker) Accept(fd poller.FD) (poller.FD, netip.AddrPort, error) {
	nfd, addr, err := k.Epoll.Accept(fd)
	return k.opened(nfd, err), addr, err
}

func (k *realWorker) Socket(domain poller.Domain) (poller.FD, error) {
	fd, err := k.Epoll.Socket(domain)
	return k.opened(fd, err), err
}

func (k *realWorker) Dup(fd poller.FD) (poller.FD, error) {
	nfd, err := k.Epoll.Dup(fd)
	return k.opened(nfd, err), err
}

func (k *realWorker) opened(fd poller.FD, err error) poller.FD {
	if err == nil {
		k.open[fd] = true
	}
	return fd
}

// Close spares the program the second close of a number: it could be anybody's.
func (k *realWorker) Close(fd poller.FD) error {
	if !k.open[fd] {
		return syscall.EBADF
	}
	delete(k.open, fd)
	return k.Epoll.Close(fd)
}

type realClient struct {
	to    netip.AddrPort
	until time.Time
	conns []conn
}

func (p *realClient) Dial() (conn, error) {
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(p.to))
	if err != nil {
		return nil, err
	}
	c.SetDeadline(p.until.Add(50 * time.Millisecond))
	p.conns = append(p.conns, realConn{c})
	return realConn{c}, nil
}

func (p *realClient) end() {
	for _, c := range p.conns {
		c.Close()
	}
}

func (p *realClient) Sleep(d time.Duration) { time.Sleep(d) }

func (p *realClient) After(d time.Duration) time.Time { return time.Now().Add(d) }

type realConn struct{ *net.TCPConn }

func (c realConn) Reset() error {
	c.SetLinger(0)
	return c.Close()
}
