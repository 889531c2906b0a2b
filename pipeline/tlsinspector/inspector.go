package tlsinspector

import "edgewise.test/pipeline"

// Config says how the inspector looks. The zero value is Envoy's default.
type Config struct {
	// MaxClientHelloSize is [Parser.MaxSize]; a longer ClientHello ends the
	// connection. 0 means [MaxSize].
	MaxClientHelloSize int
	// InitialReadBufferSize is how many bytes are asked for at first. 0 means the
	// maximum.
	InitialReadBufferSize int
	// CloseConnectionOnClientHelloParsingErrors refuses what is not TLS.
	CloseConnectionOnClientHelloParsingErrors bool
	// EnableJA3Fingerprinting and EnableJA4Fingerprinting keep [Parser.JA3] and
	// [Parser.JA4] of a hello with its connection.
	EnableJA3Fingerprinting bool
	EnableJA4Fingerprinting bool
}

// Stats are the counters of an inspector; the comment is the name behind
// "tls_inspector.".
type Stats struct {
	ClientHelloTooLarge uint64 // client_hello_too_large
	TLSFound            uint64 // tls_found
	TLSNotFound         uint64 // tls_not_found
	SNIFound            uint64 // sni_found
	SNINotFound         uint64 // sni_not_found
	ALPNFound           uint64 // alpn_found
	ALPNNotFound        uint64 // alpn_not_found
}

// Inspector is the listener filter of one loop: configuration, parser and
// counters. A client that waits for the server to speak first waits until the
// timeout of the listener filters.
type Inspector struct {
	config Config
	parser Parser
	stats  Stats
}

// New returns an inspector.
func New(cfg Config) *Inspector {
	if cfg.MaxClientHelloSize < 1 || cfg.MaxClientHelloSize > MaxSize {
		cfg.MaxClientHelloSize = MaxSize
	}
	if cfg.InitialReadBufferSize < 1 || cfg.InitialReadBufferSize > cfg.MaxClientHelloSize {
		cfg.InitialReadBufferSize = cfg.MaxClientHelloSize
	}
	return &Inspector{config: cfg, parser: Parser{MaxSize: cfg.MaxClientHelloSize}}
}

// Filter returns a filter. It is a [pipeline.ListenerFilterFactory].
func (i *Inspector) Filter() pipeline.ListenerFilter { return &filter{inspector: i} }

// NewFilter returns a filter with the default configuration, which nobody counts.
// It is a [pipeline.ListenerFilterFactory].
func NewFilter() pipeline.ListenerFilter { return New(Config{}).Filter() }

// Stats are the counters, live.
func (i *Inspector) Stats() *Stats { return &i.stats }

// Snapshot returns the counters by name.
func (i *Inspector) Snapshot() pipeline.Snapshot {
	s := &i.stats
	return pipeline.MakeSnapshot(
		pipeline.Stat{Name: "tls_inspector.client_hello_too_large", Value: s.ClientHelloTooLarge},
		pipeline.Stat{Name: "tls_inspector.tls_found", Value: s.TLSFound},
		pipeline.Stat{Name: "tls_inspector.tls_not_found", Value: s.TLSNotFound},
		pipeline.Stat{Name: "tls_inspector.sni_found", Value: s.SNIFound},
		pipeline.Stat{Name: "tls_inspector.sni_not_found", Value: s.SNINotFound},
		pipeline.Stat{Name: "tls_inspector.alpn_found", Value: s.ALPNFound},
		pipeline.Stat{Name: "tls_inspector.alpn_not_found", Value: s.ALPNNotFound},
	)
}

// filter inspects one socket.
type filter struct {
	inspector *Inspector
	socket    *pipeline.ConnectionSocket
	wish      int // grows with the hello
}

func (f *filter) OnAccept(cb pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	f.socket = cb.Socket()
	f.wish = f.inspector.config.InitialReadBufferSize
	return pipeline.StopIteration
}

func (f *filter) MaxReadBytes() int { return f.wish }

func (f *filter) OnClose() {}

func (f *filter) OnData(buffer *pipeline.ListenerFilterBuffer) pipeline.FilterStatus {
	in := f.inspector
	hello, status := in.parser.Parse(buffer.Bytes())
	switch status {
	case NeedMore:
		// Twice what is seen, not twice the wish: a wish that was met by a
		// bigger buffer already would not bring more (envoy PR 40544).
		if seen := len(buffer.Bytes()); seen >= f.wish {
			f.wish = min(2*seen, in.config.MaxClientHelloSize)
		}
		return pipeline.StopIteration
	case TooLarge:
		in.stats.ClientHelloTooLarge++
		f.socket.Close()
		return pipeline.StopIteration
	case NotTLS:
		in.stats.TLSNotFound++
		if in.config.CloseConnectionOnClientHelloParsingErrors {
			f.socket.Close()
			return pipeline.StopIteration
		}
		return pipeline.Continue
	}
	f.found(hello)
	f.fingerprint(buffer.Bytes())
	return pipeline.Continue
}

func (f *filter) found(hello ClientHello) {
	stats, info := &f.inspector.stats, f.socket.Info()
	stats.TLSFound++
	info.SetDetectedTransportProtocol(pipeline.TransportProtocolTLS)
	if len(hello.ServerName) > 0 {
		stats.SNIFound++
		info.SetRequestedServerName(hello.ServerName)
	} else {
		stats.SNINotFound++
	}
	if len(hello.ALPN) > 0 {
		stats.ALPNFound++
		for protocol := range hello.ALPN.All() {
			info.AddRequestedApplicationProtocol(protocol)
		}
	} else {
		stats.ALPNNotFound++
	}
}

// fingerprint comes last, since it uses the parser again.
func (f *filter) fingerprint(b []byte) {
	in, info := f.inspector, f.socket.Info()
	if in.config.EnableJA3Fingerprinting {
		info.SetJA3(in.parser.JA3(b))
	}
	if in.config.EnableJA4Fingerprinting {
		info.SetJA4(in.parser.JA4(b))
	}
}
