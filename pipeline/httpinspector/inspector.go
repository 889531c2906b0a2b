package httpinspector

import "edgewise.test/pipeline"

// Envoy's numbers of bytes.
const (
	// InitialReadBufferSize is how many are asked for at first.
	InitialReadBufferSize = 8 << 10
	// MaxInspectSize is how many a request line may have. A longer one ends the
	// connection.
	MaxInspectSize = 64 << 10
)

// Stats are the counters of an inspector; the comment is the name behind
// "http_inspector.".
type Stats struct {
	ReadError    uint64 // read_error: no end of the request line in MaxInspectSize bytes
	HTTP10Found  uint64 // http10_found
	HTTP11Found  uint64 // http11_found
	HTTP2Found   uint64 // http2_found
	HTTPNotFound uint64 // http_not_found
}

// Inspector is the listener filter of one loop, with its counters. It goes behind
// tlsinspector: a connection whose transport protocol is known and not raw is not
// looked at. A client that waits for the server to speak first waits until the
// timeout of the listener filters. The zero value is ready.
type Inspector struct {
	stats Stats
}

// Filter returns a filter. It is a [pipeline.ListenerFilterFactory].
func (i *Inspector) Filter() pipeline.ListenerFilter { return &filter{inspector: i} }

// Stats are the counters, live.
func (i *Inspector) Stats() *Stats { return &i.stats }

// Snapshot returns the counters by name.
func (i *Inspector) Snapshot() pipeline.Snapshot {
	s := &i.stats
	return pipeline.MakeSnapshot(
		pipeline.Stat{Name: "http_inspector.read_error", Value: s.ReadError},
		pipeline.Stat{Name: "http_inspector.http10_found", Value: s.HTTP10Found},
		pipeline.Stat{Name: "http_inspector.http11_found", Value: s.HTTP11Found},
		pipeline.Stat{Name: "http_inspector.http2_found", Value: s.HTTP2Found},
		pipeline.Stat{Name: "http_inspector.http_not_found", Value: s.HTTPNotFound},
	)
}

// filter inspects one socket.
type filter struct {
	inspector  *Inspector
	socket     *pipeline.ConnectionSocket
	recognizer Recognizer
	wish       int // grows with the request line
}

func (f *filter) OnAccept(cb pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	f.socket = cb.Socket()
	f.recognizer = Recognizer{}
	f.wish = InitialReadBufferSize
	switch f.socket.Info().DetectedTransportProtocol() {
	case "", pipeline.TransportProtocolRawBuffer:
		return pipeline.StopIteration
	}
	return pipeline.Continue
}

func (f *filter) MaxReadBytes() int { return f.wish }

func (f *filter) OnClose() {}

// What each status makes of the requested application protocols.
var protocols = map[Status][]string{HTTP10: {"http/1.0"}, HTTP11: {"http/1.1"}, HTTP2: {"h2c"}}

func (f *filter) OnData(buffer *pipeline.ListenerFilterBuffer) pipeline.FilterStatus {
	// A filter in front may have peeked farther than we look.
	b := buffer.Bytes()
	b = b[:min(len(b), MaxInspectSize)]
	stats := &f.inspector.stats
	status := f.recognizer.Feed(b[f.recognizer.seen:])
	switch status {
	case NeedMore:
		if len(b) == MaxInspectSize {
			stats.ReadError++
			f.socket.Close()
		} else if len(b) >= f.wish {
			f.wish = min(2*len(b), MaxInspectSize)
		}
		return pipeline.StopIteration
	case NotHTTP:
		stats.HTTPNotFound++
		return pipeline.Continue
	case HTTP10:
		stats.HTTP10Found++
	case HTTP11:
		stats.HTTP11Found++
	case HTTP2:
		stats.HTTP2Found++
	}
	f.socket.Info().SetRequestedApplicationProtocols(protocols[status])
	return pipeline.Continue
}
