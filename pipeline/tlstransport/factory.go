package tlstransport

import (
	"container/list"
	"crypto/tls"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/tlsinspector"
)

// DefaultMaxHandshakes is the default of [Config.MaxHandshakes]: about 50 MB when
// every peer has stopped in the middle.
const DefaultMaxHandshakes = 1024

// Config says how the connections of one factory speak TLS.
type Config struct {
	// TLS is the configuration of crypto/tls, which is used as it is: all workers
	// can share one, and must share one to resume each other's sessions. Its
	// callbacks run on the loop, so they must not block, and they must not call
	// [runtime.Goexit]. A client needs ServerName or InsecureSkipVerify.
	TLS *tls.Config

	// StatPrefix is put before "ssl." in the names of the counters, such as
	// "listener.edge." or "cluster.upstream.". Empty is none.
	StatPrefix string

	// MaxHandshakes bounds the handshakes that are going on at one time; each
	// takes about 46 KB. Connections above it wait for their turn, first come
	// first served, for as long as transport_socket_connect_timeout: without
	// that, peers that stop in the middle keep everybody waiting. 0 means
	// [DefaultMaxHandshakes], negative means no bound.
	MaxHandshakes int

	// MaxClientHelloSize bounds the bytes that a server takes up to the end of
	// the ClientHello. 0, and more than that, means [tlsinspector.MaxSize].
	MaxClientHelloSize int
}

// Factory makes the transport sockets of one loop, and counts what they do (Envoy
// Ssl::ServerSslSocketFactory). It belongs to the goroutine of the loop.
type Factory struct {
	config  Config
	client  bool
	parser  tlsinspector.Parser
	stats   Stats
	waiting list.List // of *socket, for a place among the handshakes
	scratch [16 << 10]byte
	storage [][]byte // of output queues that are empty
}

// NewServer returns a factory for a [pipeline.FilterChain]. It panics if cfg has no
// TLS.
func NewServer(cfg Config) *Factory { return newFactory(cfg, false) }

// NewClient returns a factory for a [pipeline.ClientConfig]. It panics if cfg has no
// TLS, or one that allows renegotiation.
func NewClient(cfg Config) *Factory { return newFactory(cfg, true) }

func newFactory(cfg Config, client bool) *Factory {
	if cfg.TLS == nil {
		panic("tlstransport: Config.TLS is nil")
	}
	if client && cfg.TLS.Renegotiation != tls.RenegotiateNever {
		panic("tlstransport: Config.TLS allows renegotiation, a handshake that would block")
	}
	if cfg.MaxHandshakes == 0 {
		cfg.MaxHandshakes = DefaultMaxHandshakes
	}
	return &Factory{config: cfg, client: client, parser: tlsinspector.Parser{MaxSize: cfg.MaxClientHelloSize}}
}

// TransportSocket returns the transport socket of one connection. It is a
// [pipeline.TransportSocketFactory].
func (f *Factory) TransportSocket() pipeline.TransportSocket { return &socket{factory: f} }

// Stats are the counters, live.
func (f *Factory) Stats() *Stats { return &f.stats }

// Snapshot returns the counters by name.
func (f *Factory) Snapshot() pipeline.Snapshot { return f.stats.Snapshot(f.config.StatPrefix) }

// StateOf returns what was negotiated. It says no while the handshake is going on,
// after it failed, and for a connection that does not speak TLS.
func StateOf(c *pipeline.Connection) (tls.ConnectionState, bool) {
	s, ok := c.TransportSocket().(*socket)
	if !ok || !s.negotiated {
		return tls.ConnectionState{}, false
	}
	return s.conn.ConnectionState(), true
}

// admit gives s a place among the handshakes, or puts it into the queue.
func (f *Factory) admit(s *socket) bool {
	if s.turn == nil && f.placesLeft() && f.waiting.Len() == 0 {
		f.stats.HandshakesActive++
		return true
	}
	if s.turn == nil {
		f.stats.HandshakeQueued++
		s.turn = f.waiting.PushBack(s)
	}
	return false
}

// leave takes s out of the queue.
func (f *Factory) leave(s *socket) {
	if s.turn != nil {
		f.waiting.Remove(s.turn)
		s.turn = nil
	}
}

// release gives a place among the handshakes to whoever has waited longest.
func (f *Factory) release() {
	f.stats.HandshakesActive--
	for f.placesLeft() && f.waiting.Len() > 0 {
		s := f.waiting.Front().Value.(*socket)
		f.leave(s)
		f.stats.HandshakesActive++
		s.begin()
		s.callbacks.FlushWriteBuffer() // unlike a wish to read it is heard in any case
	}
}

func (f *Factory) placesLeft() bool {
	return f.config.MaxHandshakes < 0 || f.stats.HandshakesActive < uint64(f.config.MaxHandshakes)
}
