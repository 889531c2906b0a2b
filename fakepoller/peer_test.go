package fakepoller

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"edgewise.test/poller"
)

// between runs two ends of a connection as coroutines and checks that both end.
func between(t *testing.T, cfg Config, client, server func(p *Peer, c *Conn)) *World {
	t.Helper()
	cfg.Trace = true
	w := New(cfg)
	t.Cleanup(w.Close)
	upstream := w.Peer("server", func(p *Peer) {
		l, err := p.Listen(addr)
		if err != nil {
			t.Errorf("listen: %v", err)
			return
		}
		c, err := l.Accept()
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		server(p, c)
	})
	downstream := w.Peer("client", func(p *Peer) {
		c, err := p.Dial(addr)
		if err != nil {
			t.Errorf("dial: %v", err)
			return
		}
		client(p, c)
	})
	w.Run()
	if !upstream.Done() || !downstream.Done() {
		t.Errorf("got server done %t, client done %t, want both", upstream.Done(), downstream.Done())
	}
	checkFindings(t, w)
	return w
}

func checkErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || (got == nil) != (want == nil) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestConnMovesAStream(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 64<<10) // more than the buffers hold
	var got []byte
	between(t, Config{Source: planned(t, "conn 1 segment 1: 1 byte")},
		func(p *Peer, c *Conn) {
			n, err := c.Write(want)
			if n != len(want) || err != nil {
				t.Errorf("write: got %d, %v, want %d", n, err, len(want))
			}
			c.CloseWrite()
			b, err := io.ReadAll(c) // the other direction is still there
			if string(b) != "got it" || err != nil {
				t.Errorf("answer: got %q, %v, want got it", b, err)
			}
		},
		func(p *Peer, c *Conn) {
			b := make([]byte, 16)
			if _, err := io.ReadFull(c, b); err != nil {
				t.Errorf("read full: %v", err)
			}
			rest, err := io.ReadAll(c)
			checkErr(t, "read all", err, nil)
			got = append(b, rest...)
			if n, err := c.Read(b); n != 0 || err != io.EOF {
				t.Errorf("read at the end: got %d, %v, want 0, EOF", n, err)
			}
			if n, err := c.Read(nil); n != 0 || err != nil {
				t.Errorf("read of nothing at the end: got %d, %v, want 0", n, err)
			}
			io.WriteString(c, "got it")
		})
	if !bytes.Equal(got, want) {
		t.Errorf("stream: got %d bytes, want the %d that were sent", len(got), len(want))
	}
}

func TestConnAddresses(t *testing.T) {
	between(t, Config{},
		func(p *Peer, c *Conn) {
			if got := c.RemoteAddr().String(); got != "127.0.0.1:443" {
				t.Errorf("remote: got %s, want 127.0.0.1:443", got)
			}
			local := c.LocalAddr().String()
			c.Write([]byte(local))
			c.Close()
			if got := c.LocalAddr().String(); got != local {
				t.Errorf("local after Close: got %s, want %s", got, local)
			}
		},
		func(p *Peer, c *Conn) {
			b, _ := io.ReadAll(c)
			if got := c.RemoteAddr().String(); got != string(b) {
				t.Errorf("remote: got %s, want %s, which the client has", got, b)
			}
			if got := c.LocalAddr().String(); got != "127.0.0.1:443" {
				t.Errorf("local: got %s, want 127.0.0.1:443", got)
			}
		})
}

func TestConnReset(t *testing.T) {
	between(t, Config{},
		func(p *Peer, c *Conn) {
			c.Write([]byte("x"))
			p.Sleep(time.Second)
			checkErr(t, "reset", c.Reset(), nil)
			checkErr(t, "reset again", c.Reset(), net.ErrClosed)
		},
		func(p *Peer, c *Conn) {
			b := make([]byte, 8)
			n, err := io.ReadFull(c, b)
			if n != 1 || err != syscall.ECONNRESET {
				t.Errorf("read: got %d, %v, want 1, ECONNRESET", n, err)
			}
			_, err = c.Write(b)
			checkErr(t, "write after the reset", err, syscall.EPIPE)
			n, err = c.Read(b)
			if n != 0 || err != io.EOF {
				t.Errorf("read after the error was told: got %d, %v, want 0, EOF", n, err)
			}
		})
}

func TestCloseWithUnreadBytesIsAReset(t *testing.T) {
	between(t, Config{},
		func(p *Peer, c *Conn) {
			c.Write([]byte("nobody reads this"))
			_, err := c.Read(make([]byte, 1))
			checkErr(t, "read", err, syscall.ECONNRESET)
		},
		func(p *Peer, c *Conn) { c.Close() })
}

func TestClosedConn(t *testing.T) {
	between(t, Config{},
		func(p *Peer, c *Conn) {
			checkErr(t, "close", c.Close(), nil)
			p.w.Hand("next").Dial(addr) // may get the memory of the closed one
			_, err := c.Read(make([]byte, 1))
			checkErr(t, "read", err, net.ErrClosed)
			_, err = c.Write([]byte("x"))
			checkErr(t, "write", err, net.ErrClosed)
			checkErr(t, "close write", c.CloseWrite(), net.ErrClosed)
			checkErr(t, "close again", c.Close(), net.ErrClosed)
			checkErr(t, "err", c.Err(), net.ErrClosed)
		},
		func(p *Peer, c *Conn) {
			_, err := c.Read(make([]byte, 1))
			checkErr(t, "the other end", err, io.EOF)
		})
}

func TestConnDeadlines(t *testing.T) {
	second := func(n int) time.Time { return Epoch.Add(time.Duration(n) * time.Second) }
	at := func(p *Peer, what string, want time.Duration) {
		t.Helper()
		if p.Now() != want {
			t.Errorf("%s: got %s, want %s", what, p.Now(), want)
		}
	}
	between(t, Config{SndBuf: 8, RcvBuf: 8},
		func(p *Peer, c *Conn) {
			b := make([]byte, 64)
			c.SetReadDeadline(second(2))
			_, err := c.Read(b)
			checkErr(t, "read until 2s", err, os.ErrDeadlineExceeded)
			at(p, "read until 2s", 2*time.Second)
			_, err = c.Read(b)
			checkErr(t, "read after the deadline", err, os.ErrDeadlineExceeded)
			n, err := c.Write(b)
			if n != len(b) || err != nil {
				t.Errorf("write has a deadline of its own: got %d, %v, want %d", n, err, len(b))
			}
			at(p, "write until the reader made room", 5*time.Second)

			c.SetWriteDeadline(second(7))
			n, err = c.Write(b)
			checkErr(t, "write until 7s", err, os.ErrDeadlineExceeded)
			if n != 16 {
				t.Errorf("write until 7s: got %d bytes, want 16, which both buffers hold", n)
			}
			at(p, "write until 7s", 7*time.Second)

			p.Sleep(4 * time.Second)
			_, err = c.Read(b)
			checkErr(t, "read of what is there, too late", err, os.ErrDeadlineExceeded)
			c.SetDeadline(time.Time{})
			n, err = c.Read(b)
			if n != 1 || err != nil {
				t.Errorf("without a deadline: got %d, %v, want 1", n, err)
			}
			c.SetDeadline(time.Unix(1, 0)) // long ago
			_, err = c.Write(b[:1])
			checkErr(t, "write after a deadline in the past", err, os.ErrDeadlineExceeded)
		},
		func(p *Peer, c *Conn) {
			p.Sleep(5 * time.Second)
			io.ReadFull(c, make([]byte, 64))
			p.Sleep(5 * time.Second)
			io.ReadFull(c, make([]byte, 16))
			c.Write([]byte("x"))
			io.ReadAll(c)
		})
}

// TestPeerClosesWhatItLeftOpen: like a process that ends.
func TestPeerClosesWhatItLeftOpen(t *testing.T) {
	const n = 5
	w := New(Config{Trace: true})
	defer w.Close()
	w.Peer("server", func(p *Peer) {
		l, _ := p.Listen(addr)
		for range n {
			l.Accept()
		}
		p.Sleep(time.Second)
	})
	ends := 0
	for i := range n {
		w.Peer(string(rune('a'+i)), func(p *Peer) {
			c, _ := p.Dial(addr)
			if _, err := c.Read(make([]byte, 1)); err == io.EOF {
				ends++
			}
			if _, err := p.Dial(addr); err != syscall.ECONNREFUSED {
				t.Errorf("dial after the server's end: got %v, want ECONNREFUSED", err)
			}
		})
	}
	w.Run()
	if ends != n {
		t.Errorf("got %d connections ended, want %d\n%s", ends, n, traceText(w))
	}
	checkFindings(t, w)
}

func TestClosingTellsWhoIsBlocked(t *testing.T) {
	w := New(Config{})
	defer w.Close()
	var l *Listener
	var c *Conn
	w.Peer("reader", func(p *Peer) {
		l, _ = p.Listen(addr)
		w.Peer("acceptor", func(p *Peer) {
			l.Accept()
			_, err := l.Accept()
			checkErr(t, "accept", err, net.ErrClosed)
		})
		c, _ = p.Dial(addr)
		_, err := c.Read(make([]byte, 1))
		checkErr(t, "read", err, net.ErrClosed)
	})
	w.RunFor(time.Second)
	checkErr(t, "close of the connection", c.Close(), nil)
	checkErr(t, "close of the listener", l.Close(), nil)
	checkErr(t, "close of the listener again", l.Close(), net.ErrClosed)
	w.Run()
	checkFindings(t, w)
}

func TestDialRefused(t *testing.T) {
	w := New(Config{})
	defer w.Close()
	w.Peer("client", func(p *Peer) {
		_, err := p.Dial(elsewhere)
		checkErr(t, "dial", err, syscall.ECONNREFUSED)
		if p.Now() != 0 {
			t.Errorf("refusal: got it at %s, want at once", p.Now())
		}
	})
	w.Run()
	checkFindings(t, w)
}

// TestFullQueueDropsSYNs: a backlog of 1 holds two; others try again after 1, 2,
// 3, 4, 6 and 10 seconds and give up after 18.
func TestFullQueueDropsSYNs(t *testing.T) {
	tests := []struct {
		name  string
		room  time.Duration // when a place gets free
		err   error
		after time.Duration // when the dial is over
	}{
		{"the first retry", 500 * time.Millisecond, nil, time.Second},
		{"the last linear retry", 3500 * time.Millisecond, nil, 4 * time.Second},
		{"then it doubles", 4500 * time.Millisecond, nil, 6 * time.Second},
		{"the last retry", 6500 * time.Millisecond, nil, 10 * time.Second},
		{"too late", 10500 * time.Millisecond, syscall.ETIMEDOUT, 18 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := New(Config{})
			defer w.Close()
			k := w.NewWorker()
			l := listen(t, k, poller.ListenConfig{Backlog: 1})
			first := w.Hand("first")
			first.Dial(addr)
			first.Dial(addr)
			client := w.Peer("client", func(p *Peer) {
				_, err := p.Dial(addr)
				checkErr(t, "dial", err, test.err)
				if p.Now() != test.after {
					t.Errorf("dial was over: got at %s, want at %s", p.Now(), test.after)
				}
			})
			w.RunFor(test.room)
			if _, _, err := k.Accept(l); err != nil {
				t.Fatalf("accept: %v", err)
			}
			w.Run()
			if !client.Done() {
				t.Error("client: got stuck, want done")
			}
		})
	}
}

// TestTLSBetweenPeers runs crypto/tls itself at both ends, over a hello that
// arrives in pieces.
func TestTLSBetweenPeers(t *testing.T) {
	pool, cert := certificate(t)
	w := between(t, Config{Source: planned(t, "conn 1 segment 1: 5 bytes\nconn 1 delay 2: 1s\nconn 1 server segment 1: 1 byte")},
		func(p *Peer, c *Conn) {
			tc := tls.Client(c, &tls.Config{RootCAs: pool, ServerName: "edgewise.test", NextProtos: []string{"h2"}, Time: func() time.Time { return Epoch.Add(p.Now()) }})
			if _, err := tc.Write([]byte("hello")); err != nil {
				t.Errorf("client: %v", err)
				return
			}
			if got := tc.ConnectionState().NegotiatedProtocol; got != "h2" {
				t.Errorf("protocol: got %q, want h2", got)
			}
			b, err := io.ReadAll(tc)
			if string(b) != "hello back" || err != nil {
				t.Errorf("client: got %q, %v, want hello back", b, err)
			}
			tc.Close()
		},
		func(p *Peer, c *Conn) {
			tc := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}})
			b := make([]byte, 5)
			if _, err := io.ReadFull(tc, b); err != nil || string(b) != "hello" {
				t.Errorf("server: got %q, %v, want hello", b, err)
				return
			}
			if got := tc.ConnectionState().ServerName; got != "edgewise.test" {
				t.Errorf("server name: got %q, want edgewise.test", got)
			}
			io.WriteString(tc, "hello back")
			tc.CloseWrite()
			io.ReadAll(tc)
		})
	if w.Now() < time.Second {
		t.Errorf("handshake with a late hello: got done at %s, want after 1s", w.Now())
	}
}

func certificate(t *testing.T) (*x509.CertPool, tls.Certificate) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"edgewise.test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: Epoch.Add(-time.Hour), NotAfter: Epoch.Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return pool, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestConnIsFullDuplex: one actor reads while another is blocked in a write.
func TestConnIsFullDuplex(t *testing.T) {
	const size = 10_000
	between(t, Config{SndBuf: 100, RcvBuf: 100},
		func(p *Peer, c *Conn) {
			done := false
			p.w.Peer("reader", func(*Peer) {
				b, err := io.ReadAll(io.LimitReader(c, size))
				done = len(b) == size && err == nil
			})
			if n, err := c.Write(make([]byte, size)); n != size || err != nil {
				t.Errorf("write: got %d, %v, want %d", n, err, size)
			}
			c.CloseWrite()
			p.Sleep(time.Second)
			if !done {
				t.Error("reader: got stuck, want everything back")
			}
		},
		func(p *Peer, c *Conn) { io.Copy(c, c) })
}

// TestConnOfAnotherActor: the test itself may read from a peer's connection, and
// is told when that would never end.
func TestConnOfAnotherActor(t *testing.T) {
	w := New(Config{})
	defer w.Close()
	l, err := w.Hand("server").Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	var c *Conn
	w.Peer("client", func(p *Peer) {
		c, _ = p.Dial(addr)
		idle, _ := p.Listen(elsewhere)
		idle.Accept() // for ever
	})
	w.RunFor(0)
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	w.Peer("late", func(p *Peer) {
		p.Sleep(time.Second)
		server.Write([]byte("x"))
	})
	b := make([]byte, 8)
	if n, err := c.Read(b); n != 1 || err != nil || w.Now() != time.Second {
		t.Errorf("read: got %d, %v at %s, want 1 at 1s", n, err, w.Now())
	}
	if _, err := c.Read(b); err != syscall.EDEADLK {
		t.Errorf("read that would never end: got %v, want EDEADLK", err)
	}
}
