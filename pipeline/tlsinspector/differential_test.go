package tlsinspector

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// generated returns hellos of crypto/tls clients in all combinations of what a
// config can change in a hello.
func generated(t testing.TB) [][]byte {
	label := strings.Repeat("n", 63)
	var hellos [][]byte
	for _, name := range []string{"", "edge.test", "EDGE.Test", "192.0.2.1", strings.Join([]string{label, label, label, label}, ".")[:253]} {
		for _, protocols := range [][]string{nil, {"h2"}, {"h2", "http/1.1"}, {strings.Repeat("p", 255), "x"}} {
			for _, versions := range [][2]uint16{
				{tls.VersionTLS10, tls.VersionTLS10}, {tls.VersionTLS10, tls.VersionTLS12},
				{tls.VersionTLS12, tls.VersionTLS13}, {tls.VersionTLS13, tls.VersionTLS13},
			} {
				for _, curves := range [][]tls.CurveID{nil, {tls.X25519}, {tls.CurveP521, tls.CurveP256}, {tls.X25519MLKEM768}} {
					if versions[1] < tls.VersionTLS13 && slices.Contains(curves, tls.X25519MLKEM768) {
						continue // it has no curve left
					}
					b := clientFlight(&tls.Config{
						ServerName: name, NextProtos: protocols, InsecureSkipVerify: true,
						MinVersion: versions[0], MaxVersion: versions[1], CurvePreferences: curves,
					})
					if len(b) == 0 {
						t.Fatalf("no hello from %q %q %x %v", name, protocols, versions, curves)
					}
					hellos = append(hellos, b)
				}
			}
		}
	}
	return append(hellos, resumed(t, tls.VersionTLS12), resumed(t, tls.VersionTLS13))
}

// resumed returns a hello with a session ticket (TLS 1.2) or a pre-shared key.
func resumed(t testing.TB, version uint16) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"edge.test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)

	client := &tls.Config{
		ServerName: "edge.test", NextProtos: []string{"h2"}, RootCAs: roots,
		MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}
	server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2"}}
	l, err := net.Listen("tcp", "127.0.0.1:0") // not a net.Pipe: both ends write at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			defer conn.Close()
			_, err = tls.Server(conn, server).Write([]byte("x")) // the ticket of TLS 1.3 comes before it
		}
		served <- err
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}

	full := len(clientFlight(&tls.Config{ServerName: "edge.test", NextProtos: []string{"h2"}, MaxVersion: version}))
	again := clientFlight(client)
	if len(again) < full+32 {
		t.Fatalf("a hello of %d bytes, %d without a session: there is no ticket in it", len(again), full)
	}
	return again
}

func TestEveryHelloOfCryptoTLSIsReadAsCryptoTLSReadsIt(t *testing.T) {
	var p Parser
	hellos := generated(t)
	for _, b := range hellos {
		hello, status := p.Parse(b)
		info := oracle(b)
		if status != Found || info == nil {
			t.Fatalf("got %v, crypto/tls %v, for %q", status, info, b)
		}
		agree(t, hello, info)
		want := judge(&p, b)
		for i := range b {
			if got := judge(&p, b[:i]); got != (verdict{}) {
				t.Fatalf("first %d of %d bytes: got %+v, want NeedMore", i, len(b), got)
			}
		}
		for _, n := range []int{1, 3, 50, 1000} {
			cut := []byte(fragments(string(b[recordHeaderLen:]), n))
			if got := judge(&p, cut); got != want {
				t.Errorf("in records of %d bytes: got %+v, want %+v", n, got, want)
			}
			if cut := cut[:len(cut)-1]; oracle(cut) != nil || judge(&p, cut) != (verdict{}) {
				t.Errorf("in records of %d bytes, without the last: got %+v, want NeedMore", n, judge(&p, cut))
			}
		}
	}
	t.Logf("%d hellos", len(hellos))
}
