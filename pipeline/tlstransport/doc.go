// Package tlstransport is the transport socket that speaks TLS (Envoy
// envoy.transport_sockets.tls), on crypto/tls itself: nothing of TLS is implemented
// again. It never blocks its loop and starts no goroutine.
//
//	factory := tlstransport.NewServer(tlstransport.Config{TLS: config, StatPrefix: "listener.edge."})
//	chain := pipeline.FilterChain{
//		TransportSocket:               factory.TransportSocket,
//		TransportSocketConnectTimeout: 10 * time.Second,
//		Filters:                       filters,
//	}
//
// A server waits for the whole ClientHello, which costs only its bytes. Then the
// handshake runs in a coroutine ([iter.Pull]), which is suspended when it wants more
// bytes, and the stack is gone when the handshake is done: from then on crypto/tls
// reads until a temporary error says that there is no more, and writes into a
// queue that takes everything. A half-open handshake takes about 46 KB, so their
// number is bounded ([Config.MaxHandshakes]) and their time ought to be
// (transport_socket_connect_timeout, which the pipeline calls
// TransportSocketConnectTimeout).
//
// Filters hear Connected at the end of the handshake, and [StateOf] tells them what
// was negotiated. Until then no bytes reach them, and what they write is kept.
//
// A worker that locks its thread must do so before its loop runs, and for good:
// a coroutine can not move between threads that are locked differently.
//
// # In tests
//
// crypto/tls draws from a global source of randomness and asks for the time. On a
// test kernel a run repeats when the test calls
// [testing/cryptotest.SetGlobalRandom] with the same seed before each, and sets
// Config.Time of all sides. Config.Rand alone is not enough. The digest of a world
// holds lengths and not contents, so it is enough that lengths repeat: an Ed25519 key
// signs in 64 bytes, ECDSA in 70 to 72. With such a key a search of schedules, whose
// worlds share the global source, needs no SetGlobalRandom at all. A main module below go 1.26 has to say
// //go:debug cryptocustomrand=0.
//
// # Differences from Envoy
//
//   - The handshake goes on while reading is disabled, for instance until an
//     upstream is connected. Envoy stops.
//   - A ClientHello is bounded by 16 KiB.
//   - A FIN inside a record is an error, and not the end of the stream.
//   - A connection that is reset, or closed with output left, sends no
//     close_notify: the peer must not take it for a whole stream.
//   - Errors of VerifyPeerCertificate and VerifyConnection count as
//     ssl.connection_error: crypto/tls does not tell them from others.
//
// Not here: counters by version, cipher and curve; OCSP and private keys that answer
// later; renegotiation.
package tlstransport
