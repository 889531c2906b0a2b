package pipeline_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/httpinspector"
	"edgewise.test/pipeline/localratelimit"
	"edgewise.test/pipeline/originaldst"
	"edgewise.test/pipeline/originalsrc"
	"edgewise.test/pipeline/proxyprotocol"
	"edgewise.test/pipeline/tlsinspector"
	"edgewise.test/poller"
	"edgewise.test/proptest"
)

// inspection is a stream through the listener filters of Envoy's names, and what
// has to come of it however the stream was cut.
type inspection struct {
	name    string
	filters func() *inspectors
	stream  string
	dial    func(p *fakepoller.Peer) (*fakepoller.Conn, error) // nil: Dial
	want    string
	counted string // counters of the filters that are not 0
}

// inspectors are the filters of one run.
type inspectors struct {
	factories []pipeline.ListenerFilterFactory
	snapshots []func() pipeline.Snapshot
	describe  func(info *pipeline.ConnectionInfo) string
}

// counted returns the counters that are not 0.
func (in *inspectors) counted() string {
	var all []string
	for _, snapshot := range in.snapshots {
		for _, s := range snapshot() {
			if s.Value > 0 {
				all = append(all, fmt.Sprintf("%s=%d", s.Name, s.Value))
			}
		}
	}
	return strings.Join(all, " ")
}

// inspecting is one run of an inspection.
type inspecting struct {
	*inspection
	*inspectors
	world    *fakepoller.World
	listener *pipeline.Listener
	found    string // what the connection was told
	sink     sinkFilter
}

// sinkFilter keeps what a connection reads.
type sinkFilter struct{ got []byte }

func (s *sinkFilter) OnNewConnection(pipeline.ReadFilterCallbacks) pipeline.FilterStatus {
	return pipeline.Continue
}

func (s *sinkFilter) OnData(data *pipeline.Buffer, _ bool) pipeline.FilterStatus {
	s.got = append(s.got, data.Bytes()...)
	data.Drain(data.Len())
	return pipeline.StopIteration
}

// start makes the listener, and a client that sends stream and does the rest.
func (i *inspection) start(w *fakepoller.World, stream string, rest func(p *fakepoller.Peer, c *fakepoller.Conn)) (*inspecting, error) {
	r := &inspecting{inspection: i, inspectors: i.filters(), world: w}
	k := w.NewWorker()
	loop := pipeline.NewLoop(k)
	fd, err := poller.ListenTCP(k, listenAddr, poller.ListenConfig{})
	if err != nil {
		return nil, err
	}
	r.listener, err = pipeline.NewListener(loop, fd, &pipeline.ListenerConfig{
		StatPrefix: "edge", ListenerFilters: r.factories,
		FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{func(c *pipeline.Connection) {
			r.found = r.describe(c.Info())
			c.AddReadFilter(&r.sink)
		}}}},
	})
	if err != nil {
		return nil, err
	}
	k.Go(func() { loop.Run() })
	w.Peer("client", func(p *fakepoller.Peer) {
		dial := i.dial
		if dial == nil {
			dial = func(p *fakepoller.Peer) (*fakepoller.Conn, error) { return p.Dial(listenAddr) }
		}
		if c, err := dial(p); err == nil {
			c.Write([]byte(stream))
			rest(p, c)
		}
	})
	return r, nil
}

// linger gives the filters the time that a stream of single bytes takes, within
// their timeout.
func linger(p *fakepoller.Peer, _ *fakepoller.Conn) { p.Sleep(10 * time.Second) }

// outcome is how the one socket ended, for what it was taken, and what its
// connection has read.
func (r *inspecting) outcome() string {
	s := r.listener.Stats()
	switch {
	case s.PreCxTotal != 1:
		return fmt.Sprintf("%d sockets", s.PreCxTotal)
	case s.FilterReject == 1:
		return "refused"
	case s.FilterRemoteClose == 1:
		return "remote close"
	case s.FilterError == 1:
		return "error"
	case s.PreCxTimeout == 1:
		return "timeout"
	}
	return fmt.Sprintf("%s | %.40q %d", r.found, r.sink.got, len(r.sink.got))
}

// run takes stream through the filters under plan. The laws of counting, which say
// that a socket ends once, have to hold, and nothing may be left open.
func (i *inspection) run(t *testing.T, plan faults.Plan, stream string, rest func(p *fakepoller.Peer, c *fakepoller.Conn)) (outcome, counted string) {
	t.Helper()
	w := fakepoller.New(fakepoller.Config{Source: plan.Source()})
	defer w.Close()
	r, err := i.start(w, stream, rest)
	if err != nil {
		t.Fatal(err)
	}
	w.Run()
	if err := pipeline.CheckEnded(r.listener.Snapshot()); err != nil {
		t.Errorf("%v\n%v", err, r.listener.Snapshot())
	}
	for _, finding := range w.Audit() {
		t.Errorf("%v", finding)
	}
	return r.outcome(), r.inspectors.counted()
}

func cut(from, to, bytes int) faults.Plan {
	return faults.Plan{Deviations: []faults.Deviation{{Actor: "conn 1", Op: faults.Segment, From: from, To: to, Outcome: bytes}}}
}

// step is how far apart the cuts of a stream are: long ones are not cut everywhere.
func (i *inspection) step() int {
	if testing.Short() {
		return 1 + len(i.stream)/30
	}
	return 1 + len(i.stream)/300
}

func TestFiltersSeeTheSameStreamAtEverySplit(t *testing.T) {
	for _, c := range inspections {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			check := func(plan faults.Plan) {
				t.Helper()
				outcome, counted := c.run(t, plan, c.stream, linger)
				if outcome != c.want || counted != c.counted {
					t.Errorf("got  %s [%s]\nwant %s [%s]\n%s", outcome, counted, c.want, c.counted, plan)
				}
			}
			check(faults.Plan{})
			for at := 1; at < len(c.stream); at += c.step() {
				check(cut(1, 1, at))
			}
			if len(c.stream) < 5000 {
				check(cut(1, faults.Onward, 1))
			} else {
				check(cut(1, faults.Onward, 1000))
			}
		})
	}
}

// A FIN ends the socket where the filters would have waited, and changes nothing
// where they would not. A reset ends it in any way, once.
func TestFiltersAtTheEndOfTheStreamAtEveryByte(t *testing.T) {
	for _, c := range inspections {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for at := 0; at <= len(c.stream); at += c.step() {
				prefix := c.stream[:at]
				want, counted := c.run(t, faults.Plan{}, prefix, func(p *fakepoller.Peer, _ *fakepoller.Conn) { p.Sleep(time.Minute) })
				if want == "timeout" {
					want = "remote close"
				}
				for _, pause := range []time.Duration{0, time.Millisecond} {
					got, gotCounted := c.run(t, faults.Plan{}, prefix, func(p *fakepoller.Peer, conn *fakepoller.Conn) {
						p.Sleep(pause)
						conn.CloseWrite()
						p.Sleep(time.Minute)
					})
					if got != want || gotCounted != counted {
						t.Errorf("FIN %v after %d bytes: got %s [%s], want %s [%s]", pause, at, got, gotCounted, want, counted)
					}
					got, gotCounted = c.run(t, faults.Plan{}, prefix, func(p *fakepoller.Peer, conn *fakepoller.Conn) {
						p.Sleep(pause)
						conn.Reset()
					})
					if got == "timeout" || gotCounted != counted && gotCounted != "" {
						t.Errorf("RST %v after %d bytes: got %s [%s], want an end, with [%s] or nothing counted", pause, at, got, gotCounted, counted)
					}
				}
			}
		})
	}
}

// Invariants in every schedule: a connection that is made was told the same and
// reads the same bytes; who is refused was to be refused; the counters are those of
// the calm run, or none.
func TestFiltersInEverySchedule(t *testing.T) {
	for _, c := range inspections {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			schedules := 2000
			if testing.Short() {
				if schedules = 200; len(c.stream) > 5000 {
					t.Skip("a long stream takes 0.1 s per schedule with -race")
				}
			}
			proptest.Config{
				Schedules: schedules,
				Scenario: func(w *proptest.World) {
					r, err := c.start(w.World, c.stream, linger)
					if err != nil {
						w.Fatalf("start: %v", err)
					}
					w.Run()
					s, counted := r.listener.Stats(), r.inspectors.counted()
					found, _, _ := strings.Cut(c.want, " | ")
					switch {
					case counted != c.counted && counted != "":
						w.Errorf("counters: got [%s], want [%s] or none", counted, c.counted)
					case s.PreCxConnected == 1 && (r.found != found || counted != c.counted):
						w.Errorf("connected: got %s [%s], want %s [%s]", r.found, counted, found, c.counted)
					case s.FilterReject == 1 && (c.want != "refused" || counted != c.counted):
						w.Errorf("refused: got refused [%s], want %s [%s]", counted, c.want, c.counted)
					}
					if s.PreCxConnected == 1 {
						w.Delivered("payload", []byte(c.payload()), r.sink.got, false)
					}
					w.Counted(r.listener.Snapshot())
				},
			}.Check(t)
		})
	}
}

// payload is what the connection is to read: the end of the stream whose length
// want says.
func (i *inspection) payload() string {
	n := 0
	fmt.Sscan(i.want[strings.LastIndexByte(i.want, ' ')+1:], &n)
	return i.stream[len(i.stream)-n:]
}

// onlyHTTP is an http_inspector alone, behind others if there are any.
func onlyHTTP(before ...pipeline.ListenerFilterFactory) func() *inspectors {
	return func() *inspectors {
		i := &httpinspector.Inspector{}
		return &inspectors{
			factories: append(before[:len(before):len(before)], i.Filter),
			snapshots: []func() pipeline.Snapshot{i.Snapshot},
			describe:  func(info *pipeline.ConnectionInfo) string { return fmt.Sprint(info.RequestedApplicationProtocols()) },
		}
	}
}

func onlyProxyProtocol(cfg proxyprotocol.Config) func() *inspectors {
	return func() *inspectors {
		f, err := proxyprotocol.New(cfg)
		if err != nil {
			panic(err)
		}
		return &inspectors{
			factories: []pipeline.ListenerFilterFactory{f.Filter, originalsrc.Filter(originalsrc.Config{Mark: 7})},
			snapshots: []func() pipeline.Snapshot{f.Snapshot},
			describe:  describeAddresses,
		}
	}
}

func describeAddresses(info *pipeline.ConnectionInfo) string {
	s := fmt.Sprintf("%v>%v", info.RemoteAddress().Addr(), info.LocalAddress())
	if info.LocalAddressRestored() {
		s += " restored"
	}
	s += fmt.Sprintf(" direct %v source %v mark %d", info.DirectRemoteAddress().Addr(), info.UpstreamSocketOptions().SourceAddress, info.UpstreamSocketOptions().Mark)
	if h, ok := proxyprotocol.Received(info); ok {
		s += fmt.Sprintf(" v%d", h.Version)
		for t := range h.TLVs.All() {
			s += fmt.Sprintf(" %02x=%s", t.Type, t.Value)
		}
	}
	if v, ok := proxyprotocol.Value(info, "authority"); ok {
		s += " authority=" + v
	}
	return s
}

func mustAddr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// tlvs is a header of version 2 with an authority twice and a unique id of n bytes.
func tlvs(n int) string {
	h, err := proxyprotocol.AppendV2(nil, mustAddr("192.0.2.1:1000"), mustAddr("198.51.100.2:443"),
		proxyprotocol.TLV{Type: proxyprotocol.TypeAuthority, Value: []byte("first.test")},
		proxyprotocol.TLV{Type: proxyprotocol.TypeUniqueID, Value: []byte(strings.Repeat("u", n))},
		proxyprotocol.TLV{Type: proxyprotocol.TypeAuthority, Value: []byte("edge.test")})
	if err != nil {
		panic(err)
	}
	return string(h)
}

const (
	request   = "GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n"
	prefaceH2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	headerV1  = "PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\n"
	direct    = "127.0.0.1>127.0.0.1:443 direct 127.0.0.1 source 127.0.0.1 mark 7"
	restored  = "192.0.2.1>198.51.100.2:443 restored direct 127.0.0.1 source 192.0.2.1 mark 7"
)

var longRequest = "GET /" + strings.Repeat("x", 20000) + " HTTP/1.1\r\n\r\n"

func quoted(found, payload string) string {
	return fmt.Sprintf("%s | %.40q %d", found, payload, len(payload))
}

var inspections = []*inspection{
	{name: "HTTP 1.1", filters: onlyHTTP(), stream: request, want: quoted("[http/1.1]", request), counted: "http_inspector.http11_found=1"},
	{name: "HTTP 1.0", filters: onlyHTTP(), stream: "GET / HTTP/1.0\r\n\r\n", want: quoted("[http/1.0]", "GET / HTTP/1.0\r\n\r\n"), counted: "http_inspector.http10_found=1"},
	{name: "HTTP 2", filters: onlyHTTP(), stream: prefaceH2 + "\x00\x00\x00\x04", want: quoted("[h2c]", prefaceH2+"\x00\x00\x00\x04"), counted: "http_inspector.http2_found=1"},
	{name: "not HTTP", filters: onlyHTTP(), stream: "PRI * SSH-2.0", want: quoted("[]", "PRI * SSH-2.0"), counted: "http_inspector.http_not_found=1"},
	{name: "half a request line", filters: onlyHTTP(), stream: "GET / HT", want: "remote close"},
	{name: "a long request line", filters: onlyHTTP(), stream: longRequest, want: quoted("[http/1.1]", longRequest), counted: "http_inspector.http11_found=1"},
	{
		// The bigger buffer of the filter in front meets the wish already: envoy PR 40544.
		name: "a long request line behind tls_inspector", filters: onlyHTTP(tlsinspector.NewFilter), stream: longRequest,
		want: quoted("[http/1.1]", longRequest), counted: "http_inspector.http11_found=1",
	},
	{name: "an endless request line", filters: onlyHTTP(), stream: "GET /" + strings.Repeat("x", 64<<10), want: "refused", counted: "http_inspector.read_error=1"},

	{
		name: "PROXY version 1", filters: onlyProxyProtocol(proxyprotocol.Config{}), stream: headerV1 + request,
		want: quoted(restored+" v1", request), counted: "proxy_proto.versions.v1.found=1",
	}, {
		name: "PROXY version 2", stream: tlvs(4) + request,
		filters: onlyProxyProtocol(proxyprotocol.Config{
			StatPrefix: "edge", PassThroughTLVs: []byte{proxyprotocol.TypeUniqueID},
			Rules: []proxyprotocol.Rule{{TLVType: proxyprotocol.TypeAuthority, Key: "authority"}},
		}),
		want: quoted(restored+" v2 05=uuuu authority=edge.test", request), counted: "proxy_proto.edge.versions.v2.found=1",
	}, {
		name: "PROXY version 2, long", filters: onlyProxyProtocol(proxyprotocol.Config{PassThroughAllTLVs: true}), stream: tlvs(2000) + request,
		want:    quoted(restored+" v2 02=first.test 05="+strings.Repeat("u", 2000)+" 02=edge.test", request),
		counted: "proxy_proto.versions.v2.found=1",
	}, {
		name: "PROXY UNKNOWN", filters: onlyProxyProtocol(proxyprotocol.Config{}), stream: "PROXY UNKNOWN\r\n" + request,
		want: quoted(direct+" v1", request), counted: "proxy_proto.versions.v1.found=1",
	}, {
		// CVE-2024-23327: nothing may use the addresses that it has not.
		name: "PROXY LOCAL", filters: onlyProxyProtocol(proxyprotocol.Config{}), stream: "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00" + request,
		want: quoted(direct+" v2", request), counted: "proxy_proto.versions.v2.found=1",
	}, {
		name: "PROXY in an IPv6 form", filters: onlyProxyProtocol(proxyprotocol.Config{}),
		stream: "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1000 443\r\n" + request,
		want:   quoted(restored+" v1", request), counted: "proxy_proto.versions.v1.found=1",
	}, {
		name: "PROXY to where it came", filters: onlyProxyProtocol(proxyprotocol.Config{}),
		stream: "PROXY TCP4 192.0.2.1 127.0.0.1 1000 443\r\n" + request,
		want:   quoted("192.0.2.1>127.0.0.1:443 direct 127.0.0.1 source 192.0.2.1 mark 7 v1", request), counted: "proxy_proto.versions.v1.found=1",
	}, {
		name: "PROXY with a bad address", filters: onlyProxyProtocol(proxyprotocol.Config{}), stream: "PROXY TCP4 192.0.2.1 0.0.0.0 1000 443\r\n",
		want: "refused", counted: "downstream_cx_proxy_proto_error=1 proxy_proto.versions.v1.error=1",
	}, {
		name: "PROXY AF_UNSPEC", filters: onlyProxyProtocol(proxyprotocol.Config{}), stream: "\r\n\r\n\x00\r\nQUIT\n\x21\x00\x00\x00" + request,
		want: "refused", counted: "downstream_cx_proxy_proto_error=1 proxy_proto.versions.v2.error=1",
	}, {
		name: "no PROXY header", filters: onlyProxyProtocol(proxyprotocol.Config{}), stream: request,
		want: "refused", counted: "downstream_cx_proxy_proto_error=1 proxy_proto.not_found_disallowed=1",
	}, {
		name: "no PROXY header, allowed", filters: onlyProxyProtocol(proxyprotocol.Config{AllowRequestsWithoutProxyProtocol: true}), stream: "PROXIMA\r\n",
		want: quoted(direct, "PROXIMA\r\n"), counted: "proxy_proto.not_found_allowed=1",
	}, {
		name: "PROXY header where none is wanted", filters: onlyProxyProtocol(proxyprotocol.Config{AllowRequestsWithoutProxyProtocol: true}), stream: headerV1 + request,
		want: quoted(restored+" v1", request), counted: "proxy_proto.versions.v1.found=1",
	}, {
		name: "PROXY version not allowed", filters: onlyProxyProtocol(proxyprotocol.Config{DisallowedVersions: []proxyprotocol.Version{1}}), stream: headerV1 + request,
		want: "refused", counted: "proxy_proto.versions.v1.disallowed=1 proxy_proto.versions.v1.found=1",
	}, {
		name: "PROXY version not allowed is payload", stream: headerV1 + request,
		filters: onlyProxyProtocol(proxyprotocol.Config{DisallowedVersions: []proxyprotocol.Version{1}, AllowRequestsWithoutProxyProtocol: true}),
		want:    quoted(direct, headerV1+request), counted: "proxy_proto.not_found_allowed=1",
	}, {
		name: "half a PROXY header", filters: onlyProxyProtocol(proxyprotocol.Config{}), stream: tlvs(4)[:30], want: "remote close",
	},

	{
		name: "redirected", stream: request,
		filters: func() *inspectors {
			return &inspectors{factories: []pipeline.ListenerFilterFactory{originaldst.NewFilter}, describe: describeAddresses}
		},
		dial: func(p *fakepoller.Peer) (*fakepoller.Conn, error) {
			return p.DialRedirected(mustAddr("10.0.0.9:0"), mustAddr("203.0.113.7:8443"), listenAddr)
		},
		want: quoted("10.0.0.9>203.0.113.7:8443 restored direct 10.0.0.9 source invalid IP mark 0", request),
	}, {
		name: "not redirected", stream: request,
		filters: func() *inspectors {
			return &inspectors{factories: []pipeline.ListenerFilterFactory{originaldst.NewFilter}, describe: describeAddresses}
		},
		want: quoted("127.0.0.1>127.0.0.1:443 direct 127.0.0.1 source invalid IP mark 0", request),
	}, {
		name: "rate limited", stream: request, filters: limited(true), want: "refused", counted: "listener_local_ratelimit.edge.rate_limited=1",
	}, {
		name: "not rate limited", stream: request, filters: limited(false), want: quoted("", request),
	},
}

// limited is a limiter whose only token is gone, or is there.
func limited(empty bool) func() *inspectors {
	return func() *inspectors {
		l, err := localratelimit.New(localratelimit.Config{StatPrefix: "edge", MaxTokens: 1, FillInterval: 1000 * time.Hour})
		if err != nil {
			panic(err)
		}
		in := &inspectors{
			factories: []pipeline.ListenerFilterFactory{l.Filter},
			snapshots: []func() pipeline.Snapshot{l.Snapshot},
			describe:  func(*pipeline.ConnectionInfo) string { return "" },
		}
		if empty {
			in.factories = append(in.factories, l.Filter) // takes the token a second time
		}
		return in
	}
}
