package tcpproxy_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/tcpproxy"
	"edgewise.test/poller"
)

// countingEpoll counts what goes past the memory of the process, and through it.
type countingEpoll struct {
	*poller.Epoll
	spliced, kept, read int
}

func (k *countingEpoll) Splice(to, from poller.FD, rest []byte) (moved, kept int, err error) {
	moved, kept, err = k.Epoll.Splice(to, from, rest)
	k.spliced += moved
	k.kept += kept
	return moved, kept, err
}

func (k *countingEpoll) Read(fd poller.FD, p []byte) (int, error) {
	n, err := k.Epoll.Read(fd, p)
	k.read += max(n, 0)
	return n, err
}

// plainEpoll hides the power to splice.
type plainEpoll struct{ poller.System }

// proxied is a client and an upstream with a proxy in between, all on loopback.
type proxied struct {
	client, upstream *net.TCPConn
	proxy            *tcpproxy.Proxy
	finish           func() // waits until the proxy has drained
}

func newProxied(t *testing.T, kernel poller.System) proxied {
	t.Helper()
	upstreams, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { upstreams.Close() })
	host := netip.MustParseAddrPort(upstreams.Addr().String())
	cluster := tcpproxy.NewCluster(tcpproxy.ClusterConfig{Name: "all", Hosts: []netip.AddrPort{host}})
	p := proxied{proxy: tcpproxy.New(tcpproxy.Config{StatPrefix: "all", Cluster: cluster})}
	fd, err := poller.ListenTCP(kernel, netip.MustParseAddrPort("127.0.0.1:0"), poller.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	loop := pipeline.NewLoop(kernel)
	listener, err := pipeline.NewListener(loop, fd, &pipeline.ListenerConfig{
		FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{p.proxy.Filter}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Address().String()
	ended := make(chan error, 1)
	go func() { ended <- loop.Run() }()
	finished := false
	p.finish = func() {
		if finished {
			return
		}
		finished = true
		loop.Post(func() { listener.Drain(10*time.Second, loop.Stop) })
		if err := <-ended; err != nil {
			t.Error(err)
		}
		kernel.Release()
	}
	t.Cleanup(p.finish)
	dial, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := upstreams.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p.client, p.upstream = dial.(*net.TCPConn), accepted.(*net.TCPConn)
	for _, c := range []*net.TCPConn{p.client, p.upstream} {
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(30 * time.Second)) // a test that hangs says where
	}
	return p
}

// send writes data and ends the direction. The channel has the error.
func send(c *net.TCPConn, data []byte) chan error {
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		sent <- errors.Join(err, c.CloseWrite())
	}()
	return sent
}

func newCountingEpoll(t *testing.T) *countingEpoll {
	t.Helper()
	e, err := poller.NewEpoll()
	if err != nil {
		t.Fatal(err)
	}
	return &countingEpoll{Epoll: e}
}

func randomBytes(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{7}).Read(p)
	return p
}

func TestManyBytesGoPastTheProcess(t *testing.T) {
	kernel := newCountingEpoll(t)
	p := newProxied(t, kernel)
	request, answer := randomBytes(24<<20), randomBytes(16<<20)
	sentRequest, sentAnswer := send(p.client, request), send(p.upstream, answer)
	received := make(chan []byte, 1)
	go func() {
		data, err := io.ReadAll(p.upstream)
		if err != nil {
			t.Errorf("upstream: %v", err)
		}
		received <- data
	}()
	gotAnswer, err := io.ReadAll(p.client)
	if err != nil {
		t.Errorf("client: %v", err)
	}
	if got := <-received; !bytes.Equal(got, request) {
		t.Errorf("request: got %d bytes, other than the %d that were sent", len(got), len(request))
	}
	if !bytes.Equal(gotAnswer, answer) {
		t.Errorf("answer: got %d bytes, other than the %d that were sent", len(gotAnswer), len(answer))
	}
	for _, sent := range []chan error{sentRequest, sentAnswer} {
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
	p.finish()
	stats := p.proxy.Stats()
	if stats.RxBytes != uint64(len(request)) || stats.TxBytes != uint64(len(answer)) {
		t.Errorf("counted %d and %d bytes, want %d and %d", stats.RxBytes, stats.TxBytes, len(request), len(answer))
	}
	all := len(request) + len(answer)
	if kernel.spliced+kernel.kept+kernel.read != all || kernel.spliced < all/4 {
		t.Errorf("got %d bytes spliced, %d kept and %d read of %d, want all of them, and most spliced", kernel.spliced, kernel.kept, kernel.read, all)
	}
}

func TestFewBytesAreNotSpliced(t *testing.T) {
	kernel := newCountingEpoll(t)
	p := newProxied(t, kernel)
	echo := make([]byte, 1000)
	for range 50 {
		if _, err := p.client.Write(echo); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(p.upstream, echo); err != nil {
			t.Fatal(err)
		}
	}
	p.client.Close()
	p.upstream.Close()
	p.finish()
	if kernel.spliced+kernel.kept != 0 {
		t.Errorf("got %d bytes spliced, want 0", kernel.spliced+kernel.kept)
	}
}

func TestSplicedBytesWaitForASlowReceiver(t *testing.T) {
	kernel := newCountingEpoll(t)
	p := newProxied(t, kernel)
	p.upstream.SetReadBuffer(64 << 10)
	data := randomBytes(16 << 20)
	sent := send(p.client, data)
	var got []byte
	buffer := make([]byte, 256<<10)
	for {
		n, err := p.upstream.Read(buffer)
		got = append(got, buffer[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(got) < 2<<20 {
			time.Sleep(5 * time.Millisecond) // everything in between fills up
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("got %d bytes, other than the %d that were sent", len(got), len(data))
	}
	p.upstream.Close()
	p.finish()
	if kernel.kept == 0 {
		t.Error("the receiver was never full, so the test shows nothing")
	}
}

func TestAResetAfterSplicedBytesIsPassedOn(t *testing.T) {
	p := newProxied(t, newCountingEpoll(t))
	data := randomBytes(8 << 20)
	go io.Copy(io.Discard, p.upstream)
	if _, err := p.client.Write(data); err != nil {
		t.Fatal(err)
	}
	p.client.SetLinger(0)
	p.client.Close()
	for {
		_, err := p.upstream.Write(data[:1])
		if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
			return // whichever of reader and writer hears of it first
		}
		if err != nil {
			t.Fatalf("got %v, want a reset", err)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAKernelThatCanNotSpliceCopies(t *testing.T) {
	e, err := poller.NewEpoll()
	if err != nil {
		t.Fatal(err)
	}
	p := newProxied(t, plainEpoll{e})
	data := randomBytes(4 << 20)
	sent := send(p.client, data)
	got, err := io.ReadAll(p.upstream)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %d bytes and %v, want the %d that were sent", len(got), err, len(data))
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	p.upstream.Close()
}
