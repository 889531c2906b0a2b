package tlstransport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"

	"edgewise.test/pipeline"
)

// Stats are the counters of a factory. They are plain numbers that belong to the
// loop's goroutine. The comment of each is its name behind the prefix; those
// marked + are not Envoy's. Every connection that has a handshake before it ends is
// counted in Handshake, and every other one in exactly one of the failures or in
// HandshakeAbandoned.
type Stats struct {
	ConnectionError  uint64 // ssl.connection_error: failures that are not counted elsewhere, also after the handshake
	Handshake        uint64 // ssl.handshake: successful ones
	SessionReused    uint64 // ssl.session_reused
	NoCertificate    uint64 // ssl.no_certificate: handshakes in which the peer showed none
	FailVerifyNoCert uint64 // ssl.fail_verify_no_cert: the client showed none, but had to
	FailVerifyError  uint64 // ssl.fail_verify_error: the certificate of the peer was not good

	HandshakeAbandoned uint64 // + ssl.handshake_abandoned: the connection ended, or was closed by us, before the handshake did
	HandshakeQueued    uint64 // + ssl.handshake_queued: had to wait, over MaxHandshakes
	HandshakesActive   uint64 // + ssl.handshakes_active, a gauge: coroutines
}

// Snapshot returns the counters under prefix.
func (s *Stats) Snapshot(prefix string) pipeline.Snapshot {
	p := prefix + "ssl."
	return pipeline.MakeSnapshot(
		pipeline.Stat{Name: p + "connection_error", Value: s.ConnectionError},
		pipeline.Stat{Name: p + "handshake", Value: s.Handshake},
		pipeline.Stat{Name: p + "session_reused", Value: s.SessionReused},
		pipeline.Stat{Name: p + "no_certificate", Value: s.NoCertificate},
		pipeline.Stat{Name: p + "fail_verify_no_cert", Value: s.FailVerifyNoCert},
		pipeline.Stat{Name: p + "fail_verify_error", Value: s.FailVerifyError},
		pipeline.Stat{Name: p + "handshake_abandoned", Value: s.HandshakeAbandoned},
		pipeline.Stat{Name: p + "handshake_queued", Value: s.HandshakeQueued},
		pipeline.Stat{Name: p + "handshakes_active", Value: s.HandshakesActive},
	)
}

// countHandshake counts a success (Envoy context_impl.cc logHandshake).
func (s *Stats) countHandshake(state tls.ConnectionState) {
	s.Handshake++
	if state.DidResume {
		s.SessionReused++
	}
	if len(state.PeerCertificates) == 0 {
		s.NoCertificate++
	}
}

// countFailure counts an error of the handshake, or one after it. A system call
// that failed is not one of TLS (Envoy ssl_socket.cc drainErrorQueue).
func (s *Stats) countFailure(err error, negotiated bool) {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	switch {
	case isTransport(err):
		if !negotiated {
			s.HandshakeAbandoned++
		}
	case errors.As(err, &verification) || errors.As(err, &authority):
		s.FailVerifyError++
	case err.Error() == noClientCertificate:
		s.FailVerifyNoCert++
	default:
		s.ConnectionError++
	}
}

// noClientCertificate is the text of an error for which crypto/tls has no type.
const noClientCertificate = "tls: client didn't provide a certificate"

// isTransport says whether err is of the connection below TLS.
func isTransport(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
