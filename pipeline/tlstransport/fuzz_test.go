package tlstransport_test

import (
	"crypto/tls"
	"io"
	"testing"

	"edgewise.test/fakepoller"
	"edgewise.test/pipeline/tlstransport"
)

// garbler changes what a client sends: from a byte on it is garbage.
type garbler struct {
	*fakepoller.Conn
	left    int
	garbage []byte
}

func (g *garbler) Write(p []byte) (int, error) {
	if len(p) <= g.left {
		g.left -= len(p)
		return g.Conn.Write(p)
	}
	g.Conn.Write(p[:g.left])
	g.Conn.Write(g.garbage)
	g.Conn.CloseWrite()
	return 0, io.ErrClosedPipe
}

// Whatever a peer sends, before, in or after the handshake, the loop goes on and
// nothing is left.
func FuzzBytesOfAPeer(f *testing.F) {
	f.Add(uint16(0), []byte("GET / HTTP/1.1\r\n\r\n"), false)
	f.Add(uint16(0), []byte{22, 3, 1, 0, 4, 1, 0, 0, 0}, false)
	f.Add(uint16(5), []byte{1, 0, 0, 0}, true)
	f.Add(uint16(350), []byte{23, 3, 3, 0, 1, 0}, false)
	f.Add(uint16(350), []byte{21, 3, 3, 0, 2, 1, 0}, true)
	f.Add(uint16(9999), []byte{20, 3, 3, 0, 1, 1}, true)
	server, client := configs(identities["Ed25519"]())
	old := client.Clone()
	old.MaxVersion = tls.VersionTLS12
	f.Fuzz(func(t *testing.T, left uint16, garbage []byte, tls12 bool) {
		config := client
		if tls12 {
			config = old
		}
		w := fakepoller.New(fakepoller.Config{})
		defer w.Close()
		factory, listener, _ := listen(w.NewWorker(), options{config: tlstransport.Config{TLS: server}}, func(err error) { t.Errorf("loop: %v", err) })
		w.Peer("client", func(p *fakepoller.Peer) {
			c, err := p.Dial(listenAddr)
			if err != nil {
				return
			}
			conn := tls.Client(&garbler{c, int(left) % 700, garbage}, config)
			conn.Write([]byte("request"))
			conn.Write([]byte("more"))
			c.CloseWrite()
			io.ReadAll(c)
		})
		w.Run()
		for _, finding := range w.Audit() {
			t.Errorf("audit: %v", finding)
		}
		if s := *factory.Stats(); s.HandshakesActive != 0 || s.Handshake+s.HandshakeAbandoned+s.ConnectionError == 0 {
			t.Errorf("counters: got %+v, want one end and nothing active", s)
		}
		if got := listener.Stats().CxActive; got != 0 {
			t.Errorf("downstream_cx_active: got %d, want 0", got)
		}
	})
}
