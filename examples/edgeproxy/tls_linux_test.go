package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// terminating is the transport socket of a filter chain with a certificate for
// names, and more fields of its common_tls_context.
func terminating(a *authority, commonName string, names []string, protocols ...string) object {
	certificate, key := a.files(commonName, names)
	common := object{"tls_certificates": []object{{
		"certificate_chain": object{"filename": certificate}, "private_key": object{"filename": key}}}}
	if len(protocols) > 0 {
		common["alpn_protocols"] = protocols
	}
	return configured(downstreamTLS, object{"common_tls_context": common})
}

// edge terminates TLS for edge.test in front of a plain web server, and passes TLS
// for pass.test through.
func edge(t *testing.T) (*authority, *process) {
	t.Helper()
	a := newAuthority(t)
	config := configFor(
		chain{"edge", `{"server_names": ["edge.test"], "transport_protocol": "tls"}`, plainWebServer(t, "edge")},
		chain{"pass", `{"server_names": ["pass.test"], "transport_protocol": "tls"}`, webServer(a, "pass", []string{"pass.test"}, "h2", "http/1.1")},
	)
	return a, start(t, edit(t, config, firstChain+"transport_socket", terminating(a, "edgeproxy", []string{"edge.test"}, "h2", "http/1.1")))
}

func TestTerminatesTLSForGoHTTPClients(t *testing.T) {
	a, p := edge(t)
	for _, c := range []struct{ name, protocol, certificate, want string }{
		{"edge.test", "h2", "edgeproxy", "edge: HTTP/2.0 for edge.test"},
		{"edge.test", "http/1.1", "edgeproxy", "edge: HTTP/1.1 for edge.test"},
		{"pass.test", "h2", "pass", "pass: HTTP/2.0 for pass.test"},
		{"pass.test", "http/1.1", "pass", "pass: HTTP/1.1 for pass.test"},
	} {
		got, state := get(t, p.address, "https://"+c.name, a.client("", c.protocol))
		if got != c.want {
			t.Errorf("%s with %s: got %q, want %q", c.name, c.protocol, got, c.want)
		}
		if got := state.PeerCertificates[0].Subject.CommonName; got != c.certificate {
			t.Errorf("%s with %s: got the certificate of %q, want %q", c.name, c.protocol, got, c.certificate)
		}
	}
	want(t, p.idle(), map[string]uint64{
		"listener.ingress.ssl.handshake":        2,
		"listener.ingress.ssl.connection_error": 0,
		"tcp.edge.downstream_cx_total":          2,
		"tcp.pass.downstream_cx_total":          2,
	})
	p.terminate()
}

// get makes one request on a connection of its own to address.
func get(t *testing.T, address, url string, config *tls.Config) (body string, state tls.ConnectionState) {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig:   config,
		ForceAttemptHTTP2: len(config.NextProtos) > 0 && config.NextProtos[0] == "h2",
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: patience}).Get(url)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return string(got), *response.TLS
}

func TestCurlAndOpenSSLThroughTermination(t *testing.T) {
	a, p := edge(t)
	host, port, _ := net.SplitHostPort(p.address)
	for _, name := range []string{"edge", "pass"} {
		for flag, version := range map[string]string{"--http1.1": "HTTP/1.1", "--http2": "HTTP/2.0"} {
			site := name + ".test:" + port
			got, err := client(t, "curl", "--silent", "--show-error", "--noproxy", "*", "--cacert", a.file, flag,
				"--resolve", site+":"+host, "https://"+site)
			// HTTP/1.1 names the port in Host, and the server that terminates says only the name.
			if want := name + ": " + version + " for " + name + ".test"; !strings.HasPrefix(got, want) || err != nil {
				t.Errorf("curl %s %s: got %q, %v, want %q", flag, site, got, err, want)
			}
		}
	}
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		output, err := client(t, "openssl", "s_client", "-connect", p.address, "-servername", "edge.test", version,
			"-alpn", "http/1.1", "-CAfile", a.file, "-verify_return_error")
		for _, want := range []string{"subject=CN=edgeproxy\n", "ALPNprotocol:http/1.1\n", "Verifyreturncode:0(ok)\n"} {
			if !strings.Contains(strings.ReplaceAll(output, " ", ""), want) || err != nil {
				t.Errorf("openssl %s: got %v and %s\nwant %q in it", version, err, output, want)
			}
		}
	}
	p.idle()
	p.terminate()
}

// echoBehindTLS terminates TLS for everybody, without a TLS inspector, with fields
// of the DownstreamTlsContext and its common_tls_context set.
func echoBehindTLS(t *testing.T, a *authority, edits map[string]any) *process {
	t.Helper()
	config := configFor(chain{"echo", "", serveTCP(t, nil, echo)})
	config = edit(t, config, listenerFilters, []object{})
	config = edit(t, config, defaultChain+"transport_socket", terminating(a, "edgeproxy", []string{"edge.test"}, "h2"))
	for path, value := range edits {
		config = edit(t, config, defaultChain+path, value)
	}
	return start(t, config)
}

// exchange sends one message, and says whether it comes back.
func exchange(address string, config *tls.Config) (tls.ConnectionState, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, config)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer c.Close()
	if _, err := io.WriteString(c, "hello"); err != nil {
		return tls.ConnectionState{}, err
	}
	_, err = io.ReadFull(c, make([]byte, 5)) // with TLS 1.3 a refused certificate is told here
	return c.ConnectionState(), err
}

func TestClientWithUnknownApplicationProtocolsIsServed(t *testing.T) {
	a := newAuthority(t)
	p := echoBehindTLS(t, a, nil)
	for protocol, want := range map[string]string{"h2": "h2", "acme": "", "": ""} {
		config := a.client("edge.test")
		if protocol != "" {
			config.NextProtos = []string{protocol}
		}
		if state, err := exchange(p.address, config); err != nil || state.NegotiatedProtocol != want {
			t.Errorf("%q: got %q, %v, want %q", protocol, state.NegotiatedProtocol, err, want)
		}
	}
	p.idle()
	p.terminate()
}

func TestSessionsResumeOnEveryWorker(t *testing.T) {
	a := newAuthority(t)
	p := echoBehindTLS(t, a, nil)
	config := a.client("edge.test")
	config.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	const connections = 20 // so that it is very unlikely that one worker has all
	for i := range connections {
		if state, err := exchange(p.address, config); err != nil || state.DidResume != (i > 0) {
			t.Errorf("connection %d: got resumed %v, %v, want %v", i, state.DidResume, err, i > 0)
		}
	}
	want(t, p.idle(), map[string]uint64{"listener.ingress.ssl.session_reused": connections - 1})
	p.terminate()
}

func TestClientCertificates(t *testing.T) {
	const context = "transport_socket.typed_config."
	a, other := newAuthority(t), newAuthority(t)
	for name, c := range map[string]struct {
		required  bool
		trusted   bool // there is a validation_context
		issuer    *authority
		refused   bool
		countedBy string
	}{
		"required and there":             {true, true, a, false, "ssl.handshake"},
		"required and missing":           {true, true, nil, true, "ssl.fail_verify_no_cert"},
		"required and of somebody else":  {true, true, other, true, "ssl.fail_verify_error"},
		"required of whomever":           {true, false, other, false, "ssl.handshake"},
		"not required and missing":       {false, true, nil, false, "ssl.no_certificate"},
		"not required, of somebody else": {false, true, other, true, "ssl.fail_verify_error"},
	} {
		t.Run(name, func(t *testing.T) {
			edits := map[string]any{context + "require_client_certificate": c.required}
			if c.trusted {
				edits[context+"common_tls_context.validation_context"] = object{"trusted_ca": object{"filename": a.file}}
			}
			p := echoBehindTLS(t, a, edits)
			config := a.client("edge.test")
			if c.issuer != nil {
				certificate := c.issuer.issue("client", nil)
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
			}
			if _, err := exchange(p.address, config); (err != nil) != c.refused {
				t.Errorf("got %v, want refused %v", err, c.refused)
			}
			want(t, p.idle(), map[string]uint64{"listener.ingress." + c.countedBy: 1})
			p.terminate()
		})
	}
}

func TestTransportSocketConnectTimeout(t *testing.T) {
	p := echoBehindTLS(t, newAuthority(t), map[string]any{"transport_socket_connect_timeout": "0.001s"})
	c := dial(t, p.address)
	defer c.Close()
	if n, err := c.Read(make([]byte, 1)); err == nil || !closed(err) {
		t.Errorf("got %d bytes, %v, want a closed connection", n, err)
	}
	want(t, p.idle(), map[string]uint64{
		"listener.ingress.downstream_cx_transport_socket_connect_timeout": 1,
		"listener.ingress.ssl.handshake":                                  0,
	})
	p.terminate()
}

func TestTLSVersions(t *testing.T) {
	a := newAuthority(t)
	p := echoBehindTLS(t, a, map[string]any{
		"transport_socket.typed_config.common_tls_context.tls_params": object{"tls_minimum_protocol_version": "TLSv1_3"}})
	config := a.client("edge.test")
	config.MaxVersion = tls.VersionTLS12
	if _, err := exchange(p.address, config); err == nil {
		t.Error("TLS 1.2: got a connection, want none")
	}
	config.MaxVersion = tls.VersionTLS13
	if _, err := exchange(p.address, config); err != nil {
		t.Errorf("TLS 1.3: got %v, want a connection", err)
	}
	want(t, p.idle(), map[string]uint64{"listener.ingress.ssl.connection_error": 1, "listener.ingress.ssl.handshake": 1})
	p.terminate()
}
