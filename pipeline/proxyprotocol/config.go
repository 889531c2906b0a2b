package proxyprotocol

import (
	"fmt"
	"slices"

	"edgewise.test/pipeline"
)

// Config says which headers are wanted. The names are Envoy's
// (proxy_protocol.proto). The zero value wants a header of either version on every
// connection.
type Config struct {
	// StatPrefix, if not empty, is part of the names of the counters.
	StatPrefix string
	// AllowRequestsWithoutProxyProtocol passes a stream on that does not begin
	// like an allowed version. One that is too short to tell waits for the timeout
	// of the listener filters. A header of a version that is not allowed is then
	// passed on as payload, as in Envoy.
	AllowRequestsWithoutProxyProtocol bool
	// DisallowedVersions are refused, not both.
	DisallowedVersions []Version
	// PassThroughTLVs are the types of TLVs that [Received] tells, for headers to
	// upstreams.
	PassThroughTLVs []byte
	// PassThroughAllTLVs makes [Received] tell all.
	PassThroughAllTLVs bool
	// Rules give TLVs a name.
	Rules []Rule
}

// Rule gives the value of a TLV to those who ask for Key ([Value]).
type Rule struct {
	TLVType byte
	Key     string
}

// Filters makes the listener filters of one loop: configuration and counters.
type Filters struct {
	config Config
	stats  Stats
}

// New returns the filters for cfg, which must not change any more.
func New(cfg Config) (*Filters, error) {
	for _, v := range cfg.DisallowedVersions {
		if v != V1 && v != V2 {
			return nil, fmt.Errorf("proxy protocol: disallowed_versions: got %d, want 1 or 2", v)
		}
	}
	f := &Filters{config: cfg}
	if !f.allows(V1) && !f.allows(V2) {
		return nil, fmt.Errorf("proxy protocol: disallowed_versions: got both versions, want one allowed")
	}
	return f, nil
}

// Filter returns a filter. It is a [pipeline.ListenerFilterFactory].
func (f *Filters) Filter() pipeline.ListenerFilter { return &filter{filters: f} }

// Stats are the counters, live.
func (f *Filters) Stats() *Stats { return &f.stats }

func (f *Filters) allows(v Version) bool { return !slices.Contains(f.config.DisallowedVersions, v) }

// mayHaveHeader says whether b begins, as far as it goes, like an allowed version.
func (f *Filters) mayHaveHeader(b []byte) bool {
	return f.allows(V2) && mayBegin(b, signatureV2) || f.allows(V1) && mayBegin(b, signatureV1)
}

func (f *Filters) passesThrough(t TLV) bool {
	return f.config.PassThroughAllTLVs || slices.Contains(f.config.PassThroughTLVs, t.Type)
}
