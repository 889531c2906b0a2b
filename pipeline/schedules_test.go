package pipeline_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/pipeline/tcpproxy"
	"edgewise.test/pipeline/tlsinspector"
	"edgewise.test/poller"
	"edgewise.test/proptest"
)

// clientHello records what crypto/tls sends first for a name.
func clientHello(name string, protocols ...string) []byte {
	client, server := net.Pipe()
	go func() {
		tls.Client(client, &tls.Config{ServerName: name, NextProtos: protocols, CurvePreferences: []tls.CurveID{tls.X25519}}).Handshake()
		client.Close()
	}()
	header := make([]byte, 5)
	io.ReadFull(server, header)
	hello := append(header, make([]byte, int(header[3])<<8|int(header[4]))...)
	io.ReadFull(server, hello[5:])
	server.Close()
	return hello
}

var (
	listenAddr   = netip.MustParseAddrPort("127.0.0.1:443")
	upstreamAddr = netip.MustParseAddrPort("127.0.0.1:8443")
)

// sniWorld is a listener that routes by SNI and ALPN: proxied names go to an
// upstream that answers in capitals, echoed ones are echoed, others are closed.
type sniWorld struct {
	*proptest.World
	listener  *pipeline.Listener
	proxy     *tcpproxy.Proxy
	cluster   *tcpproxy.Cluster
	inspector *tlsinspector.Inspector
	hellos    map[string][]byte // only looked up
	answers   []answer
}

func newSNIWorld(w *proptest.World, hellos map[string][]byte) *sniWorld {
	s := &sniWorld{World: w, hellos: hellos}
	s.cluster = tcpproxy.NewCluster(tcpproxy.ClusterConfig{Name: "upstream", Hosts: []netip.AddrPort{upstreamAddr}})
	s.proxy = tcpproxy.New(tcpproxy.Config{StatPrefix: "proxied", Cluster: s.cluster})
	s.inspector = tlsinspector.New(tlsinspector.Config{})
	k := w.NewWorker()
	loop := pipeline.NewLoop(k)
	fd, err := poller.ListenTCP(k, listenAddr, poller.ListenConfig{})
	if err != nil {
		w.Fatalf("listen: %v", err)
	}
	s.listener, err = pipeline.NewListener(loop, fd, &pipeline.ListenerConfig{
		StatPrefix:      "edge",
		ListenerFilters: []pipeline.ListenerFilterFactory{s.inspector.Filter},
		FilterChains: []pipeline.FilterChain{{
			Name:             "proxied",
			FilterChainMatch: pipeline.FilterChainMatch{ServerNames: []string{"*.proxied.test"}},
			Filters:          []pipeline.FilterFactory{s.proxy.Filter},
		}, {
			Name:             "echoed",
			FilterChainMatch: pipeline.FilterChainMatch{ServerNames: []string{"echoed.test"}, ApplicationProtocols: []string{"h2"}},
			Filters:          []pipeline.FilterFactory{echo.Filter},
		}},
	})
	if err != nil {
		w.Fatalf("listener: %v", err)
	}
	k.Go(func() {
		if err := loop.Run(); err != nil {
			w.Errorf("loop: %v", err)
		}
	})
	return s
}

// upstream serves connections, each in a peer of its own: it reads to the end of
// the stream and answers with the same bytes.
func (s *sniWorld) upstream(connections int) {
	s.Peer("upstream", func(p *fakepoller.Peer) {
		l, err := p.Listen(upstreamAddr)
		if err != nil {
			s.Fatalf("upstream: %v", err)
		}
		for range connections {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, 4096)
			for {
				n, err := c.Read(buffer)
				if n > 0 {
					if _, err := c.Write(buffer[:n]); err != nil {
						break
					}
				}
				if err != nil {
					break
				}
			}
			c.Close()
		}
	})
}

// client sends a hello and a request, ends its direction, and wants both back.
func (s *sniWorld) client(name string, answered bool) {
	sent := append(append([]byte(nil), s.hellos[name]...), "request of "+name...)
	s.Peer(name, func(p *fakepoller.Peer) {
		c, err := p.Dial(listenAddr)
		if err != nil {
			return
		}
		if _, err := c.Write(sent); err != nil {
			return
		}
		c.CloseWrite()
		got, err := io.ReadAll(c)
		s.answers = append(s.answers, answer{name, sent, got, err, answered})
	})
}

type answer struct {
	name      string
	sent, got []byte
	err       error // of the connection; nil is an orderly end
	wanted    bool
}

// check judges what the clients got, when all is over.
func (s *sniWorld) check() {
	counters := s.snapshot()
	upset := s.upset(counters)
	for _, a := range s.answers {
		switch {
		case a.wanted:
			s.Delivered(a.name, a.sent, a.got, a.err == nil && !upset)
		case len(a.got) > 0:
			s.Errorf("route: %s got %d bytes, want none", a.name, len(a.got))
		}
	}
	s.Counted(counters)
	s.EndedBy(3 * time.Hour)
	late := 0
	for _, op := range []faults.Op{faults.Delay, faults.Fin, faults.Wake, faults.Pause, faults.Queue, faults.Handshake, faults.Timer} {
		late += s.Injected(op)
	}
	if n := counters.Get("listener.edge.downstream_pre_cx_timeout"); n > 0 && late == 0 {
		s.Errorf("held: %d sockets waited for their timeout though nothing was late", n)
	}
}

// upset tells whether an orderly but early end is right: something else failed,
// and a FIN is how a proxy tells of that.
func (s *sniWorld) upset(counters pipeline.Snapshot) bool {
	if s.Injected(faults.Reset) > 0 || s.Injected(faults.Connect) > 0 {
		return true
	}
	for _, name := range []string{
		"listener.edge.downstream_pre_cx_timeout", "listener.edge.downstream_listener_filter_error", "listener.edge.downstream_listener_filter_remote_close",
		"cluster.upstream.upstream_cx_connect_fail", "cluster.upstream.upstream_cx_connect_timeout", "tcp.proxied.idle_timeout",
	} {
		if counters.Get(name) > 0 {
			return true
		}
	}
	return false
}

func (s *sniWorld) snapshot() pipeline.Snapshot {
	return pipeline.MergeSnapshots(s.listener.Snapshot(), s.proxy.Snapshot(), s.cluster.Snapshot(), s.inspector.Snapshot())
}

func TestEverySchedule(t *testing.T) {
	hellos := map[string][]byte{
		"a.proxied.test": clientHello("a.proxied.test"),
		"echoed.test":    clientHello("echoed.test", "h2", "http/1.1"),
		"nobody.test":    clientHello("nobody.test"),
	}
	proptest.Config{
		Schedules: 30_000,
		Scenario: func(w *proptest.World) {
			s := newSNIWorld(w, hellos)
			s.upstream(1)
			s.client("a.proxied.test", true)
			s.client("echoed.test", true)
			s.client("nobody.test", false)
			w.Run()
			s.check()
		},
	}.Check(t)
}
