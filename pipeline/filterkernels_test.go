package pipeline_test

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/pipeline/httpinspector"
	"edgewise.test/pipeline/localratelimit"
	"edgewise.test/pipeline/originaldst"
	"edgewise.test/pipeline/originalsrc"
	"edgewise.test/pipeline/proxyprotocol"
	"edgewise.test/poller"
)

// filtered returns a listener whose connections are described in the log, and
// echoed.
func (e *env) filtered(describe func(info *pipeline.ConnectionInfo) string, factories ...pipeline.ListenerFilterFactory) *pipeline.Listener {
	return e.listen(pipeline.ListenerConfig{
		ListenerFilters: factories,
		FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{
			func(c *pipeline.Connection) { e.logf("%s", describe(c.Info())) }, echo.Filter,
		}}},
	})
}

func protocolsOf(info *pipeline.ConnectionInfo) string {
	return fmt.Sprint(info.RequestedApplicationProtocols())
}

func remoteOf(info *pipeline.ConnectionInfo) string { return info.RemoteAddress().String() }

// A filter object serves one socket after another.
func TestFiltersKeepNothingOfTheirPredecessors(t *testing.T) {
	onKernels(t, func(e *env) {
		inspector, proxies := &httpinspector.Inspector{}, must(proxyprotocol.New(proxyprotocol.Config{}))
		l := e.filtered(func(info *pipeline.ConnectionInfo) string {
			_, received := proxyprotocol.Received(info)
			return fmt.Sprint(protocolsOf(info), " ", info.LocalAddressRestored(), received, info.UpstreamSocketOptions().SourceAddress)
		}, proxies.Filter, inspector.Filter, originalsrc.Filter(originalsrc.Config{}))
		for _, c := range []struct{ stream, told string }{
			{headerV1 + "GET / HT", ""},
			{headerV1 + request, "[http/1.1] true true 192.0.2.1"},
			{headerV1 + "GET /" + strings.Repeat("x", 9000), ""},
			{"PROXY UNKNOWN\r\n" + "no HTTP", "[] false true 127.0.0.1"},
		} {
			p := e.dial(l.Address())
			p.write(c.stream)
			e.turns()
			e.told(c.told)
			p.close()
			e.turns()
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestHTTPInspectorLeavesOtherTransportsAlone(t *testing.T) {
	onKernels(t, func(e *env) {
		for _, c := range []struct{ protocol, want string }{{"tls", "[h2]"}, {"raw_buffer", "[http/1.1]"}, {"", "[http/1.1]"}} {
			f := &script{e: e, name: "a"}
			f.onAccept = func() pipeline.FilterStatus {
				f.cb.Socket().Info().SetDetectedTransportProtocol(c.protocol)
				f.cb.Socket().Info().AddRequestedApplicationProtocol([]byte("h2"))
				return pipeline.Continue
			}
			l := e.filtered(protocolsOf, f.factory, (&httpinspector.Inspector{}).Filter)
			p := e.dial(l.Address())
			p.write(request)
			e.turns()
			e.told("a.accept; " + c.want)
		}
	})
}

// Whoever adds a protocol after http_inspector must not add it for everybody.
func TestFoundHTTPProtocolIsTheConnectionsOwn(t *testing.T) {
	onKernels(t, func(e *env) {
		l := e.filtered(func(info *pipeline.ConnectionInfo) string {
			before := protocolsOf(info)
			info.AddRequestedApplicationProtocol([]byte("x"))
			return before + protocolsOf(info)
		}, (&httpinspector.Inspector{}).Filter)
		for range 2 {
			p := e.dial(l.Address())
			p.write(request)
			e.turns()
			e.told("[http/1.1][http/1.1 x]")
		}
	})
}

// The upstream sees the address that the PROXY header names.
func TestUpstreamConnectionComesFromTheOriginalSource(t *testing.T) {
	proxied(t, 0, nil, func(e *proxyEnv) {
		l := e.listen(pipeline.ListenerConfig{
			ListenerFilters: []pipeline.ListenerFilterFactory{
				must(proxyprotocol.New(proxyprotocol.Config{})).Filter, originalsrc.Filter(originalsrc.Config{}),
			},
			FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{e.proxy.Filter}}},
		})
		p := e.dial(l.Address())
		p.write("PROXY TCP4 127.0.0.9 198.51.100.2 1000 443\r\nhello")
		up := e.accept()
		up.wants("hello", "")
		from, err := e.peers.PeerAddr(up.fd)
		e.must(err)
		if got, want := from.Addr(), netip.MustParseAddr("127.0.0.9"); got != want {
			e.Errorf("upstream connection comes from %v, want %v", got, want)
		}
		l.Close()
		e.counts("upstream_cx_destroy=1 upstream_cx_total=1 downstream_cx_rx_bytes_total=5 downstream_cx_total=1")
	})
}

func TestUpstreamConnectionFromAnAddressThatIsNotOurs(t *testing.T) {
	proxied(t, 0, nil, func(e *proxyEnv) {
		l := e.listen(pipeline.ListenerConfig{
			ListenerFilters: []pipeline.ListenerFilterFactory{
				must(proxyprotocol.New(proxyprotocol.Config{})).Filter, originalsrc.Filter(originalsrc.Config{}),
			},
			FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{e.proxy.Filter}}},
		})
		p := e.dial(l.Address())
		p.write("PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\n")
		p.wants("", "EOF")
		e.counts("upstream_cx_connect_fail=1 upstream_cx_destroy=1 upstream_cx_total=1 downstream_cx_total=1")
	})
}

// markingKernel has the power to mark; *stub has not.
type markingKernel struct {
	*stub
	marks []uint32
	err   error
}

func (k *markingKernel) SetMark(_ poller.FD, mark uint32) error {
	k.marks = append(k.marks, mark)
	return k.err
}

func TestUpstreamSocketOptionsThatTheKernelCannotDo(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	for _, c := range []struct {
		name    string
		kernel  func(e *env) poller.Kernel
		options pipeline.UpstreamSocketOptions
		want    string // of the failure
	}{
		{"mark", func(e *env) poller.Kernel { return &markingKernel{stub: e.kernel} }, pipeline.UpstreamSocketOptions{Mark: 7}, "<nil>"},
		{"no right to mark", func(e *env) poller.Kernel { return &markingKernel{stub: e.kernel, err: syscall.EPERM} },
			pipeline.UpstreamSocketOptions{Mark: 7}, "set mark: operation not permitted"},
		{"no marks", func(e *env) poller.Kernel { return e.kernel }, pipeline.UpstreamSocketOptions{Mark: 7}, "set mark: operation not supported"},
		{"no bind", func(e *env) poller.Kernel { return struct{ poller.Kernel }{e.kernel} },
			pipeline.UpstreamSocketOptions{SourceAddress: loopback}, "bind: operation not supported"},
		{"bind", func(e *env) poller.Kernel { return e.kernel }, pipeline.UpstreamSocketOptions{SourceAddress: loopback}, "<nil>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onKernels(t, func(e *env) {
				k := c.kernel(e)
				e.loop = pipeline.NewLoop(k)
				_, to := e.socket()
				conn := pipeline.NewClientConnection(e.loop, to, pipeline.ClientConfig{SocketOptions: c.options})
				conn.Connect()
				e.turns()
				got := fmt.Sprint(conn.Failure())
				if i := strings.Index(got, c.want); i < 0 || c.want == "<nil>" && i > 0 {
					e.Errorf("got failure %v, want %s", got, c.want)
				}
				if m, ok := k.(*markingKernel); ok && fmt.Sprint(m.marks) != "[7]" {
					e.Errorf("got marks %v, want [7]", m.marks)
				}
				conn.Close(pipeline.NoFlush)
			})
		})
	}
}

// noOriginalDst is a kernel without the optional power.
type noOriginalDst struct{ poller.System }

func TestOriginalDstWithoutThePowerContinues(t *testing.T) {
	onKernels(t, func(e *env) {
		for _, k := range []poller.Kernel{e.kernel.System, noOriginalDst{e.kernel.System}} {
			e.loop = pipeline.NewLoop(k)
			l := e.filtered(func(info *pipeline.ConnectionInfo) string { return fmt.Sprint(info.LocalAddressRestored()) }, originaldst.NewFilter)
			e.dial(l.Address())
			e.turns()
			e.told("false")
			l.Close()
		}
	})
}

func TestRateLimitIsSharedByTheListenersOfALoop(t *testing.T) {
	e := newFakeEnv(t)
	enabled := true
	limiter := must(localratelimit.New(localratelimit.Config{
		StatPrefix: "edge", MaxTokens: 2, FillInterval: time.Second, RuntimeEnabled: func() bool { return enabled },
	}))
	a, b := e.filtered(remoteOf, limiter.Filter), e.filtered(remoteOf, limiter.Filter)
	connect := func(l *pipeline.Listener, refused bool) {
		t.Helper()
		before := limiter.Stats().RateLimited
		p := e.dial(l.Address())
		p.write("x")
		end, data := "", "x"
		if refused {
			end, data = "ECONNRESET", ""
		}
		p.wants(data, end)
		if got := limiter.Stats().RateLimited - before; got == 1 != refused {
			t.Errorf("got %d refused, want %v", got, refused)
		}
	}
	connect(a, false)
	connect(b, false)
	connect(a, true)
	connect(b, true)
	enabled = false
	connect(a, false)
	enabled = true
	connect(a, true)
	e.peers.Wait(make([]poller.Event, 1), time.Second)
	e.turns()
	connect(b, false)
	connect(a, true)
	if got, want := limiter.Snapshot().Get("listener_local_ratelimit.edge.rate_limited"), uint64(4); got != want {
		t.Errorf("rate_limited: got %d, want %d", got, want)
	}
}

func TestFilterDisabledSkipsByThePortThatIsKnownByThen(t *testing.T) {
	redirected := &inspection{
		stream: headerV1 + request,
		dial: func(p *fakepoller.Peer) (*fakepoller.Conn, error) {
			return p.DialRedirected(mustAddr("10.0.0.9:0"), mustAddr("203.0.113.7:8443"), listenAddr)
		},
		filters: func() *inspectors {
			proxies, inspector := must(proxyprotocol.New(proxyprotocol.Config{})), &httpinspector.Inspector{}
			return &inspectors{
				factories: []pipeline.ListenerFilterFactory{
					pipeline.FilterDisabled(pipeline.MatchDestinationPort(8443, 8444), (&httpinspector.Inspector{}).Filter), // the port is 443
					originaldst.NewFilter,
					pipeline.FilterDisabled(pipeline.MatchDestinationPort(8443, 8444), proxies.Filter), // the port is 8443: skipped
					pipeline.FilterDisabled(pipeline.MatchNot(pipeline.MatchDestinationPort(8443, 8444)), inspector.Filter),
				},
				snapshots: []func() pipeline.Snapshot{proxies.Snapshot, inspector.Snapshot},
				describe:  remoteOf,
			}
		},
	}
	outcome, counted := redirected.run(t, faults.Plan{}, redirected.stream, linger)
	if !strings.HasSuffix(outcome, fmt.Sprintf(" %d", len(redirected.stream))) || counted != "http_inspector.http_not_found=1" {
		t.Errorf("got %s [%s], want all of the stream and http_not_found", outcome, counted)
	}
}
