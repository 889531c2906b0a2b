package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"slices"
)

// tlsContext is envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext. The
// workers share it, so that they resume each other's sessions.
type tlsContext struct {
	config   *tls.Config
	revision string // changes with the content of the files, too
}

// readDownstreamTransportSocket returns nil for the raw one.
func readDownstreamTransportSocket(n node) *tlsContext {
	if n.field("name").value == rawBuffer.name {
		readExtension(n, rawBuffer)
		return nil
	}
	n.object("name", "typed_config")("name").required().oneOf(downstreamTLS.name, rawBuffer.name)
	field := readExtension(n, downstreamTLS, "common_tls_context", "require_client_certificate")
	common := field("common_tls_context").required().object("tls_params", "tls_certificates", "validation_context", "alpn_protocols")
	c := &tls.Config{NextProtos: common("alpn_protocols").texts()}
	read := []string{n.canonical()}
	for _, n := range common("tls_certificates").atLeastOne() {
		field := n.object("certificate_chain", "private_key")
		chain, key := readDataSource(field("certificate_chain").required()), readDataSource(field("private_key").required())
		certificate, err := tls.X509KeyPair(chain, key)
		if err != nil {
			n.fail("%v", err)
		}
		c.Certificates = append(c.Certificates, certificate)
		read = append(read, string(chain), string(key))
	}
	required := field("require_client_certificate").bool()
	if n := common("validation_context"); n.present() {
		trusted := n.object("trusted_ca")("trusted_ca").required()
		authorities := readDataSource(trusted)
		c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
		if !c.ClientCAs.AppendCertsFromPEM(authorities) {
			trusted.fail("want PEM with at least one certificate")
		}
		read = append(read, string(authorities))
	}
	switch {
	case required && c.ClientCAs != nil:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	case required:
		c.ClientAuth = tls.RequireAnyClientCert
	}
	versions := common("tls_params").object("tls_minimum_protocol_version", "tls_maximum_protocol_version")
	c.MinVersion = readTLSVersion(versions("tls_minimum_protocol_version"), tls.VersionTLS12)
	c.MaxVersion = readTLSVersion(versions("tls_maximum_protocol_version"), tls.VersionTLS13)
	if c.MinVersion > c.MaxVersion {
		versions("tls_maximum_protocol_version").fail("is below the minimum, %s", tls.VersionName(c.MinVersion))
	}
	tolerateUnknownProtocols(c)
	return &tlsContext{c, digest(read)}
}

// tolerateUnknownProtocols serves clients that offer only protocols which are not
// there as if they had offered none (Envoy: SSL_TLSEXT_ERR_NOACK). crypto/tls ends
// the handshake, as RFC 7301 3.2 says.
func tolerateUnknownProtocols(c *tls.Config) {
	if len(c.NextProtos) == 0 {
		return
	}
	without := c.Clone()
	without.NextProtos = nil
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.ContainsFunc(hello.SupportedProtos, func(p string) bool { return slices.Contains(c.NextProtos, p) }) {
			return nil, nil
		}
		return without, nil
	}
}

func readTLSVersion(n node, auto uint16) uint16 {
	switch n.oneOf("TLS_AUTO", "TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3") {
	case "TLSv1_0":
		return tls.VersionTLS10
	case "TLSv1_1":
		return tls.VersionTLS11
	case "TLSv1_2":
		return tls.VersionTLS12
	case "TLSv1_3":
		return tls.VersionTLS13
	}
	return auto
}

// readDataSource is envoy.config.core.v3.DataSource.
func readDataSource(n node) []byte {
	field := n.object("filename", "inline_string", "inline_bytes")
	switch name := n.only("filename", "inline_string", "inline_bytes"); name {
	case "filename":
		data, err := os.ReadFile(field(name).text())
		if err != nil {
			field(name).fail("%v", err)
		}
		return data
	case "inline_string":
		return []byte(field(name).text())
	case "inline_bytes":
		return field(name).bytes()
	}
	n.fail("missing")
	return nil
}
