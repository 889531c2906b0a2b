package tlsterminator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"edgewise.test/proptest"
)

// scenario is an honest client and one that says nothing, which must be gone
// after a minute.
func scenario(timeout time.Duration) func(*proptest.Net) {
	return func(n *proptest.Net) {
		l, _ := n.Host("terminator").Listen("tcp", "127.0.0.1:443")
		up, _ := n.Host("upstream").Listen("tcp", "127.0.0.1:81")
		t := &Terminator{Config: &tls.Config{Certificates: []tls.Certificate{certificate()}}, Dial: n.Host("terminator").Dial, Upstream: "127.0.0.1:81", HandshakeTimeout: timeout}
		go t.Serve(l)
		go echo(up)
		var clients sync.WaitGroup
		clients.Go(func() { honest(n) })
		clients.Go(func() { silent(n) })
		clients.Wait()
		l.Close()
		up.Close()
	}
}

func honest(n *proptest.Net) {
	raw, err := n.Host("honest").Dial("tcp", "127.0.0.1:443")
	if err != nil {
		return
	}
	defer raw.Close()
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	if _, err := io.WriteString(c, "hello"); err != nil {
		return
	}
	if err := c.CloseWrite(); err != nil { // a reset is told once: Read would only see an end
		return
	}
	if got, err := io.ReadAll(c); err == nil && string(got) != "hello" {
		n.Errorf("echo: got %q, want hello", got)
	}
}

func silent(n *proptest.Net) {
	c, err := n.Host("silent").Dial("tcp", "127.0.0.1:443")
	if err != nil {
		return
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(5 * time.Minute)) // whatever the network adds to a minute
	if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		n.Errorf("a silent client is still connected after %v", 5*time.Minute)
	}
}

func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		go func() {
			if _, err := io.Copy(c, c); err != nil {
				abort(c)
			}
			c.Close()
		}()
	}
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// config seeds what crypto/tls draws. Its certificate is made outside of a bubble.
func config(timeout time.Duration) proptest.NetConfig {
	certificate()
	return proptest.NetConfig{Scenario: scenario(timeout), Random: true, Search: proptest.Config{Schedules: 300}}
}

func TestClientsOfAllKinds(t *testing.T) { config(time.Minute).Check(t) }

func TestMissingHandshakeTimeoutIsFound(t *testing.T) {
	f := proptest.Search(config(0).Config(t)).Failure
	if f == nil {
		t.Fatal("got no failure, want the silent client")
	}
	t.Logf("%s", f.Report())
}
