package pipeline_test

import (
	"math"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/pipeline/tcpproxy"
	"edgewise.test/pipeline/tlsinspector"
	"edgewise.test/poller"
)

// lives takes connections through the whole path, one after the other: dial,
// accept, a peeked hello, the match on its name, an echo of it, and the close.
type lives struct {
	loop   *pipeline.Loop
	peers  poller.System
	addr   netip.AddrPort
	hello  []byte
	answer []byte
}

func newLives(t testing.TB, k, peers poller.System) *lives {
	fd, err := poller.ListenTCP(k, netip.MustParseAddrPort("127.0.0.1:0"), poller.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	l := &lives{loop: pipeline.NewLoop(k), peers: peers, hello: clientHello("edge.test"), answer: make([]byte, 4096)}
	listener, err := pipeline.NewListener(l.loop, fd, &pipeline.ListenerConfig{
		ListenerFilters: []pipeline.ListenerFilterFactory{tlsinspector.NewFilter},
		FilterChains: []pipeline.FilterChain{{
			FilterChainMatch: pipeline.FilterChainMatch{ServerNames: []string{"edge.test"}},
			Filters:          []pipeline.FilterFactory{echo.Filter},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.addr = listener.Address()
	t.Cleanup(listener.Close)
	return l
}

// one is a life. It fails t if the echo is not whole.
func (l *lives) one(t testing.TB) {
	fd, err := l.peers.Socket(poller.Inet)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.peers.Connect(fd, l.addr); err != syscall.EINPROGRESS {
		t.Fatal(err)
	}
	for { // on a real kernel the connection may take a moment
		n, err := l.peers.Write(fd, l.hello)
		if n == len(l.hello) {
			break
		}
		if err != syscall.EAGAIN {
			t.Fatal(n, err)
		}
	}
	for got := 0; got < len(l.hello); {
		l.turn(t)
		n, err := l.peers.Read(fd, l.answer)
		if err != nil && err != syscall.EAGAIN || n == 0 && err == nil {
			t.Fatalf("echo: %d bytes, then %d, %v", got, n, err)
		}
		got += n
	}
	l.peers.SetSockOpt(fd, poller.SOLinger, 0) // a reset leaves no TIME-WAIT behind
	l.peers.Close(fd)
	l.turn(t)
}

func (l *lives) turn(t testing.TB) {
	if err := l.loop.Turn(0); err != nil {
		t.Fatal(err)
	}
}

func fakeLives(t testing.TB) *lives {
	w := fakepoller.New(fakepoller.Config{MaxSteps: math.MaxInt})
	t.Cleanup(w.Close)
	return newLives(t, w.NewWorker(), w.NewProcess().NewWorker())
}

func TestALifeAllocatesLittle(t *testing.T) {
	l := fakeLives(t)
	for range 100 {
		l.one(t)
	}
	if n := testing.AllocsPerRun(1000, func() { l.one(t) }); n > 3 {
		t.Errorf("got %v allocations per life, want at most 3: the connection, its filter and its server name", n)
	}
}

// BenchmarkLives measures the fake beside the same pipeline on real loopback, in
// turns, so that their ratio means something on a noisy machine.
func BenchmarkLives(b *testing.B) {
	fake := fakeLives(b)
	k, err := poller.Open()
	if err != nil {
		b.Skip("no epoll here: ", err)
	}
	peers, err := poller.Open()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { k.Release(); peers.Release() })
	real := newLives(b, k, peers)
	for range 200 {
		fake.one(b)
		real.one(b)
	}
	var onFake, onReal time.Duration
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const group = 100
	n := 0
	for b.Loop() {
		start := time.Now()
		for range group {
			fake.one(b)
		}
		middle := time.Now()
		for range group {
			real.one(b)
		}
		onFake += middle.Sub(start)
		onReal += time.Since(middle)
		n += group
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(n)/onFake.Seconds(), "fake-lives/s")
	b.ReportMetric(float64(n)/onReal.Seconds(), "loopback-lives/s")
	b.ReportMetric(onReal.Seconds()/onFake.Seconds(), "times-loopback")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(2*n), "allocs/life")
}

// TestARoutedLifeAllocatesLittle is that of a client with a hello, a host that answers,
// and a reset.
func TestARoutedLifeAllocatesLittle(t *testing.T) {
	w := fakepoller.New(fakepoller.Config{MaxSteps: math.MaxInt})
	t.Cleanup(w.Close)
	l := &lives{loop: pipeline.NewLoop(w.NewWorker()), peers: w.NewProcess().NewWorker(), hello: clientHello("edge.test"), answer: make([]byte, 4096)}
	listen := func(k poller.System) (poller.FD, netip.AddrPort) {
		fd, err := poller.ListenTCP(k, netip.MustParseAddrPort("127.0.0.1:0"), poller.ListenConfig{})
		if err != nil {
			t.Fatal(err)
		}
		addr, _ := k.LocalAddr(fd)
		return fd, addr
	}
	host, hostAddr := listen(l.peers)
	proxy := tcpproxy.New(tcpproxy.Config{
		StatPrefix: "p", IdleTimeout: time.Hour,
		Cluster: tcpproxy.NewCluster(tcpproxy.ClusterConfig{Name: "up", Hosts: []netip.AddrPort{hostAddr}}),
	})
	fd, addr := listen(l.loop.Kernel().(poller.System))
	listener, err := pipeline.NewListener(l.loop, fd, &pipeline.ListenerConfig{
		ListenerFilters: []pipeline.ListenerFilterFactory{tlsinspector.NewFilter},
		FilterChains:    []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{proxy.Filter}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(listener.Close)
	life := func() {
		client, _ := l.peers.Socket(poller.Inet)
		l.peers.Connect(client, addr)
		l.peers.Write(client, l.hello)
		up := poller.FD(-1)
		for up < 0 {
			l.turn(t)
			up, _, _ = l.peers.Accept(host)
		}
		l.turn(t)
		n, _ := l.peers.Read(up, l.answer)
		l.peers.Write(up, l.answer[:n])
		l.turn(t)
		l.turn(t)
		if n, err := l.peers.Read(client, l.answer); n != len(l.hello) {
			t.Fatalf("answer: got %d bytes, %v, want %d", n, err, len(l.hello))
		}
		l.peers.SetSockOpt(client, poller.SOLinger, 0)
		l.peers.Close(client)
		l.turn(t)
		if _, err := l.peers.Read(up, l.answer); err != syscall.ECONNRESET {
			t.Fatalf("host: got %v, want ECONNRESET", err)
		}
		l.peers.Close(up)
	}
	for range 100 {
		life()
	}
	if n := testing.AllocsPerRun(1000, life); n > 8 {
		t.Errorf("got %v allocations per routed life, want at most 8: two connections, the session, the server name, and two timers with their functions", n)
	}
}
