package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// terminators end TLS and proxy to the upstream.
var (
	edgewiseTLS = &subject{"edgewise", "edgeproxy", func(b *bench, port, upstream int) ([]string, error) {
		return b.edgeproxyConfig(port, upstream, fmt.Sprintf(`"filter_chains": [{"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config":
			{"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context":
				{"tls_certificates": [{"certificate_chain": {"filename": %q}, "private_key": {"filename": %q}}]}}},`, b.identity("cert"), b.identity("key")))
	}}
	netTLS = &subject{"Go net and crypto/tls", "gonet", func(b *bench, port, upstream int) ([]string, error) {
		return []string{b.paths["gonet"], "-listen", address(port), "-upstream", address(upstream), "-cert", b.identity("cert"), "-key", b.identity("key")}, nil
	}}
	haproxyTLS = &subject{"HAProxy", "haproxy", func(b *bench, port, upstream int) ([]string, error) {
		return b.haproxyConfig(port, upstream, "\tssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256\n", " ssl crt "+b.identity("both"), "\tdefault_backend all")
	}}
	nginxTLS = &subject{"nginx", "nginx", func(b *bench, port, upstream int) ([]string, error) {
		return b.nginxConfig(port, fmt.Sprintf(`		listen 127.0.0.1:%d ssl backlog=4096;
		ssl_certificate %s;
		ssl_certificate_key %s;
		ssl_protocols TLSv1.3;
		ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
		proxy_pass 127.0.0.1:%d;
`, port, b.identity("cert"), b.identity("key"), upstream))
	}}
)

// terminate are the works of TLS termination, with a key and ciphers that all can do.
func (b *bench) terminate() []*work {
	subjects := b.present(netTLS, edgewiseTLS, haproxyTLS, nginxTLS)
	return []*work{
		{
			name: "TLS termination, full handshakes (16 at a time)", upstream: true, subjects: subjects, own: edgewiseTLS, warmUp: "tls-handshake",
			metrics: []metric{
				{name: "CPU per handshake", unit: "µs", reference: netTLS},
				{name: "handshakes per second", unit: "", reference: netTLS},
			},
			run: func(b *bench, p *process, _ int) ([]reading, error) {
				before := p.cpu()
				r, err := b.load(p, "tls-handshake", anyCount, b.window, 16)
				if err != nil {
					return nil, err
				}
				rate := float64(r["connections"]) / time.Duration(r["wall_ns"]).Seconds()
				return []reading{cpuReading(p.cpu()-before, r), plain(rate)}, nil
			},
		},
		{
			name: "echo through TLS termination (4 connections)", upstream: true, subjects: subjects, own: edgewiseTLS, warmUp: "tls-handshake",
			metrics: []metric{
				{name: "throughput", unit: "GB/s", reference: netTLS},
				{name: "CPU per GB", unit: "s", reference: netTLS},
			},
			run: func(b *bench, p *process, _ int) ([]reading, error) { return b.echo(p, "tls-echo") },
		},
	}
}

// identity is the file with the certificate, the key, or both.
func (t *tools) identity(what string) string { return filepath.Join(t.dir, what+".pem") }

// writeIdentity makes a certificate for serverName.
func (b *bench) writeIdentity() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: serverName}, DNSNames: []string{serverName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	for what, data := range map[string][]byte{"cert": cert, "key": secret, "both": slices.Concat(cert, secret)} {
		if err := os.WriteFile(b.identity(what), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
