package proxyprotocol

import "edgewise.test/pipeline"

// Stats are the counters of a filter; the comment is the name behind
// "proxy_proto.[<stat prefix>.]". A socket that ends before its header is whole
// is not counted here.
type Stats struct {
	NotFoundAllowed    uint64 // not_found_allowed: passed on without a header
	NotFoundDisallowed uint64 // not_found_disallowed: refused
	V1, V2             VersionStats

	// CxProxyProtoError counts everything that was refused, but for a version
	// that is not allowed. Its whole name is downstream_cx_proxy_proto_error;
	// Envoy puts it under the listener.
	CxProxyProtoError uint64
}

// VersionStats are the counters of one version; the name is behind
// "versions.v1." or "versions.v2.".
type VersionStats struct {
	Found      uint64 // found: good headers, and those that are not allowed
	Disallowed uint64 // disallowed
	Error      uint64 // error: malformed, or lost when it was taken off the stream
}

// Snapshot returns the counters by name.
func (f *Filters) Snapshot() pipeline.Snapshot {
	prefix := "proxy_proto."
	if f.config.StatPrefix != "" {
		prefix += f.config.StatPrefix + "."
	}
	s := &f.stats
	stats := []pipeline.Stat{
		{Name: "downstream_cx_proxy_proto_error", Value: s.CxProxyProtoError},
		{Name: prefix + "not_found_allowed", Value: s.NotFoundAllowed},
		{Name: prefix + "not_found_disallowed", Value: s.NotFoundDisallowed},
	}
	for _, v := range []struct {
		name  string
		stats *VersionStats
	}{{"versions.v1.", &s.V1}, {"versions.v2.", &s.V2}} {
		stats = append(stats,
			pipeline.Stat{Name: prefix + v.name + "found", Value: v.stats.Found},
			pipeline.Stat{Name: prefix + v.name + "disallowed", Value: v.stats.Disallowed},
			pipeline.Stat{Name: prefix + v.name + "error", Value: v.stats.Error},
		)
	}
	return pipeline.MakeSnapshot(stats...)
}

// of returns the counters of a version.
func (s *Stats) of(v Version) *VersionStats {
	if v == V1 {
		return &s.V1
	}
	return &s.V2
}
