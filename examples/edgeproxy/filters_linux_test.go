package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"

	"edgewise.test/pipeline/proxyprotocol"
)

// naming is an upstream that says its name to whoever sends a byte.
func naming(t *testing.T, name string) (address string) {
	return serveTCP(t, nil, func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, 1)); err == nil {
			fmt.Fprintln(c, name)
		}
	})
}

// nameBehind sends request, and returns the name of the upstream.
func nameBehind(t *testing.T, address, request string) string {
	t.Helper()
	c := dial(t, address)
	defer c.Close()
	io.WriteString(c, request)
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil && !closed(err) {
		t.Fatal(err)
	}
	return line
}

// Headers of the PROXY protocol bring addresses from everywhere.
func TestFilterChainMatchByAddresses(t *testing.T) {
	config := configFor(
		chain{"port", `{"destination_port": 8443}`, naming(t, "port")},
		chain{"prefix", `{"prefix_ranges": [{"address_prefix": "198.51.100.0", "prefix_len": 24}]}`, naming(t, "prefix")},
		chain{"source", `{"source_prefix_ranges": [{"address_prefix": "2001:db8::", "prefix_len": 32}]}`, naming(t, "source")},
		chain{"source-port", `{"source_prefix_ranges": [{"address_prefix": "2001:db8::", "prefix_len": 32}], "source_ports": [7, 9]}`, naming(t, "source-port")},
		chain{"loopback", `{"source_type": "SAME_IP_OR_LOOPBACK"}`, naming(t, "loopback")},
		chain{"direct", `{"direct_source_prefix_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}], "prefix_ranges": [{"address_prefix": "203.0.113.7", "prefix_len": 32}]}`, naming(t, "direct")},
		chain{"elsewhere", `{"direct_source_prefix_ranges": [{"address_prefix": "192.0.2.0", "prefix_len": 24}], "prefix_ranges": [{"address_prefix": "203.0.113.7", "prefix_len": 32}]}`, naming(t, "elsewhere")},
		chain{"default", "", naming(t, "default")},
	)
	p := start(t, edit(t, config, listenerFilters, []object{configured(proxyProtocol, nil)}))
	for _, c := range []struct{ source, destination, want string }{
		{"192.0.2.1:1", "192.0.2.9:8443", "port"},
		{"192.0.2.1:1", "198.51.100.2:443", "prefix"},
		{"192.0.2.1:1", "198.51.100.2:8443", "port"}, // the port comes first
		{"[2001:db8::1]:1", "[2001:db8::2]:443", "source"},
		{"[2001:db8::1]:9", "[2001:db8::2]:443", "source-port"},
		{"127.0.0.9:1", "192.0.2.9:443", "loopback"},
		{"192.0.2.9:1", "192.0.2.9:443", "loopback"},
		{"192.0.2.1:1", "203.0.113.7:443", "direct"},
		{"192.0.2.1:1", "192.0.2.9:443", "default"},
	} {
		header := proxyprotocol.AppendV1(nil, netip.MustParseAddrPort(c.source), netip.MustParseAddrPort(c.destination))
		if got := nameBehind(t, p.address, string(header)+"x"); got != c.want+"\n" {
			t.Errorf("from %s to %s: got %q, want %q", c.source, c.destination, got, c.want)
		}
	}
	p.idle()
	p.terminate()
}

func TestHTTPInspectorAndTLSInspector(t *testing.T) {
	a := newAuthority(t)
	config := configFor(
		chain{"h1", `{"application_protocols": ["http/1.0", "http/1.1"], "transport_protocol": "raw_buffer"}`, naming(t, "h1")},
		chain{"h2c", `{"application_protocols": ["h2c"], "transport_protocol": "raw_buffer"}`, naming(t, "h2c")},
		chain{"tls", `{"transport_protocol": "tls"}`, serveTCP(t, a.server("tls", []string{"tls.test"}, "http/1.1"), echo)},
		chain{"other", "", naming(t, "other")},
	)
	p := start(t, edit(t, config, listenerFilters, []object{
		configured(tlsInspector, object{"enable_ja3_fingerprinting": true, "enable_ja4_fingerprinting": true, "max_client_hello_size": 8192}),
		configured(httpInspector, nil),
		configured(originalDst, nil),
	}))
	for request, want := range map[string]string{
		"GET / HTTP/1.1\r\n\r\n":               "h1\n",
		"GET / HTTP/1.0\r\n\r\n":               "h1\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":     "h2c\n",
		"SSH-2.0-OpenSSH\r\n":                  "other\n",
		"\x16\x03\x01\x00\x05\x02\x00\x00\x00": "other\n", // no ClientHello
	} {
		if got := nameBehind(t, p.address, request); got != want {
			t.Errorf("%q: got %q, want %q", request, got, want)
		}
	}
	if got, err := certificateSeen(p.address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}); got != "tls" || err != nil {
		t.Errorf("TLS: got %q, %v, want tls", got, err)
	}
	want(t, p.idle(), map[string]uint64{
		"tls_inspector.tls_found":        1,
		"tls_inspector.tls_not_found":    5,
		"http_inspector.http11_found":    1,
		"http_inspector.http10_found":    1,
		"http_inspector.http2_found":     1,
		"http_inspector.http_not_found":  2,
		"listener.ingress.ssl.handshake": 0,
	})
	p.terminate()
}

func TestLocalRateLimit(t *testing.T) {
	const tokens, clients = 3, 7
	bucket := object{"max_tokens": tokens, "fill_interval": "86400s"}
	config := configFor(chain{"any", "", naming(t, "any")})
	config = edit(t, config, listenerFilters, []object{configured(localRateLimit, object{"stat_prefix": "limit", "token_bucket": bucket})})
	p := start(t, config, "-workers", "1")
	for i := range clients {
		want := "any\n"
		if i >= tokens {
			want = ""
		}
		if got := nameBehind(t, p.address, "x"); got != want {
			t.Errorf("client %d: got %q, want %q", i, got, want)
		}
	}
	want(t, p.idle(), map[string]uint64{"listener_local_ratelimit.limit.rate_limited": clients - tokens})
	p.terminate()
}
