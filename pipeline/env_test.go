package pipeline_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/pipeline"
	"edgewise.test/poller"
)

// env is a worker under test and its peers, on one kernel, turned by hand.
type env struct {
	*testing.T
	kernel *stub // what the loop runs on
	peers  poller.System
	loop   *pipeline.Loop
	log    []string // what the code under test was told
	first  *script  // the first listener filter, if it is one
}

// onKernels runs body on the fake kernel and, where there is one, on real epoll.
func onKernels(t *testing.T, body func(e *env)) {
	t.Run("fake", func(t *testing.T) {
		w := fakepoller.New(fakepoller.Config{})
		t.Cleanup(w.Close)
		body(newEnv(t, w.NewWorker(), w.NewProcess().NewWorker()))
		for _, finding := range w.Audit() {
			if finding.Kind != fakepoller.Leak {
				t.Errorf("audit: %v", finding)
			}
		}
	})
	t.Run("epoll", func(t *testing.T) {
		body(newEnv(t, open(t), open(t)))
	})
}

func open(t *testing.T) poller.System {
	k, err := poller.Open()
	if err == syscall.ENOSYS {
		t.Skip("no epoll here")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Release() })
	return k
}

func newEnv(t *testing.T, k, peers poller.System) *env {
	s := &stub{System: k}
	return &env{T: t, kernel: s, peers: peers, loop: pipeline.NewLoop(s)}
}

func (e *env) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *env) logf(format string, args ...any) { e.log = append(e.log, fmt.Sprintf(format, args...)) }

// told compares and forgets what was logged.
func (e *env) told(want string) {
	e.Helper()
	got := strings.Join(e.log, "; ")
	e.log = nil
	if got != want {
		e.Errorf("told:\n got %s\nwant %s", got, want)
	}
}

// turns lets the loop work until nothing happens for a while.
func (e *env) turns() {
	e.Helper()
	for quiet := 0; quiet < 2; {
		before := e.loop.Stats().Events
		e.must(e.loop.Turn(3 * time.Millisecond))
		if e.loop.Stats().Events == before {
			quiet++
		} else {
			quiet = 0
		}
	}
}

// until turns the loop until cond, at most a generous while.
func (e *env) until(what string, cond func() bool) {
	e.Helper()
	for end := e.kernel.Now() + 10*time.Second; !cond(); {
		if e.kernel.Now() > end {
			e.Fatalf("never: %s; log: %s", what, strings.Join(e.log, "; "))
		}
		e.must(e.loop.Turn(5 * time.Millisecond))
	}
}

func (e *env) socket() (poller.FD, netip.AddrPort) {
	e.Helper()
	fd, err := poller.ListenTCP(e.kernel, netip.MustParseAddrPort("127.0.0.1:0"), poller.ListenConfig{})
	e.must(err)
	addr, err := e.kernel.LocalAddr(fd)
	e.must(err)
	return fd, addr
}

// listen starts a listener that is closed at the end, and then obeys the laws.
func (e *env) listen(cfg pipeline.ListenerConfig) *pipeline.Listener {
	e.Helper()
	fd, _ := e.socket()
	cfg.StatPrefix = "test"
	l, err := pipeline.NewListener(e.loop, fd, &cfg)
	e.must(err)
	e.Cleanup(func() {
		e.laws(l, pipeline.CheckConservation)
		l.Close()
		e.laws(l, pipeline.CheckEnded)
	})
	return l
}

func (e *env) laws(l *pipeline.Listener, check func(pipeline.Snapshot) error) {
	e.Helper()
	if err := check(l.Snapshot()); err != nil {
		e.Errorf("%v\n%v", err, l.Snapshot())
	}
}

// stats compares the counters that are not 0, without those that every connection
// counts.
func (e *env) stats(l *pipeline.Listener, want string) {
	e.Helper()
	var got []string
	for _, s := range l.Snapshot() {
		if name := strings.TrimPrefix(s.Name, "listener.test."); s.Value != 0 {
			got = append(got, fmt.Sprintf("%s=%d", name, s.Value))
		}
	}
	if got := strings.Join(got, " "); got != want {
		e.Errorf("stats:\n got %s\nwant %s", got, want)
	}
}

// peer is a client, or what an upstream has accepted.
type peer struct {
	e  *env
	fd poller.FD
}

func (e *env) dial(addr netip.AddrPort) *peer {
	e.Helper()
	fd, err := e.peers.Socket(poller.DomainOf(addr.Addr()))
	e.must(err)
	if err := e.peers.Connect(fd, addr); err != nil && err != syscall.EINPROGRESS {
		e.Fatal(err)
	}
	p := &peer{e, fd}
	e.Cleanup(func() {
		if p.fd >= 0 {
			e.peers.Close(p.fd)
		}
	})
	e.idle()
	return p
}

// idle lets time pass without the loop, so that what is on its way arrives.
func (e *env) idle() {
	var events [1]poller.Event
	e.peers.Wait(events[:], 2*time.Millisecond)
}

func (p *peer) write(s string) {
	p.e.Helper()
	n, err := p.e.peers.Write(p.fd, []byte(s))
	if err != nil || n != len(s) {
		p.e.Fatalf("peer writes %d bytes: %d, %v", len(s), n, err)
	}
	p.e.idle()
}

func (p *peer) fin() { p.e.Helper(); p.e.must(p.e.peers.Shutdown(p.fd, poller.ShutWrite)); p.e.idle() }

func (p *peer) reset() {
	p.e.Helper()
	p.e.must(p.e.peers.SetSockOpt(p.fd, poller.SOLinger, 0))
	p.close()
}

func (p *peer) close() {
	p.e.Helper()
	fd := p.fd
	p.fd = -1
	p.e.must(p.e.peers.Close(fd))
	p.e.idle()
}

// read returns what has come, and how the stream stands: "EOF", an errno, or
// nothing.
func (p *peer) read() (string, string) {
	var got bytes.Buffer
	buf := make([]byte, 64<<10)
	for {
		n, err := p.e.peers.Read(p.fd, buf)
		switch {
		case err == syscall.EAGAIN:
			return got.String(), ""
		case err != nil:
			return got.String(), poller.ErrnoName(err)
		case n == 0:
			return got.String(), "EOF"
		}
		got.Write(buf[:n])
	}
}

// wants turns the loop, reads, and compares.
func (p *peer) wants(data, end string) {
	p.e.Helper()
	var got, state string
	for range 5 {
		p.e.turns()
		p.e.idle()
		var more string
		if state == "" {
			more, state = p.read()
			got += more
		}
		if got == data && state == end {
			return
		}
	}
	p.e.Errorf("peer read: got %d bytes %.40q %s, want %d bytes %.40q %s", len(got), got, state, len(data), data, end)
}

// stub is a kernel whose calls fail as a test says.
type stub struct {
	poller.System
	accept  []error // for the next calls; nil passes through
	read    []error
	write   []error
	wait    []error
	sockets []error
	nodelay error
	accepts int
	waits   []time.Duration // timeouts asked for
	calls   map[string]int

	quickAcks int // calls that set TCP_QUICKACK
}

func pop(errs *[]error) error {
	if len(*errs) == 0 {
		return nil
	}
	err := (*errs)[0]
	*errs = (*errs)[1:]
	return err
}

func (k *stub) count(call string) {
	if k.calls != nil {
		k.calls[call]++
	}
}

func (k *stub) Wait(events []poller.Event, timeout time.Duration) (int, error) {
	k.count("wait")
	if k.waits != nil {
		k.waits = append(k.waits, timeout)
	}
	if err := pop(&k.wait); err != nil {
		return 0, err
	}
	return k.System.Wait(events, timeout)
}

func (k *stub) Accept(fd poller.FD) (poller.FD, netip.AddrPort, error) {
	k.count("accept")
	k.accepts++
	if err := pop(&k.accept); err != nil {
		return -1, netip.AddrPort{}, err
	}
	return k.System.Accept(fd)
}

func (k *stub) Write(fd poller.FD, p []byte) (int, error) {
	k.count("write")
	if err := pop(&k.write); err != nil {
		return 0, err
	}
	return k.System.Write(fd, p)
}

func (k *stub) Socket(d poller.Domain) (poller.FD, error) {
	k.count("socket")
	if err := pop(&k.sockets); err != nil {
		return -1, err
	}
	return k.System.Socket(d)
}

func (k *stub) SetSockOpt(fd poller.FD, opt poller.SockOpt, value int) error {
	k.count("setsockopt")
	if opt == poller.TCPQuickAck {
		k.quickAcks++
	}
	if opt == poller.TCPNoDelay && k.nodelay != nil {
		return k.nodelay
	}
	return k.System.SetSockOpt(fd, opt, value)
}

func (k *stub) Add(fd poller.FD, ev poller.Events, t poller.Token) error {
	k.count("epoll_ctl")
	return k.System.Add(fd, ev, t)
}

func (k *stub) Modify(fd poller.FD, ev poller.Events, t poller.Token) error {
	k.count("epoll_ctl")
	return k.System.Modify(fd, ev, t)
}

func (k *stub) Remove(fd poller.FD) error {
	k.count("epoll_ctl")
	return k.System.Remove(fd)
}

func (k *stub) Read(fd poller.FD, p []byte) (int, error) {
	k.count("read")
	if err := pop(&k.read); err != nil {
		return 0, err
	}
	return k.System.Read(fd, p)
}

func (k *stub) Close(fd poller.FD) error {
	k.count("close")
	return k.System.Close(fd)
}

// newFakeEnv is for tests that need virtual time.
func newFakeEnv(t *testing.T) *env {
	w := fakepoller.New(fakepoller.Config{})
	t.Cleanup(w.Close)
	return newEnv(t, w.NewWorker(), w.NewProcess().NewWorker())
}

// script is a listener filter that does what a test says and logs what it is told.
type script struct {
	e        *env
	name     string
	want     int
	onAccept func() pipeline.FilterStatus            // nil: StopIteration
	onData   func(data string) pipeline.FilterStatus // nil: StopIteration
	cb       pipeline.ListenerFilterCallbacks
	buffer   *pipeline.ListenerFilterBuffer
}

// factory gives out one instance: the test inspects one socket at a time, or does
// not care.
func (f *script) factory() pipeline.ListenerFilter { return f }

func (f *script) OnAccept(cb pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	f.cb = cb
	f.e.logf("%s.accept", f.name)
	if f.onAccept == nil {
		return pipeline.StopIteration
	}
	return f.onAccept()
}

func (f *script) OnData(b *pipeline.ListenerFilterBuffer) pipeline.FilterStatus {
	f.buffer = b
	data := string(b.Bytes())
	if len(data) > 20 {
		f.e.logf("%s.data %d", f.name, len(data))
	} else {
		f.e.logf("%s.data %s", f.name, data)
	}
	if f.onData == nil {
		return pipeline.StopIteration
	}
	return f.onData(data)
}

func (f *script) OnClose() { f.e.logf("%s.close", f.name) }

func (f *script) MaxReadBytes() int { return f.want }

// newConnectionFunc is a read filter of one function.
type newConnectionFunc func() pipeline.FilterStatus

func (f newConnectionFunc) OnNewConnection(pipeline.ReadFilterCallbacks) pipeline.FilterStatus {
	return f()
}

func (f newConnectionFunc) OnData(data *pipeline.Buffer, _ bool) pipeline.FilterStatus {
	data.Drain(data.Len())
	return pipeline.Continue
}
