package tlstransport_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/pipeline/tlstransport"
)

// cutConn lets only so many bytes of a client out, and then ends the connection.
type cutConn struct {
	*fakepoller.Conn
	left int
	end  func(*fakepoller.Conn) error
	ran  bool // out of bytes
}

func (c *cutConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p[:min(len(p), c.left)])
	c.left -= n
	if err == nil && n < len(p) {
		c.ran = true
		c.end(c.Conn)
		return n, net.ErrClosed
	}
	return n, err
}

// deafConn is a client that sends its ClientHello and nothing more.
type deafConn struct{ *fakepoller.Conn }

func (deafConn) Read([]byte) (int, error) { return 0, io.ErrNoProgress }

// A client that ends at any byte of its handshake leaves neither a descriptor nor a
// coroutine behind, and is counted.
func TestEndAtEveryByteOfTheHandshake(t *testing.T) {
	ends := map[string]func(*fakepoller.Conn) error{
		"FIN": (*fakepoller.Conn).CloseWrite, "RST": (*fakepoller.Conn).Reset, "close": (*fakepoller.Conn).Close,
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, name := range []string{"FIN", "RST", "close"} {
			t.Run(tls.VersionName(version)+" "+name, func(t *testing.T) {
				server, client := configs(identities["Ed25519"]())
				server.MaxVersion, server.MinVersion = version, version
				before := runtime.NumGoroutine()
				for left := 0; ; left++ {
					w := fakepoller.New(fakepoller.Config{})
					factory, listener, _ := listen(w.NewWorker(), options{config: tlstransport.Config{TLS: server}}, func(error) {})
					var cut *cutConn
					w.Peer("client", func(p *fakepoller.Peer) {
						c, _ := p.Dial(listenAddr)
						cut = &cutConn{Conn: c, left: left, end: ends[name]}
						tls.Client(cut, client).Handshake()
						io.ReadAll(c)
					})
					w.Run()
					audit := w.Audit()
					w.Close()
					stats := factory.Stats()
					if !cut.ran {
						if left < 200 {
							t.Fatalf("the client's handshake has %d bytes, want more", left)
						}
						break
					}
					switch {
					case len(audit) > 0:
						t.Errorf("after %d bytes: %v", left, audit[0])
					case stats.HandshakesActive != 0:
						t.Errorf("after %d bytes: handshakes_active: got %d, want 0", left, stats.HandshakesActive)
					case stats.HandshakeAbandoned+stats.ConnectionError != 1 || stats.Handshake != 0:
						t.Errorf("after %d bytes: got %+v, want one failure", left, *stats)
					case listener.Stats().CxDestroy != 1:
						t.Errorf("after %d bytes: downstream_cx_destroy: got %d, want 1", left, listener.Stats().CxDestroy)
					}
				}
				if after := runtime.NumGoroutine(); after > before {
					t.Errorf("goroutines: got %d, want the %d of before", after, before)
				}
			})
		}
	}
}

func TestSlowHandshakeTimesOut(t *testing.T) {
	id := identities["Ed25519"]()
	for _, sent := range []string{"nothing", "half a ClientHello", "a ClientHello"} {
		t.Run(sent, func(t *testing.T) {
			before := runtime.NumGoroutine()
			server, client := configs(id)
			r := newRig(t, options{config: tlstransport.Config{TLS: server}, timeout: 10 * time.Second})
			r.client("client", func(p *fakepoller.Peer, c *fakepoller.Conn) {
				switch sent {
				case "half a ClientHello":
					tls.Client(&cutConn{Conn: c, left: 100, end: func(*fakepoller.Conn) error { return nil }}, client).Handshake()
				case "a ClientHello":
					tls.Client(deafConn{c}, client).Handshake()
				}
				io.ReadAll(c)
				if got := p.Now().Round(time.Second); got != 10*time.Second {
					t.Errorf("closed after %v, want 10s", got)
				}
			})
			r.finish(map[string]uint64{
				"listener.edge.downstream_cx_transport_socket_connect_timeout": 1,
				"listener.edge.ssl.handshake_abandoned":                        1,
			})
			r.Close()
			if after := runtime.NumGoroutine(); after > before {
				t.Errorf("goroutines: got %d, want the %d of before", after, before)
			}
		})
	}
}

func TestTimeoutEndsWithTheHandshake(t *testing.T) {
	server, client := configs(identities["Ed25519"]())
	r := newRig(t, options{config: tlstransport.Config{TLS: server}, timeout: 10 * time.Second})
	r.client("client", func(p *fakepoller.Peer, c *fakepoller.Conn) {
		conn := tls.Client(c, client)
		if err := conn.Handshake(); err != nil {
			t.Error(err)
		}
		p.Sleep(time.Minute)
		if err := talk(conn, pattern(10)); err != nil {
			t.Error(err)
		}
	})
	r.finish(map[string]uint64{"listener.edge.ssl.handshake": 1})
}

// A handshake over the limit waits for its turn, and gives it up when it ends.
func TestHandshakesOverTheLimitWait(t *testing.T) {
	server, client := configs(identities["Ed25519"]())
	r := newRig(t, options{config: tlstransport.Config{TLS: server, MaxHandshakes: 1}, timeout: 10 * time.Second})
	r.client("stalled", func(p *fakepoller.Peer, c *fakepoller.Conn) {
		tls.Client(deafConn{c}, client).Handshake()
		io.ReadAll(c)
	})
	r.client("gone", func(p *fakepoller.Peer, c *fakepoller.Conn) {
		p.Sleep(time.Second)
		conn := tls.Client(c, client)
		c.SetReadDeadline(fakepoller.Epoch.Add(5 * time.Second))
		if err := conn.Handshake(); err == nil {
			t.Error("gone: the handshake went on")
		}
		c.Reset()
	})
	r.Peer("patient", func(p *fakepoller.Peer) {
		p.Sleep(3 * time.Second)
		c, err := p.Dial(listenAddr)
		if err != nil {
			t.Errorf("patient: %v", err)
			return
		}
		if _, err := session(c, client, pattern(10)); err != nil {
			t.Errorf("patient: %v", err)
		}
		if got := p.Now().Round(time.Second); got != 10*time.Second {
			t.Errorf("patient: done at %v, want 10s, when the stalled one is timed out", got)
		}
	})
	r.RunFor(4 * time.Second)
	if got := *r.factory.Stats(); got.HandshakesActive != 1 || got.HandshakeQueued != 2 {
		t.Errorf("at 4s: got %+v, want 1 active, 2 queued", got)
	}
	r.finish(map[string]uint64{
		"listener.edge.ssl.handshake":                                  1,
		"listener.edge.downstream_cx_transport_socket_connect_timeout": 1,
		"listener.edge.ssl.handshake_abandoned":                        2,
	})
}

// A callback of the tls.Config runs inside the handshake, and may close the
// connection there.
func TestCloseInsideACallbackOfTheHandshake(t *testing.T) {
	server, client := configs(identities["Ed25519"]())
	var conn *pipeline.Connection
	server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		conn.Close(pipeline.NoFlush)
		return nil, nil
	}
	before := runtime.NumGoroutine()
	r := newRig(t, options{config: tlstransport.Config{TLS: server}, filter: func(c *pipeline.Connection) {
		conn = c
		echo.Filter(c)
	}})
	r.client("client", func(_ *fakepoller.Peer, c *fakepoller.Conn) {
		if err := tls.Client(c, client).Handshake(); err == nil {
			t.Error("the handshake went on")
		}
	})
	r.finish(map[string]uint64{"listener.edge.ssl.handshake_abandoned": 1})
	r.Close()
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("goroutines: got %d, want the %d of before", after, before)
	}
}

// closer is a filter that answers the first data and closes.
func closer(how pipeline.CloseType, answer []byte) pipeline.FilterFactory {
	return func(c *pipeline.Connection) {
		c.AddReadFilter(onData(func(data *pipeline.Buffer, _ bool) {
			data.Drain(data.Len())
			var b pipeline.Buffer
			b.Write(answer)
			c.Write(&b, false)
			c.Close(how)
		}))
	}
}

type onData func(data *pipeline.Buffer, endStream bool)

func (f onData) OnNewConnection(pipeline.ReadFilterCallbacks) pipeline.FilterStatus {
	return pipeline.Continue
}

func (f onData) OnData(data *pipeline.Buffer, endStream bool) pipeline.FilterStatus {
	f(data, endStream)
	return pipeline.StopIteration
}

// What the peer is told must be true: close_notify only behind everything.
func TestCloseTellsTheTruth(t *testing.T) {
	big := pattern(400_000)
	for _, c := range []struct {
		how    pipeline.CloseType
		answer []byte
		want   int
		err    error
	}{
		{pipeline.FlushWrite, big, len(big), nil},
		{pipeline.NoFlush, big[:1000], 1000, nil},
		{pipeline.NoFlush, big, -1, errFIN},
		{pipeline.Abort, big[:1000], 0, errFIN},
		{pipeline.AbortReset, big[:1000], -1, syscall.ECONNRESET},
	} {
		t.Run(fmt.Sprintf("%d %d bytes", c.how, len(c.answer)), func(t *testing.T) {
			server, client := configs(identities["Ed25519"]())
			r := newRig(t, options{config: tlstransport.Config{TLS: server}, filter: closer(c.how, c.answer)})
			r.client("client", func(p *fakepoller.Peer, conn *fakepoller.Conn) {
				strict := &strictConn{Conn: conn}
				tc := tls.Client(strict, client)
				if _, err := tc.Write([]byte("go")); err != nil {
					t.Error(err)
				}
				p.Sleep(time.Second)
				got, err := io.ReadAll(tc)
				if len(got) != c.want && c.want >= 0 {
					t.Errorf("got %d bytes, want %d", len(got), c.want)
				}
				if !errors.Is(err, c.err) {
					t.Errorf("the end: got %v, want %v", err, c.err)
				}
			})
			r.finish(map[string]uint64{"listener.edge.ssl.handshake": 1})
		})
	}
}

// A close_notify that finds no room is waited for, whichever write it is.
func TestCloseNotifyWaitsForRoom(t *testing.T) {
	server, client := configs(identities["Ed25519"]())
	for full := 1; full <= 6; full++ {
		t.Run(fmt.Sprint(full), func(t *testing.T) {
			writes := 0
			source := choices(func(p faults.Point, n int) int {
				if p.Op == faults.Room {
					writes++
					if writes == full {
						return 1 // no bytes
					}
				}
				return 0
			})
			r := newRig(t, options{world: fakepoller.Config{Source: source}, config: tlstransport.Config{TLS: server}})
			r.client("client", func(p *fakepoller.Peer, c *fakepoller.Conn) {
				conn := tls.Client(&strictConn{c}, client)
				conn.Write([]byte("x"))
				if _, err := conn.Read(make([]byte, 10)); err != nil {
					t.Error(err)
				}
				if err := talk(conn, nil); err != nil { // close_notify, and its echo
					t.Error(err)
				}
			})
			r.finish(map[string]uint64{"listener.edge.ssl.handshake": 1})
			if full == 1 && writes < 3 {
				t.Errorf("got %d writes, want a flight, an echo and a close_notify", writes)
			}
		})
	}
}

// strictConn does not let crypto/tls take a FIN for close_notify.
type strictConn struct{ *fakepoller.Conn }

func (c *strictConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF {
		err = errFIN
	}
	return n, err
}

var errFIN = errors.New("FIN without close_notify")

// A FIN between two records ends the stream, also without close_notify; one inside
// a record does not.
func TestRawEndOfStream(t *testing.T) {
	server, client := configs(identities["Ed25519"]())
	for _, cut := range []int{0, 1} {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			var failure error
			var ended bool
			r := newRig(t, options{config: tlstransport.Config{TLS: server}, filter: func(c *pipeline.Connection) {
				c.EnableHalfClose(true)
				c.AddReadFilter(onData(func(data *pipeline.Buffer, endStream bool) {
					ended = ended || endStream
					c.Write(data, endStream)
				}))
				c.AddConnectionCallbacks(onEvent(func(e pipeline.ConnectionEvent) { failure = c.Failure() }))
			}})
			r.client("client", func(p *fakepoller.Peer, c *fakepoller.Conn) {
				out := &cutConn{Conn: c, left: 1 << 20, end: (*fakepoller.Conn).CloseWrite}
				conn := tls.Client(out, client)
				conn.Write(pattern(100))
				if cut == 0 {
					c.CloseWrite()
				} else {
					out.left = cut
					conn.Write(pattern(100))
				}
				io.ReadAll(conn)
			})
			r.finish(nil)
			if ended != (cut == 0) {
				t.Errorf("end of the stream: got %t, want %t", ended, cut == 0)
			}
			if got := errors.Is(failure, io.ErrUnexpectedEOF); got != (cut > 0) {
				t.Errorf("failure: got %v", failure)
			}
		})
	}
}

type onEvent func(e pipeline.ConnectionEvent)

func (f onEvent) OnEvent(e pipeline.ConnectionEvent) { f(e) }
func (f onEvent) OnAboveWriteBufferHighWatermark()   {}
func (f onEvent) OnBelowWriteBufferLowWatermark()    {}

// Every failure is counted under Envoy's name, and the peer is told why.
func TestFailuresAreCounted(t *testing.T) {
	id, other := identities["Ed25519"](), identities["ECDSA"]()
	for _, c := range []struct {
		name  string
		peer  func(server, client *tls.Config)
		raw   string // instead of TLS
		stat  string
		alert string // in the client's error
	}{
		{name: "no certificate", stat: "fail_verify_no_cert", alert: "certificate required", peer: func(server, _ *tls.Config) {
			server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, id.pool
		}},
		{name: "unknown authority", stat: "fail_verify_error", alert: "certificate", peer: func(server, client *tls.Config) {
			server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, id.pool
			client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &other.Certificate, nil }
		}},
		{name: "the client does not trust us", stat: "connection_error", alert: "unknown authority", peer: func(_, client *tls.Config) {
			client.RootCAs = other.pool
		}},
		{name: "no common version", stat: "connection_error", alert: "protocol version", peer: func(server, client *tls.Config) {
			server.MinVersion, client.MaxVersion = tls.VersionTLS13, tls.VersionTLS12
		}},
		{name: "no common protocol", stat: "connection_error", alert: "no application protocol", peer: func(server, client *tls.Config) {
			server.NextProtos, client.NextProtos = []string{"h2"}, []string{"x"}
		}},
		{name: "plain HTTP", stat: "connection_error", raw: "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{name: "too long", stat: "connection_error", raw: "\x16\x03\x01\x40\x00\x01\x00\xff\xff"},
		{name: "nothing", stat: "handshake_abandoned", raw: ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, client := configs(id)
			if c.peer != nil {
				c.peer(server, client)
			}
			r := newRig(t, options{config: tlstransport.Config{TLS: server}})
			r.client("client", func(p *fakepoller.Peer, conn *fakepoller.Conn) {
				if c.peer == nil {
					conn.Write([]byte(c.raw))
					if c.raw == "" {
						conn.CloseWrite()
					}
					io.ReadAll(conn)
					return
				}
				tc := tls.Client(conn, client)
				err := tc.Handshake()
				if err == nil {
					_, err = tc.Read(make([]byte, 1))
				}
				if err == nil || !strings.Contains(err.Error(), c.alert) {
					t.Errorf("client: got %v, want %q", err, c.alert)
				}
			})
			r.finish(map[string]uint64{"listener.edge.ssl." + c.stat: 1})
		})
	}
}
