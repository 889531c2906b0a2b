package tlstransport_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/tlstransport"
)

// sealer protects the records of a client after its handshake: crypto/tls sends
// no KeyUpdate of its own (RFC 8446 5.2, 7.2, 7.3; TLS_AES_128_GCM_SHA256).
type sealer struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// newSealer takes the secret from what a Config.KeyLogWriter has got.
func newSealer(t *testing.T, keyLog string) *sealer {
	for line := range strings.Lines(keyLog) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(f[2])
			if err != nil {
				t.Fatal(err)
			}
			s := &sealer{secret: secret}
			s.derive()
			return s
		}
	}
	t.Fatalf("no client secret in %q", keyLog)
	return nil
}

func (s *sealer) expand(label string, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len("tls13 "+label)))
	info = append(info, "tls13 "+label...)
	out, err := hkdf.Expand(sha256.New, s.secret, string(append(info, 0)), n)
	if err != nil {
		panic(err)
	}
	return out
}

func (s *sealer) derive() {
	block, err := aes.NewCipher(s.expand("key", 16))
	if err != nil {
		panic(err)
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		panic(err)
	}
	s.iv, s.seq = s.expand("iv", 12), 0
}

func (s *sealer) seal(kind byte, content []byte) []byte {
	inner := append(append([]byte(nil), content...), kind)
	record := []byte{23, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(record[3:], uint16(len(inner)+s.aead.Overhead()))
	nonce := append([]byte(nil), s.iv...)
	for i := range 8 {
		nonce[4+i] ^= byte(s.seq >> (56 - 8*i))
	}
	s.seq++
	return s.aead.Seal(record, nonce, inner, record)
}

// update is a KeyUpdate that asks for one in return.
func (s *sealer) update() []byte {
	record := s.seal(22, []byte{24, 0, 0, 1, 1})
	s.secret = s.expand("traffic upd", sha256.Size)
	s.derive()
	return record
}

// A peer that asks for key updates and does not read the answers is not read from
// any more, and goes on when it reads.
func TestUnreadAnswersToKeyUpdatesAreBounded(t *testing.T) {
	server, client := configs(identities["Ed25519"]())
	var keyLog bytes.Buffer
	client.KeyLogWriter = &keyLog
	const sent = 300
	got, ended := 0, false
	r := newRig(t, options{config: tlstransport.Config{TLS: server}, world: fakepoller.Config{SndBuf: 2000, RcvBuf: 2000}, filter: func(c *pipeline.Connection) {
		c.EnableHalfClose(true)
		c.AddReadFilter(onData(func(data *pipeline.Buffer, endStream bool) {
			got += data.Len()
			data.Drain(data.Len())
			if ended = endStream; ended {
				c.Write(data, true)
			}
		}))
	}})
	r.client("client", func(p *fakepoller.Peer, c *fakepoller.Conn) {
		conn := tls.Client(c, client)
		if err := conn.Handshake(); err != nil {
			t.Error(err)
			return
		}
		if conn.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
			t.Skip("this processor prefers another cipher")
		}
		s := newSealer(t, keyLog.String())
		var flood []byte
		for range sent { // crypto/tls allows 16 between two bytes of data
			for range 10 {
				flood = append(flood, s.update()...)
			}
			flood = append(flood, s.seal(23, []byte("x"))...)
		}
		flood = append(flood, s.seal(21, []byte{1, 0})...) // close_notify
		c.SetWriteDeadline(fakepoller.Epoch.Add(p.Now() + time.Second))
		n, err := c.Write(flood)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write of %d bytes without reading: got %d, %v, want it to stall", len(flood), n, err)
		}
		c.SetWriteDeadline(time.Time{})
		r.Peer("rest", func(*fakepoller.Peer) {
			if _, err := c.Write(flood[n:]); err != nil {
				t.Errorf("write of the rest: %v", err)
			}
		})
		if _, err := io.Copy(io.Discard, c); err != nil { // crypto/tls does not take so many answers
			t.Errorf("read: %v", err)
		}
	})
	r.finish(map[string]uint64{"listener.edge.ssl.handshake": 1})
	if got != sent || !ended {
		t.Errorf("got %d bytes, end %t, want %d and the end", got, ended, sent)
	}
}
