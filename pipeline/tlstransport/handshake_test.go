package tlstransport_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"syscall"
	"testing"
	"testing/cryptotest"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/pipeline/tlstransport"
	"edgewise.test/poller"
)

// session is a whole life: handshake, request, close_notify, and then the echo of
// it, which ends with the server's close_notify. It returns what was negotiated.
func session(c *fakepoller.Conn, config *tls.Config, request []byte) (tls.ConnectionState, error) {
	conn := tls.Client(&strictConn{c}, config)
	if err := conn.Handshake(); err != nil {
		return tls.ConnectionState{}, fmt.Errorf("handshake: %w", err)
	}
	if err := talk(conn, request); err != nil {
		return tls.ConnectionState{}, err
	}
	return conn.ConnectionState(), c.Close()
}

func talk(conn *tls.Conn, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := conn.CloseWrite(); err != nil {
		return fmt.Errorf("close_notify: %w", err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return fmt.Errorf("read after %d bytes: %w", len(answer), err)
	}
	if !bytes.Equal(answer, request) {
		return fmt.Errorf("echo: got %d bytes, want the %d sent", len(answer), len(request))
	}
	return nil
}

// sessions runs two sessions of one client, the second of which resumes.
func sessions(t *testing.T, world fakepoller.Config, server, client *tls.Config, request []byte) {
	t.Helper()
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	r := newRig(t, options{world: world, config: tlstransport.Config{TLS: server}})
	for i := range 2 {
		r.client(fmt.Sprintf("client %d", i), func(_ *fakepoller.Peer, c *fakepoller.Conn) {
			state, err := session(c, client, request)
			if err != nil {
				t.Errorf("session %d: %v", i, err)
				return
			}
			if state.DidResume != (i == 1) {
				t.Errorf("session %d: resumed is %t", i, state.DidResume)
			}
			if got, want := state.NegotiatedProtocol, firstOf(client.NextProtos); got != want {
				t.Errorf("session %d: ALPN: got %q, want %q", i, got, want)
			}
		})
		r.Run()
	}
	noCertificate := uint64(2)
	if server.ClientAuth != tls.NoClientCert {
		noCertificate = 0
	}
	r.finish(map[string]uint64{
		"listener.edge.ssl.handshake": 2, "listener.edge.ssl.session_reused": 1, "listener.edge.ssl.no_certificate": noCertificate,
	})
}

func firstOf(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// matrix calls body for each kind of handshake.
func matrix(t *testing.T, body func(t *testing.T, server, client *tls.Config)) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, key := range []string{"Ed25519", "ECDSA", "RSA"} {
			for _, mutual := range []bool{false, true} {
				name := fmt.Sprintf("%s %s mutual=%t", tls.VersionName(version), key, mutual)
				t.Run(name, func(t *testing.T) {
					id := identities[key]()
					server, client := configs(id)
					server.MaxVersion, client.MinVersion = version, version
					server.MinVersion, client.MaxVersion = version, version
					if mutual { // and with ALPN
						server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, id.pool
						client.Certificates = []tls.Certificate{id.Certificate}
						server.NextProtos, client.NextProtos = []string{"http/1.1", "h2"}, []string{"h2"}
					}
					body(t, server, client)
				})
			}
		}
	}
}

func TestSessionsEchoAndResume(t *testing.T) {
	matrix(t, func(t *testing.T, server, client *tls.Config) {
		sessions(t, fakepoller.Config{}, server, client, pattern(40_000))
	})
}

// Byte by byte, every record is met at every place where it can be cut.
func TestSessionsByteByByte(t *testing.T) {
	matrix(t, func(t *testing.T, server, client *tls.Config) {
		source := choices(func(p faults.Point, n int) int {
			if p.Op == faults.Segment {
				return 1
			}
			return 0
		})
		sessions(t, fakepoller.Config{Source: source}, server, client, pattern(600))
	})
}

// With room for a few bytes at a time, every write is cut and goes on with Out.
func TestSessionsWithLittleRoom(t *testing.T) {
	for _, room := range []int{1, 2, 100} { // 1 is: nothing taken
		t.Run(fmt.Sprintf("%d bytes", room-1), func(t *testing.T) {
			matrix(t, func(t *testing.T, server, client *tls.Config) {
				full := map[string]bool{} // whose last write was cut; only looked up
				source := choices(func(p faults.Point, n int) int {
					if p.Op != faults.Room || n <= room || room == 1 && full[p.Actor] {
						full[p.Actor] = false
						return 0
					}
					full[p.Actor] = true
					return room
				})
				sessions(t, fakepoller.Config{Source: source}, server, client, pattern(3000))
			})
		})
	}
}

// In a small buffer the queue of ciphertext stays behind for most of the time.
func TestSessionsThroughSmallBuffers(t *testing.T) {
	matrix(t, func(t *testing.T, server, client *tls.Config) {
		sessions(t, fakepoller.Config{SndBuf: 700, RcvBuf: 900}, server, client, pattern(600))
	})
}

// The same seed is the same run, byte for byte in length: what a test with TLS
// needs in order to be repeated.
func TestRunsRepeat(t *testing.T) {
	run := func() uint64 {
		cryptotest.SetGlobalRandom(t, 1)
		server, client := configs(identities["Ed25519"]())
		r := newRig(t, options{config: tlstransport.Config{TLS: server}})
		r.client("client", func(_ *fakepoller.Peer, c *fakepoller.Conn) {
			if _, err := session(c, client, pattern(1000)); err != nil {
				t.Error(err)
			}
		})
		r.finish(nil)
		return r.Digest()
	}
	if first, second := run(), run(); first != second {
		t.Errorf("digests: got %x, then %x, want the same", first, second)
	}
}

// interrupted is a kernel in which every call that moves bytes is interrupted
// first.
type interrupted struct {
	poller.Kernel
	read, written bool
}

func (k *interrupted) Read(fd poller.FD, p []byte) (int, error) {
	if k.read = !k.read; k.read {
		return 0, syscall.EINTR
	}
	return k.Kernel.Read(fd, p)
}

func (k *interrupted) Write(fd poller.FD, p []byte) (int, error) {
	if k.written = !k.written; k.written {
		return 0, syscall.EINTR
	}
	return k.Kernel.Write(fd, p)
}

// One flight brings the end of the handshake and all that follows: no event of the
// kernel tells of it again when the read was interrupted.
func TestInterruptedCallsAreMadeAgain(t *testing.T) {
	server, client := configs(identities["Ed25519"]())
	r := newRig(t, options{config: tlstransport.Config{TLS: server}, kernel: func(k poller.Kernel) poller.Kernel { return &interrupted{Kernel: k} }})
	r.client("client", func(_ *fakepoller.Peer, c *fakepoller.Conn) {
		if _, err := session(c, client, pattern(3000)); err != nil {
			t.Error(err)
		}
	})
	r.finish(map[string]uint64{"listener.edge.ssl.handshake": 1})
}
