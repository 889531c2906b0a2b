package pipeline_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/tcpproxy"
	"edgewise.test/poller"
)

// proxyEnv is a TCP proxy between a client and an upstream that the test plays.
type proxyEnv struct {
	*env
	listener *pipeline.Listener
	proxy    *tcpproxy.Proxy
	cluster  *tcpproxy.Cluster
	upstream poller.FD // listens
}

// proxied runs body with a proxy to one host, unless hosts says otherwise.
func proxied(t *testing.T, idle time.Duration, hosts func(host netip.AddrPort) []netip.AddrPort, body func(e *proxyEnv)) {
	onKernels(t, func(e *env) {
		fd, err := poller.ListenTCP(e.peers, netip.MustParseAddrPort("127.0.0.1:0"), poller.ListenConfig{})
		e.must(err)
		host, err := e.peers.LocalAddr(fd)
		e.must(err)
		p := &proxyEnv{env: e, upstream: fd}
		all := []netip.AddrPort{host}
		if hosts != nil {
			all = hosts(host)
		}
		p.cluster = tcpproxy.NewCluster(tcpproxy.ClusterConfig{Name: "up", Hosts: all, BufferLimitBytes: 64 << 10})
		p.proxy = tcpproxy.New(tcpproxy.Config{StatPrefix: "p", Cluster: p.cluster, IdleTimeout: idle})
		p.listener = e.listen(pipeline.ListenerConfig{
			PerConnectionBufferLimitBytes: 64 << 10,
			FilterChains:                  []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{p.proxy.Filter}}},
		})
		body(p)
		p.listener.Close()
		e.turns()
		if err := pipeline.CheckEnded(p.cluster.Snapshot()); err != nil {
			e.Error(err)
		}
		if p.upstream >= 0 {
			e.must(e.peers.Close(p.upstream))
		}
	})
}

// accept is the upstream's end of the next connection.
func (e *proxyEnv) accept() *peer {
	e.Helper()
	e.turns()
	fd, _, err := e.peers.Accept(e.upstream)
	e.must(err)
	p := &peer{e.env, fd}
	e.Cleanup(func() {
		if p.fd >= 0 {
			e.peers.Close(p.fd)
		}
	})
	return p
}

// counts compares the counters of the cluster and the proxy that are not 0.
func (e *proxyEnv) counts(want string) {
	e.Helper()
	var got []string
	for _, s := range pipeline.MergeSnapshots(e.cluster.Snapshot(), e.proxy.Snapshot()) {
		name := strings.TrimPrefix(strings.TrimPrefix(s.Name, "cluster.up."), "tcp.p.")
		if s.Value != 0 {
			got = append(got, fmt.Sprintf("%s=%d", name, s.Value))
		}
	}
	if got := strings.Join(got, " "); got != want {
		e.Errorf("counters:\n got %s\nwant %s", got, want)
	}
}

func TestProxyWritesThePrefaceFirst(t *testing.T) {
	proxied(t, 0, nil, func(e *proxyEnv) {
		e.cluster.Update(tcpproxy.ClusterConfig{
			Name: "up", Hosts: []netip.AddrPort{e.address(e.upstream)},
			Preface: func(dst []byte, downstream *pipeline.ConnectionInfo) []byte {
				return fmt.Appendf(dst, "for %v: ", downstream.RemoteAddress())
			},
		})
		client := e.dial(e.listener.Address())
		up := e.accept()
		up.wants(fmt.Sprintf("for %v: ", e.address(client.fd)), "") // the client may wait for the host
		client.write("request")
		up.wants("request", "")
		client.fin()
		up.wants("", "EOF")
		up.fin()
		client.wants("", "EOF")
		e.turns()
		e.counts("upstream_cx_destroy=1 upstream_cx_total=1 downstream_cx_rx_bytes_total=7 downstream_cx_total=1")
	})
}

// TestProxyConnectsSmartlyWhenItHasBytes: a host that speaks first must not wait for
// bytes that do not come.
func TestProxyConnectsSmartlyWhenItHasBytes(t *testing.T) {
	looks := func(f *script) { f.want = 100 }
	preface := func(s string) func([]byte, *pipeline.ConnectionInfo) []byte {
		return func(dst []byte, _ *pipeline.ConnectionInfo) []byte { return append(dst, s...) }
	}
	for _, c := range []struct {
		name      string
		filter    func(f *script) // nil: none
		transport pipeline.TransportSocketFactory
		preface   func([]byte, *pipeline.ConnectionInfo) []byte
		smart     int
	}{
		{"nobody looked", nil, nil, nil, 0},
		{"looked at", looks, nil, nil, 1},
		{"drained", func(f *script) {
			looks(f)
			f.onData = func(data string) pipeline.FilterStatus {
				f.buffer.Drain(len(data))
				return pipeline.Continue
			}
		}, nil, nil, 0},
		{"behind another transport socket", looks, func() pipeline.TransportSocket { return new(silentSocket) }, nil, 0},
		{"a preface", nil, nil, preface("for you"), 1},
		{"an empty preface", nil, nil, preface(""), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			proxied(t, 0, nil, func(e *proxyEnv) {
				e.cluster.Update(tcpproxy.ClusterConfig{Name: "up", Hosts: []netip.AddrPort{e.address(e.upstream)}, Preface: c.preface})
				cfg := pipeline.ListenerConfig{FilterChains: []pipeline.FilterChain{{
					Filters: []pipeline.FilterFactory{e.proxy.Filter}, TransportSocket: c.transport,
				}}}
				if c.filter != nil {
					f := &script{e: e.env, name: "f", onData: func(string) pipeline.FilterStatus { return pipeline.Continue }}
					c.filter(f)
					cfg.ListenerFilters = []pipeline.ListenerFilterFactory{f.factory}
				}
				l := e.listen(cfg)
				client := e.dial(l.Address())
				client.write("hello")
				e.until("connected", func() bool { return e.cluster.Stats().CxActive == 1 })
				e.turns()
				if got := e.kernel.quickAcks; got != c.smart {
					e.Errorf("got %d calls for TCP_QUICKACK, want %d", got, c.smart)
				}
				client.reset()
				e.turns()
				l.Close()
			})
		})
	}
}

// silentSocket is a transport socket that waits for more, always.
type silentSocket struct {
	cb pipeline.TransportSocketCallbacks
}

func (s *silentSocket) SetTransportSocketCallbacks(cb pipeline.TransportSocketCallbacks) { s.cb = cb }
func (s *silentSocket) DoRead(*pipeline.Buffer) pipeline.IoResult                        { return pipeline.IoResult{} }
func (s *silentSocket) DoWrite(*pipeline.Buffer, bool) pipeline.IoResult                 { return pipeline.IoResult{} }
func (s *silentSocket) OnConnected()                                                     { s.cb.RaiseEvent(pipeline.Connected) }
func (s *silentSocket) CloseSocket(pipeline.ConnectionEvent)                             {}
func (s *silentSocket) CanFlushClose() bool                                              { return true }

func TestClusterUpdateIsForNewConnections(t *testing.T) {
	proxied(t, 0, nil, func(e *proxyEnv) {
		client := e.dial(e.listener.Address())
		up := e.accept()
		e.cluster.Update(tcpproxy.ClusterConfig{Name: "up"})
		e.dial(e.listener.Address()).wants("", "EOF")
		client.write("request")
		up.wants("request", "")
		client.fin()
		up.wants("", "EOF")
		up.fin()
		client.wants("", "EOF")
		e.turns()
		e.counts("upstream_cx_destroy=1 upstream_cx_none_healthy=1 upstream_cx_total=1 downstream_cx_no_route=1 downstream_cx_rx_bytes_total=7 downstream_cx_total=2")
	})
}

// address is where a descriptor of a peer is bound.
func (e *proxyEnv) address(fd poller.FD) netip.AddrPort {
	e.Helper()
	addr, err := e.peers.LocalAddr(fd)
	e.must(err)
	return addr
}

func TestProxyRelaysBothDirectionsAndTheirEnds(t *testing.T) {
	for _, first := range []string{"client", "upstream"} {
		t.Run(first+" ends first", func(t *testing.T) {
			proxied(t, 0, nil, func(e *proxyEnv) {
				client := e.dial(e.listener.Address())
				client.write("request")
				up := e.accept()
				up.wants("request", "")
				if first == "client" {
					client.fin()
					up.wants("", "EOF")
					up.write("answer")
					client.wants("answer", "")
					up.fin()
					client.wants("", "EOF")
				} else {
					up.write("answer")
					up.fin()
					client.wants("answer", "EOF")
					client.write("more")
					up.wants("more", "")
					client.fin()
					up.wants("", "EOF")
				}
				e.turns()
				e.counts(strings.NewReplacer("RX", map[string]string{"client": "7", "upstream": "11"}[first]).Replace(
					"upstream_cx_destroy=1 upstream_cx_total=1 downstream_cx_rx_bytes_total=RX downstream_cx_total=1 downstream_cx_tx_bytes_total=6"))
			})
		})
	}
}

func TestProxyKeepsARequestThatCameWithItsEndBeforeTheUpstreamWasThere(t *testing.T) {
	proxied(t, 0, nil, func(e *proxyEnv) {
		client := e.dial(e.listener.Address())
		client.write("request")
		client.fin()
		e.accept().wants("request", "EOF")
	})
}

func TestProxyClosesTheClientOfAnUpstreamThatRefuses(t *testing.T) {
	proxied(t, 0, nil, func(e *proxyEnv) {
		e.must(e.peers.Close(e.upstream))
		e.upstream = -1
		client := e.dial(e.listener.Address())
		client.wants("", "EOF")
		e.counts("upstream_cx_connect_fail=1 upstream_cx_destroy=1 upstream_cx_total=1 downstream_cx_total=1")
	})
}

func TestProxyWithoutHostsClosesTheClient(t *testing.T) {
	proxied(t, 0, func(netip.AddrPort) []netip.AddrPort { return nil }, func(e *proxyEnv) {
		client := e.dial(e.listener.Address())
		client.wants("", "EOF")
		e.counts("upstream_cx_none_healthy=1 downstream_cx_no_route=1 downstream_cx_total=1")
	})
}

func TestProxyTakesHostsInTurn(t *testing.T) {
	var dead netip.AddrPort
	proxied(t, 0, func(host netip.AddrPort) []netip.AddrPort {
		dead = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 1) // tcpmux: nobody
		return []netip.AddrPort{host, dead}
	}, func(e *proxyEnv) {
		for _, end := range []string{"", "EOF", "", "EOF"} {
			e.dial(e.listener.Address()).wants("", end)
		}
		e.counts("upstream_cx_active=2 upstream_cx_connect_fail=2 upstream_cx_destroy=2 upstream_cx_total=4 downstream_cx_total=4")
	})
}

func TestProxyPassesAResetOn(t *testing.T) {
	for _, who := range []string{"client", "upstream"} {
		t.Run(who, func(t *testing.T) {
			proxied(t, 0, nil, func(e *proxyEnv) {
				client := e.dial(e.listener.Address())
				up := e.accept()
				one, other := client, up
				if who == "upstream" {
					one, other = up, client
				}
				one.reset()
				other.wants("", "ECONNRESET")
			})
		})
	}
}

// An upstream that answers early and closes with bytes unread, which resets: the
// answer must arrive, and must not look complete.
func TestProxyDeliversWhatCameBeforeAReset(t *testing.T) {
	proxied(t, 0, nil, func(e *proxyEnv) {
		client := e.dial(e.listener.Address())
		client.write("a long request")
		up := e.accept()
		e.turns()
		up.write("413")
		up.close()
		client.wants("413", "ECONNRESET")
	})
}

// The same with a FIN: the answer is complete, whatever happens to the request.
func TestProxyDeliversACompleteAnswerToARequestThatNobodyReads(t *testing.T) {
	proxied(t, 0, nil, func(e *proxyEnv) {
		client := e.dial(e.listener.Address())
		up := e.accept()
		up.write("413")
		up.close()
		client.wants("413", "EOF")
		client.write("a long request")
		e.turns()
		e.counts("upstream_cx_destroy=1 upstream_cx_total=1 downstream_cx_rx_bytes_total=14 downstream_cx_total=1 downstream_cx_tx_bytes_total=3")
	})
}

func TestProxyWithAClientThatLeavesWhileItConnects(t *testing.T) {
	proxied(t, 0, nil, func(e *proxyEnv) {
		client := e.dial(e.listener.Address())
		client.reset()
		e.turns()
		e.counts("upstream_cx_destroy=1 upstream_cx_total=1 downstream_cx_total=1")
	})
}

func TestProxyClosesBothAfterSilence(t *testing.T) {
	proxied(t, 400*time.Millisecond, nil, func(e *proxyEnv) {
		client := e.dial(e.listener.Address())
		up := e.accept()
		for range 5 { // keep it alive for longer than the timeout
			client.write("x")
			e.turns()
			for end := e.kernel.Now() + 100*time.Millisecond; e.kernel.Now() < end; {
				e.must(e.loop.Turn(5 * time.Millisecond))
			}
		}
		e.until("idle", func() bool { return e.proxy.Stats().IdleTimeout == 1 })
		client.wants("", "EOF")
		up.wants("xxxxx", "EOF")
	})
}

// With a reader that does not read, the proxy stops reading from the writer: what it
// holds is bounded. Then everything arrives.
func TestProxyPushesBack(t *testing.T) {
	for _, writer := range []string{"client", "upstream"} {
		t.Run(writer+" writes", func(t *testing.T) {
			proxied(t, 0, nil, func(e *proxyEnv) {
				client := e.dial(e.listener.Address())
				from, to := client, e.accept()
				if writer == "upstream" {
					from, to = to, from
				}
				sent, stuck := 0, 0
				chunk := make([]byte, 64<<10)
				for stuck < 3 && sent < 64<<20 {
					for i := range chunk {
						chunk[i] = byte((sent + i) * 7 >> 3)
					}
					n, err := e.peers.Write(from.fd, chunk)
					if err != nil {
						stuck++
						e.turns()
						continue
					}
					sent, stuck = sent+n, 0
				}
				if stuck < 3 {
					e.Fatalf("sent %d bytes and the proxy still takes more", sent)
				}
				from.fin()
				got, end := 0, ""
				for range 20000 {
					var data string
					data, end = to.read()
					for i := range len(data) {
						if data[i] != byte((got+i)*7>>3) {
							e.Fatalf("byte %d of %d is wrong", got+i, sent)
						}
					}
					if got += len(data); end != "" {
						break
					}
					e.must(e.loop.Turn(time.Millisecond))
				}
				if got != sent || end != "EOF" {
					e.Errorf("got %d bytes and %q, want %d and EOF", got, end, sent)
				}
			})
		})
	}
}

func TestProxiedConnectionNeedsFewSystemCalls(t *testing.T) {
	proxied(t, 0, nil, func(e *proxyEnv) {
		e.kernel.calls = map[string]int{}
		client := e.dial(e.listener.Address())
		client.write("request")
		up := e.accept()
		up.wants("request", "")
		up.write("answer")
		client.wants("answer", "")
		client.fin()
		up.wants("", "EOF")
		up.fin()
		client.wants("", "EOF")
		delete(e.kernel.calls, "wait")
		total := 0
		for _, n := range e.kernel.calls {
			total += n
		}
		if total > 13 { // and connect, shutdown, getpeername: not counted
			e.Errorf("got %d calls, want at most 13: %v", total, e.kernel.calls)
		}
		e.Logf("%d calls: %v", total, e.kernel.calls)
	})
}
