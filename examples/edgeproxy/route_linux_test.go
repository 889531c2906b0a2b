package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sites is the program in front of three web servers: "web" for web.test, and two
// for *.api.test, of which "api-h2" is for clients that offer HTTP/2.
func sites(t *testing.T) (*authority, *process) {
	t.Helper()
	a := newAuthority(t)
	names := []string{"*.api.test"}
	return a, start(t, configFor(
		chain{"web", `{"server_names": ["web.test"], "transport_protocol": "tls"}`, webServer(a, "web", []string{"web.test"}, "h2", "http/1.1")},
		chain{"api-h2", `{"server_names": ["*.api.test"], "application_protocols": ["h2"]}`, webServer(a, "api-h2", names, "h2")},
		chain{"api", `{"server_names": ["*.api.test"]}`, webServer(a, "api", names, "http/1.1")},
	))
}

func TestRoutesByServerNameAndApplicationProtocol(t *testing.T) {
	a, p := sites(t)
	cases := []struct {
		serverName string
		protocols  []string
		want       string // of the certificate; empty: closed
	}{
		{"web.test", nil, "web"},
		{"WEB.test", []string{"http/1.1"}, "web"},
		{"v1.api.test", []string{"h2"}, "api-h2"},
		{"v1.api.test", []string{"http/1.1", "h2"}, "api-h2"}, // nothing is for http/1.1
		{"v1.api.test", []string{"http/1.1"}, "api"},
		{"v2.api.test", nil, "api"},
		{"api.test", nil, ""},
		{"web.test.example", nil, ""},
		{"127.0.0.1", nil, ""}, // no server name: it is for names only (RFC 6066 section 3)
	}
	routed := map[string]uint64{}
	for _, c := range cases {
		got, err := certificateSeen(p.address, a.client(c.serverName, c.protocols...))
		if c.want == "" && !closed(err) || c.want != "" && err != nil || got != c.want {
			t.Errorf("server name %q, application protocols %v: got %q, %v, want %q", c.serverName, c.protocols, got, err, c.want)
		}
		routed[c.want]++
	}
	s := p.idle()
	want(t, s, map[string]uint64{
		"listener.ingress.downstream_cx_accepted": uint64(len(cases)),
		"listener.ingress.downstream_cx_total":    uint64(len(cases)) - routed[""],
		"listener.ingress.no_filter_chain_match":  routed[""],
		"cluster.web.upstream_cx_total":           routed["web"],
		"cluster.api-h2.upstream_cx_total":        routed["api-h2"],
		"cluster.api.upstream_cx_total":           routed["api"],
		"tcp.web.downstream_cx_total":             routed["web"],
		"tcp.api-h2.downstream_cx_total":          routed["api-h2"],
		"tcp.api.downstream_cx_total":             routed["api"],
	})
	p.terminate()
}

func TestGoHTTPClients(t *testing.T) {
	a, p := sites(t)
	for _, c := range []struct {
		url, protocol, want string
	}{
		{"https://web.test/", "h2", "web: HTTP/2.0 for web.test"},
		{"https://web.test/", "http/1.1", "web: HTTP/1.1 for web.test"},
		{"https://v1.api.test/", "h2", "api-h2: HTTP/2.0 for v1.api.test"},
		{"https://v1.api.test/", "http/1.1", "api: HTTP/1.1 for v1.api.test"},
	} {
		transport := &http.Transport{
			TLSClientConfig:   a.client("", c.protocol),
			ForceAttemptHTTP2: c.protocol == "h2",
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, p.address)
			},
		}
		response, err := (&http.Client{Transport: transport, Timeout: patience}).Get(c.url)
		if err != nil {
			t.Fatalf("%s with %s: %v", c.url, c.protocol, err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		transport.CloseIdleConnections()
		if string(got) != c.want || err != nil {
			t.Errorf("%s with %s: got %q, %v, want %q", c.url, c.protocol, got, err, c.want)
		}
	}
	p.idle()
	p.terminate()
}

func TestOpenSSL(t *testing.T) {
	a, p := sites(t)
	for _, c := range []struct {
		serverName, protocols string
		want                  []string
	}{
		{"web.test", "http/1.1", []string{"subject=CN=web\n", "ALPNprotocol:http/1.1\n"}},
		{"v1.api.test", "h2,http/1.1", []string{"subject=CN=api-h2\n", "ALPNprotocol:h2\n"}},
		{"v1.api.test", "http/1.1", []string{"subject=CN=api\n", "ALPNprotocol:http/1.1\n"}},
	} {
		output, err := client(t, "openssl", "s_client", "-connect", p.address, "-servername", c.serverName, "-alpn", c.protocols,
			"-CAfile", a.file, "-verify_return_error")
		for _, want := range append(c.want, "Verifyreturncode:0(ok)\n") {
			// Versions differ in their spaces.
			if !strings.Contains(strings.ReplaceAll(output, " ", ""), want) || err != nil {
				t.Errorf("%s, %s: got %v and %s\nwant %q in it", c.serverName, c.protocols, err, output, want)
			}
		}
	}
	output, err := client(t, "openssl", "s_client", "-connect", p.address, "-servername", "other.test", "-CAfile", a.file)
	if err == nil || !strings.Contains(output, "no peer certificate available") {
		t.Errorf("other.test: got %v and %s\nwant a failure without a certificate", err, output)
	}
	want(t, p.idle(), map[string]uint64{"listener.ingress.no_filter_chain_match": 1})
	p.terminate()
}

func TestCurl(t *testing.T) {
	a, p := sites(t)
	host, port, _ := net.SplitHostPort(p.address)
	resolve := func(name string) []string {
		return []string{"--resolve", name + ":" + port + ":" + host, "https://" + name + ":" + port}
	}
	for _, c := range []struct {
		protocol string
		to       []string
		want     string
	}{
		{"--http1.1", resolve("web.test"), "web: HTTP/1.1 for web.test"},
		{"--http2", resolve("web.test"), "web: HTTP/2.0 for web.test"},
		{"--http1.1", resolve("v1.api.test"), "api: HTTP/1.1 for v1.api.test"},
		{"--http2", resolve("v1.api.test"), "api-h2: HTTP/2.0 for v1.api.test"},
		{"--http2", []string{"--connect-to", "v2.api.test:443:" + p.address, "https://v2.api.test"}, "api-h2: HTTP/2.0 for v2.api.test"},
	} {
		args := append([]string{"--silent", "--show-error", "--noproxy", "*", "--cacert", a.file, c.protocol}, c.to...)
		if got, err := client(t, "curl", args...); got != c.want || err != nil {
			t.Errorf("curl %v: got %q, %v, want %q", args, got, err, c.want)
		}
	}
	p.idle()
	p.terminate()
}

func TestUpstreamThatRefusesClosesTheClient(t *testing.T) {
	a := newAuthority(t)
	p := start(t, configFor(chain{"down", `{"server_names": ["down.test"]}`, refusingAddress(t)}))
	const clients = 5
	for range clients {
		if got, err := certificateSeen(p.address, a.client("down.test")); !closed(err) {
			t.Errorf("got %q, %v, want a closed connection", got, err)
		}
	}
	want(t, p.idle(), map[string]uint64{
		"listener.ingress.downstream_cx_total":  clients,
		"cluster.down.upstream_cx_total":        clients,
		"cluster.down.upstream_cx_connect_fail": clients,
		"tcp.down.downstream_cx_rx_bytes_total": 0,
	})
	p.terminate()
}

func TestPlaintextClient(t *testing.T) {
	const request = "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n"
	exchange := func(p *process) (string, error) {
		c := dial(t, p.address)
		defer c.Close()
		if _, err := io.WriteString(c, request); err != nil {
			return "", err
		}
		c.CloseWrite()
		got, err := io.ReadAll(c)
		return string(got), err
	}
	t.Run("is closed when all filter chains are for TLS", func(t *testing.T) {
		p := start(t, configFor(chain{"web", `{"transport_protocol": "tls"}`, serveTCP(t, nil, echo)}))
		if got, err := exchange(p); got != "" || err != nil && !closed(err) {
			t.Errorf("got %q, %v, want a closed connection", got, err)
		}
		want(t, p.idle(), map[string]uint64{"listener.ingress.no_filter_chain_match": 1, "cluster.web.upstream_cx_total": 0})
		p.terminate()
	})
	t.Run("is routed by transport protocol", func(t *testing.T) {
		p := start(t, configFor(
			chain{"plain", `{"transport_protocol": "raw_buffer"}`, serveTCP(t, nil, echo)},
			chain{"tls", `{"transport_protocol": "tls"}`, refusingAddress(t)},
		))
		if got, err := exchange(p); got != request || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, request)
		}
		want(t, p.idle(), map[string]uint64{"cluster.plain.upstream_cx_total": 1, "cluster.tls.upstream_cx_total": 0})
		p.terminate()
	})
}

func TestHalfClose(t *testing.T) {
	t.Run("by the client, then the upstream answers", func(t *testing.T) {
		p := start(t, configFor(chain{"any", "", serveTCP(t, nil, func(c net.Conn) {
			data, err := io.ReadAll(c)
			fmt.Fprintf(c, "%d bytes, %v", len(data), err)
		})}))
		c := dial(t, p.address)
		defer c.Close()
		io.WriteString(c, "question")
		c.CloseWrite()
		if got, err := io.ReadAll(c); string(got) != "8 bytes, <nil>" || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, "8 bytes, <nil>")
		}
		p.idle()
		p.terminate()
	})
	t.Run("by the upstream, then the client goes on", func(t *testing.T) {
		heard := make(chan string, 1)
		p := start(t, configFor(chain{"any", "", serveTCP(t, nil, func(c net.Conn) {
			first := make([]byte, 1)
			io.ReadFull(c, first)
			io.WriteString(c, "greeting")
			c.(*net.TCPConn).CloseWrite()
			rest, err := io.ReadAll(c)
			heard <- fmt.Sprintf("%s%s, %v", first, rest, err)
		})}))
		c := dial(t, p.address)
		defer c.Close()
		io.WriteString(c, "a")
		if got, err := io.ReadAll(c); string(got) != "greeting" || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, "greeting")
		}
		io.WriteString(c, "nswer")
		c.CloseWrite()
		if got := <-heard; got != "answer, <nil>" {
			t.Errorf("upstream got %q, want %q", got, "answer, <nil>")
		}
		p.idle()
		p.terminate()
	})
}

// The program peeks at the hello many times, and the upstream gets it once.
func TestClientHelloInSingleBytes(t *testing.T) {
	a, p := sites(t)
	c := tls.Client(singleBytes{dial(t, p.address)}, a.client("v1.api.test", "h2"))
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if got := c.ConnectionState().PeerCertificates[0].Subject.CommonName; got != "api-h2" {
		t.Errorf("got %q, want %q", got, "api-h2")
	}
	c.Close()
	p.idle()
	p.terminate()
}

// singleBytes writes one byte at a time, each in a segment of its own if the
// kernel does what TCP_NODELAY asks, which net sets.
type singleBytes struct{ net.Conn }

func (c singleBytes) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := c.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func TestTenMegabytesEachWay(t *testing.T) {
	a := newAuthority(t)
	p := start(t, configFor(chain{"echo", `{"server_names": ["echo.test"]}`, serveTCP(t, a.server("echo", []string{"echo.test"}), echo)}))
	data := make([]byte, 10<<20)
	rand.NewChaCha8([32]byte{}).Read(data)

	c := tls.Client(dial(t, p.address), a.client("echo.test"))
	defer c.Close()
	go func() {
		c.Write(data)
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("got %d bytes that differ from the %d that were sent", len(got), len(data))
	}
	c.Close()
	s := p.idle()
	for _, name := range []string{"tcp.echo.downstream_cx_rx_bytes_total", "tcp.echo.downstream_cx_tx_bytes_total"} {
		if got := s.Get(name); got <= uint64(len(data)) {
			t.Errorf("%s: got %d, want more than the %d bytes of data", name, got, len(data))
		}
	}
	p.terminate()
}

// certificateSeen is the common name of who answers a TLS client.
func certificateSeen(address string, config *tls.Config) (string, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, config)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

// closed says that err is how a client sees a connection that was closed instead of
// answered. It is a reset when what the client has sent was not read.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// client runs a client program without input, and returns what it wrote.
func client(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED: this machine has no %s, so nothing is known about it as a client: %v", name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	output, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	return string(output), err
}
