package tlstransport_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/netip"
	"sync"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/pipeline/tlstransport"
	"edgewise.test/poller"
)

const serverName = "edge.test"

var listenAddr = netip.MustParseAddrPort("127.0.0.1:443")

// instant is the time of all certificates and sessions.
var instant = time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)

func now() time.Time { return instant }

// identity is a self-signed certificate, good for both sides.
type identity struct {
	tls.Certificate
	pool *x509.CertPool
}

func newIdentity(key crypto.Signer, err error) identity {
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: serverName}, DNSNames: []string{serverName},
		NotBefore: instant.AddDate(-5, 0, 0), NotAfter: instant.AddDate(50, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return identity{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool}
}

var identities = map[string]func() identity{
	"Ed25519": sync.OnceValue(func() identity {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return newIdentity(key, err)
	}),
	"ECDSA": sync.OnceValue(func() identity {
		return newIdentity(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	}),
	"RSA": sync.OnceValue(func() identity {
		return newIdentity(rsa.GenerateKey(rand.Reader, 2048))
	}),
}

// configs returns both sides of TLS with the cheapest key exchange.
func configs(id identity) (server, client *tls.Config) {
	server = &tls.Config{
		Certificates: []tls.Certificate{id.Certificate}, Time: now,
		CurvePreferences: []tls.CurveID{tls.X25519},
	}
	client = &tls.Config{
		ServerName: serverName, RootCAs: id.pool, Time: now,
		CurvePreferences: []tls.CurveID{tls.X25519},
	}
	return server, client
}

// rig is a listener that terminates TLS, in a world of its own.
type rig struct {
	t *testing.T
	*fakepoller.World
	factory  *tlstransport.Factory
	listener *pipeline.Listener
	loop     *pipeline.Loop
}

// options of a rig; the zero value is an echo on a calm world.
type options struct {
	world   fakepoller.Config
	config  tlstransport.Config
	timeout time.Duration
	limit   int
	filter  pipeline.FilterFactory // nil: echo
	kernel  func(poller.Kernel) poller.Kernel
}

func newRig(t *testing.T, o options) *rig {
	t.Helper()
	r := &rig{t: t, World: fakepoller.New(o.world)}
	t.Cleanup(r.Close)
	r.factory, r.listener, r.loop = listen(r.World.NewWorker(), o, func(err error) { t.Errorf("loop: %v", err) })
	return r
}

// listen starts a worker that terminates TLS.
func listen(k *fakepoller.Worker, o options, failed func(error)) (*tlstransport.Factory, *pipeline.Listener, *pipeline.Loop) {
	o.config.StatPrefix = "listener.edge."
	factory := tlstransport.NewServer(o.config)
	kernel := poller.Kernel(k)
	if o.kernel != nil {
		kernel = o.kernel(k)
	}
	loop := pipeline.NewLoop(kernel)
	fd, err := poller.ListenTCP(k, listenAddr, poller.ListenConfig{})
	if err != nil {
		panic(err)
	}
	if o.filter == nil {
		o.filter = echo.Filter
	}
	listener, err := pipeline.NewListener(loop, fd, &pipeline.ListenerConfig{
		StatPrefix:                    "edge",
		PerConnectionBufferLimitBytes: o.limit,
		FilterChains: []pipeline.FilterChain{{
			Name:                          "tls",
			TransportSocket:               factory.TransportSocket,
			TransportSocketConnectTimeout: o.timeout,
			Filters:                       []pipeline.FilterFactory{o.filter},
		}},
	})
	if err != nil {
		panic(err)
	}
	k.Go(func() {
		if err := loop.Run(); err != nil {
			failed(err)
		}
	})
	return factory, listener, loop
}

// client runs f in a peer that is connected to the listener. The handshake is f's.
func (r *rig) client(name string, f func(p *fakepoller.Peer, c *fakepoller.Conn)) {
	r.Peer(name, func(p *fakepoller.Peer) {
		c, err := p.Dial(listenAddr)
		if err != nil {
			r.t.Errorf("%s: dial: %v", name, err)
			return
		}
		f(p, c)
	})
}

// finish lets everything end and looks at what is left.
func (r *rig) finish(stats map[string]uint64) {
	r.t.Helper()
	r.Run()
	for _, finding := range r.Audit() {
		r.t.Errorf("audit: %v", finding)
	}
	s := pipeline.MergeSnapshots(r.listener.Snapshot(), r.factory.Snapshot())
	if err := pipeline.CheckEnded(s); err != nil {
		r.t.Errorf("counters: %v", err)
	}
	for _, stat := range s {
		if want, ok := stats[stat.Name]; stat.Value != want && (ok || isFailure(stat.Name)) {
			r.t.Errorf("%s: got %d, want %d", stat.Name, stat.Value, want)
		}
	}
}

// isFailure says which counters are 0 unless a test says otherwise.
func isFailure(name string) bool {
	switch name {
	case "listener.edge.ssl.connection_error", "listener.edge.ssl.fail_verify_error", "listener.edge.ssl.fail_verify_no_cert",
		"listener.edge.ssl.handshake_abandoned", "listener.edge.ssl.handshakes_active",
		"listener.edge.downstream_cx_transport_socket_connect_timeout":
		return true
	}
	return false
}

// choices is a source of one line.
type choices func(p faults.Point, n int) int

func (f choices) Choose(p faults.Point, n int) int { return f(p, n) }

// pattern is n bytes that repeat with a prime period.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}
