package pipeline_test

import (
	"net/netip"
	"testing"
	"time"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/pipeline/tlsinspector"
	"edgewise.test/poller"
)

// lifeRig is an SNI listener on real epoll and a raw client of the same thread.
type lifeRig struct {
	kernel, client poller.System
	loop           *pipeline.Loop
	listener       *pipeline.Listener
	hello          []byte
	echoed         []byte
}

func newLifeRig(t testing.TB) *lifeRig {
	r := &lifeRig{hello: clientHello("a.edge.test", "h2", "http/1.1"), echoed: make([]byte, 4096)}
	for _, k := range []*poller.System{&r.kernel, &r.client} {
		var err error
		if *k, err = poller.Open(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*k).Release() })
	}
	r.loop = pipeline.NewLoop(r.kernel)
	fd, err := poller.ListenTCP(r.kernel, netip.MustParseAddrPort("127.0.0.1:0"), poller.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	inspector := tlsinspector.New(tlsinspector.Config{})
	r.listener, err = pipeline.NewListener(r.loop, fd, &pipeline.ListenerConfig{
		ListenerFilters: []pipeline.ListenerFilterFactory{inspector.Filter},
		FilterChains: []pipeline.FilterChain{{
			FilterChainMatch: pipeline.FilterChainMatch{ServerNames: []string{"*.edge.test"}, ApplicationProtocols: []string{"h2"}},
			Filters:          []pipeline.FilterFactory{echo.Filter},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.listener.Close)
	return r
}

// life connects, sends a ClientHello, reads it back, and resets.
func (r *lifeRig) life(t testing.TB) {
	fd, err := r.client.Socket(poller.Inet)
	if err != nil {
		t.Fatal(err)
	}
	r.client.Connect(fd, r.listener.Address())
	if n, err := r.client.Write(fd, r.hello); n != len(r.hello) {
		t.Fatal(n, err)
	}
	total := r.listener.Stats().CxTotal
	for r.listener.Stats().CxTotal == total {
		r.loop.Turn(time.Second)
	}
	for {
		n, err := r.client.Read(fd, r.echoed)
		if n == len(r.hello) {
			break
		}
		if err == nil {
			t.Fatalf("echoed %d bytes of %d", n, len(r.hello))
		}
		r.loop.Turn(time.Second)
	}
	r.client.SetSockOpt(fd, poller.SOLinger, 0)
	r.client.Close(fd)
	for r.listener.Stats().CxActive > 0 {
		r.loop.Turn(time.Second)
	}
}

func TestWholeLifeAllocatesLittle(t *testing.T) {
	r := newLifeRig(t)
	for range 10 {
		r.life(t)
	}
	// The connection and its filter, the callbacks' slice, the server name and the
	// list of protocols.
	if got := testing.AllocsPerRun(200, func() { r.life(t) }); got > 8 {
		t.Errorf("got %v allocations from accept to close, want at most 8", got)
	} else {
		t.Logf("%v allocations", got)
	}
}

func BenchmarkInspectedEchoLife(b *testing.B) {
	r := newLifeRig(b)
	b.ReportAllocs()
	for b.Loop() {
		r.life(b)
	}
}
