package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"
)

// selfSigned is a certificate and its key as PEM.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// inSample is the sample with a transport socket in its first filter chain.
func inSample(t *testing.T, transportSocket string) []byte {
	return sampleWith(t, `"name": "web",`, `"name": "web", "transport_socket": `+transportSocket+`,`)
}

func TestDownstreamTLSContext(t *testing.T) {
	certificate, key := selfSigned(t)
	_, otherKey := selfSigned(t)
	const path = "static_resources.listeners[0].filter_chains[0].transport_socket"
	const common = path + ".typed_config.common_tls_context"
	good := fmt.Sprintf(`{"certificate_chain": {"inline_string": %q}, "private_key": {"inline_bytes": %q}}`,
		certificate, base64.StdEncoding.EncodeToString([]byte(key)))
	_, missing := os.ReadFile("none.pem")
	context := func(fields, common string) string {
		return `{"name": "envoy.transport_sockets.tls", "typed_config": {"@type": "` + downstreamTLS.typeURL() + `"` + fields +
			`, "common_tls_context": {` + common + `}}}`
	}
	certificates := `"tls_certificates": [` + good + `]`
	for name, c := range map[string]struct {
		socket, want string // an empty want is no error
	}{
		"certificate in the configuration": {context("", certificates), ""},
		"raw buffer":                       {`{"name": "envoy.transport_sockets.raw_buffer", "typed_config": {"@type": "` + rawBuffer.typeURL() + `"}}`, ""},
		"unknown field":                    {context(`, "session_timeout": "1s"`, certificates), path + `.typed_config.session_timeout: unknown field (known: @type, common_tls_context, require_client_certificate)`},
		"unknown transport socket":         {`{"name": "envoy.transport_sockets.quic"}`, path + `.name: "envoy.transport_sockets.quic" is not supported (have: envoy.transport_sockets.tls, envoy.transport_sockets.raw_buffer)`},
		"no certificate":                   {context("", ""), common + `.tls_certificates: missing`},
		"no key":                           {context("", `"tls_certificates": [{"certificate_chain": {"inline_string": "x"}}]`), common + `.tls_certificates[0].private_key: missing`},
		"key of another certificate":       {context("", strings.Replace(certificates, base64.StdEncoding.EncodeToString([]byte(key)), base64.StdEncoding.EncodeToString([]byte(otherKey)), 1)), common + `.tls_certificates[0]: tls: private key does not match public key`},
		"no PEM":                           {context("", `"tls_certificates": [{"certificate_chain": {"inline_string": "x"}, "private_key": {"inline_string": "y"}}]`), common + `.tls_certificates[0]: tls: failed to find any PEM data in certificate input`},
		"file that is not there":           {context("", `"tls_certificates": [{"certificate_chain": {"filename": "none.pem"}, "private_key": {"inline_string": "y"}}]`), common + `.tls_certificates[0].certificate_chain.filename: ` + missing.Error()},
		"two sources":                      {context("", `"tls_certificates": [{"certificate_chain": {"filename": "none.pem", "inline_string": "x"}, "private_key": {"inline_string": "y"}}]`), common + `.tls_certificates[0].certificate_chain.inline_string: filename is there already`},
		"no source":                        {context("", `"tls_certificates": [{"certificate_chain": {}, "private_key": {"inline_string": "y"}}]`), common + `.tls_certificates[0].certificate_chain: missing`},
		"bytes that are not base64":        {context("", `"tls_certificates": [{"certificate_chain": {"inline_bytes": "-"}, "private_key": {"inline_string": "y"}}]`), common + `.tls_certificates[0].certificate_chain.inline_bytes: want base64: illegal base64 data at input byte 0`},
		"authority that is none":           {context("", certificates+`, "validation_context": {"trusted_ca": {"inline_string": "x"}}`), common + `.validation_context.trusted_ca: want PEM with at least one certificate`},
		"unknown version":                  {context("", certificates+`, "tls_params": {"tls_minimum_protocol_version": "SSLv3"}`), common + `.tls_params.tls_minimum_protocol_version: "SSLv3" is not supported (have: TLS_AUTO, TLSv1_0, TLSv1_1, TLSv1_2, TLSv1_3)`},
		"versions that leave none":         {context("", certificates+`, "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_2"}`), common + `.tls_params.tls_maximum_protocol_version: is below the minimum, TLS 1.3`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseConfig("edgeproxy.json", inSample(t, c.socket))
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v, want no error", err)
			case c.want != "" && (err == nil || err.Error() != "edgeproxy.json: "+c.want):
				t.Errorf("got  %v\nwant edgeproxy.json: %s", err, c.want)
			}
		})
	}
	cfg, err := parseConfig("edgeproxy.json", inSample(t, context(`, "require_client_certificate": true`, certificates+`, "alpn_protocols": ["h2", "http/1.1"]`)))
	if err != nil {
		t.Fatal(err)
	}
	got := cfg.listeners[0].chains[0].tls.config
	if got.ClientAuth != tls.RequireAnyClientCert || strings.Join(got.NextProtos, " ") != "h2 http/1.1" || got.MinVersion != tls.VersionTLS12 {
		t.Errorf("got client authentication %v, protocols %q, at least %s; want any certificate, h2 and http/1.1, TLS 1.2",
			got.ClientAuth, got.NextProtos, tls.VersionName(got.MinVersion))
	}
}

// What a reload compares.
func TestRevisionsChangeWithWhatTheyStandFor(t *testing.T) {
	load := func(data []byte) *config {
		t.Helper()
		cfg, err := parseConfig("edgeproxy.json", data)
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	before := load(sampleWith(t, "", "")).listeners[0]
	for name, c := range map[string]struct {
		old, new         string
		listener, chains bool // which of the revisions changes
	}{
		"nothing but spaces":        {`"name": "ingress",`, `  "name":   "ingress",`, false, false},
		"missing stat_prefix":       {`"stat_prefix": "ingress",`, ``, true, false},
		"listener filter timeout":   {`"15s"`, `"16s"`, true, false},
		"name of a filter chain":    {`"name": "api over HTTP/2"`, `"name": "h2"`, false, true},
		"cluster of a filter chain": {`"cluster": "api_h2"`, `"cluster": "api"`, false, true},
		"idle timeout":              {`"3600s"`, `"3601s"`, false, true},
		"hosts of a cluster":        {`"port_value": 9001`, `"port_value": 9005`, false, false},
	} {
		after := load(sampleWith(t, c.old, c.new)).listeners[0]
		if got := before.revision != after.revision; got != c.listener {
			t.Errorf("%s: got a change of the listener %v, want %v", name, got, c.listener)
		}
		if got := before.chainsRevision != after.chainsRevision; got != c.chains {
			t.Errorf("%s: got a change of the filter chains %v, want %v", name, got, c.chains)
		}
	}
}
