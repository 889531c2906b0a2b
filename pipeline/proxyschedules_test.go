package pipeline_test

import (
	"bytes"
	"io"
	"net/netip"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/tcpproxy"
	"edgewise.test/poller"
	"edgewise.test/proptest"
)

// An upstream may end its direction before it reads, and a client may send more
// than the sockets hold. Whatever ends first, the request arrives whole.
func TestProxyDeliversWhateverDirectionEndsFirst(t *testing.T) {
	request := bytes.Repeat([]byte("request."), 1<<9)
	proptest.Config{
		Schedules: 3_000,
		World:     fakepoller.Config{SndBuf: 512, RcvBuf: 512},
		Scenario: func(w *proptest.World) {
			k := w.NewWorker()
			loop := pipeline.NewLoop(k)
			cluster := tcpproxy.NewCluster(tcpproxy.ClusterConfig{Name: "up", Hosts: []netip.AddrPort{upstreamAddr}})
			proxy := tcpproxy.New(tcpproxy.Config{StatPrefix: "p", Cluster: cluster})
			fd, err := poller.ListenTCP(k, listenAddr, poller.ListenConfig{})
			if err != nil {
				w.Fatalf("listen: %v", err)
			}
			listener, err := pipeline.NewListener(loop, fd, &pipeline.ListenerConfig{
				StatPrefix: "edge", FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{proxy.Filter}}},
			})
			if err != nil {
				w.Fatalf("listener: %v", err)
			}
			k.Go(func() {
				if err := loop.Run(); err != nil {
					w.Errorf("loop: %v", err)
				}
			})
			var got []byte
			var end error = io.ErrUnexpectedEOF
			w.Peer("upstream", func(p *fakepoller.Peer) {
				l, err := p.Listen(upstreamAddr)
				if err != nil {
					w.Fatalf("upstream: %v", err)
				}
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.CloseWrite()
				p.Sleep(time.Second)
				got, end = io.ReadAll(c)
			})
			w.Peer("client", func(p *fakepoller.Peer) {
				c, err := p.Dial(listenAddr)
				if err != nil {
					return
				}
				c.Write(request)
				c.CloseWrite()
				io.ReadAll(c)
			})
			w.Run()
			counters := pipeline.MergeSnapshots(listener.Snapshot(), proxy.Snapshot(), cluster.Snapshot())
			whole := end == nil && w.Injected(faults.Reset)+w.Injected(faults.Connect) == 0 &&
				counters.Get("tcp.p.idle_timeout")+counters.Get("cluster.up.upstream_cx_connect_timeout") == 0
			w.Delivered("request", request, got, whole)
			w.Counted(counters)
		},
	}.Check(t)
}
