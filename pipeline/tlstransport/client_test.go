package tlstransport_test

import (
	"crypto/tls"
	"io"
	"net/netip"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/tlstransport"
)

// A client connection shakes hands with a crypto/tls server, writes what it kept
// meanwhile, and reads the answer to the end.
func TestClientConnection(t *testing.T) {
	upstream := netip.MustParseAddrPort("127.0.0.1:8443")
	request := pattern(40_000)
	for _, c := range []struct {
		name    string
		trusted bool
		stat    string
	}{{"trusted", true, "cluster.up.ssl.handshake"}, {"not trusted", false, "cluster.up.ssl.fail_verify_error"}} {
		t.Run(c.name, func(t *testing.T) {
			server, client := configs(identities["Ed25519"]())
			if !c.trusted {
				client.RootCAs = identities["ECDSA"]().pool
			}
			w := fakepoller.New(fakepoller.Config{})
			t.Cleanup(w.Close)
			w.Peer("upstream", func(p *fakepoller.Peer) {
				l, err := p.Listen(upstream)
				if err != nil {
					t.Error(err)
					return
				}
				conn, err := l.Accept()
				if err != nil {
					return
				}
				tc := tls.Server(conn, server)
				got, err := io.ReadAll(tc)
				if (err == nil) != c.trusted {
					t.Errorf("upstream: got %v", err)
				}
				tc.Write(got)
				tc.Close()
			})
			factory := tlstransport.NewClient(tlstransport.Config{TLS: client, StatPrefix: "cluster.up."})
			var got []byte
			var events []pipeline.ConnectionEvent
			k := w.NewWorker()
			k.Go(func() {
				loop := pipeline.NewLoop(k)
				conn := pipeline.NewClientConnection(loop, upstream, pipeline.ClientConfig{
					TransportSocket: factory.TransportSocket, ConnectTimeout: 10 * time.Second, BufferLimitBytes: 30_000,
				})
				conn.AddReadFilter(onData(func(data *pipeline.Buffer, _ bool) {
					got = append(got, data.Bytes()...)
					data.Drain(data.Len())
				}))
				conn.AddConnectionCallbacks(onEvent(func(e pipeline.ConnectionEvent) {
					events = append(events, e)
					if _, ok := tlstransport.StateOf(conn); ok != c.trusted {
						t.Errorf("StateOf at %v: got %t, want %t", e, ok, c.trusted)
					}
				}))
				conn.EnableHalfClose(true)
				var b pipeline.Buffer
				b.Write(request)
				conn.Write(&b, true)
				conn.Connect()
				loop.Run()
			})
			w.Run()
			for _, finding := range w.Audit() {
				t.Errorf("audit: %v", finding)
			}
			if c.trusted && string(got) != string(request) {
				t.Errorf("answer: got %d bytes, want %d", len(got), len(request))
			}
			want := 1 // the end
			if c.trusted {
				want = 2
			}
			if len(events) != want {
				t.Errorf("events: got %v, want %d", events, want)
			}
			if n := factory.Snapshot().Get(c.stat); n != 1 {
				t.Errorf("%s: got %d, want 1\n%v", c.stat, n, factory.Snapshot())
			}
		})
	}
}

// A filter that waits for something else, such as an upstream, does not stop the
// handshake; it gets the data when it reads again.
func TestHandshakeGoesOnWhileReadingIsDisabled(t *testing.T) {
	server, client := configs(identities["Ed25519"]())
	r := newRig(t, options{config: tlstransport.Config{TLS: server}, filter: func(c *pipeline.Connection) {
		c.EnableHalfClose(true)
		c.AddReadFilter(onData(func(data *pipeline.Buffer, endStream bool) {
			if now := c.Loop().Now(); now < time.Minute {
				t.Errorf("data at %v, want none for a minute", now)
			}
			c.Write(data, endStream)
		}))
		c.ReadDisable(true)
		c.Loop().NewTimer(func() { c.ReadDisable(false) }).Enable(time.Minute)
	}, timeout: 10 * time.Second})
	r.client("client", func(p *fakepoller.Peer, c *fakepoller.Conn) {
		conn := tls.Client(c, client)
		if err := conn.Handshake(); err != nil || p.Now() > time.Second {
			t.Errorf("handshake at %v: %v", p.Now(), err)
		}
		if err := talk(conn, pattern(100_000)); err != nil {
			t.Error(err)
		}
	})
	r.finish(map[string]uint64{"listener.edge.ssl.handshake": 1})
}

// What crypto/tls has read and not given out is not lost to a FIN, when a filter
// stops reading in between.
func TestBytesInsideTLSOutliveAFIN(t *testing.T) {
	server, client := configs(identities["Ed25519"]())
	total, end := 0, pipeline.ConnectionEvent(0)
	r := newRig(t, options{config: tlstransport.Config{TLS: server}, limit: 4000, filter: func(c *pipeline.Connection) {
		c.AddReadFilter(onData(func(data *pipeline.Buffer, _ bool) {
			total += data.Len()
			data.Drain(data.Len())
			c.ReadDisable(true)
			c.Loop().NewTimer(func() { c.ReadDisable(false) }).Enable(time.Second)
		}))
		c.AddConnectionCallbacks(onEvent(func(e pipeline.ConnectionEvent) { end = e }))
	}})
	sent := pattern(30_000)
	r.client("client", func(p *fakepoller.Peer, c *fakepoller.Conn) {
		conn := tls.Client(c, client)
		conn.Write(sent)
		c.CloseWrite() // no close_notify: nothing but the FIN is left in the kernel
		p.Sleep(time.Minute)
	})
	r.finish(map[string]uint64{"listener.edge.ssl.handshake": 1})
	if total != len(sent) || end != pipeline.RemoteClose {
		t.Errorf("got %d bytes and %v, want %d and RemoteClose", total, end, len(sent))
	}
}
