// Package tcpproxy is the network filter that joins a downstream connection with
// an upstream one (Envoy envoy.filters.network.tcp_proxy).
//
// A new downstream connection is not read from until its upstream is connected, so
// nothing is buffered for a host that refuses. Then bytes and ends of streams go
// both ways, each direction for itself. When one side has more to write than its
// buffer limit, the other is not read from until half of it is written. When one
// connection closes, what it has sent is flushed to the other, which closes too. A
// connection that is reset or fails resets the other: a stream that was cut off
// must not look like one that has ended.
package tcpproxy

import (
	"time"

	"edgewise.test/pipeline"
)

// DefaultIdleTimeout is Envoy's.
const DefaultIdleTimeout = time.Hour

// Config says where connections go and how long they may be silent.
type Config struct {
	// StatPrefix names the counters, tcp.<StatPrefix>.*.
	StatPrefix string
	// Cluster is where upstream hosts come from.
	Cluster *Cluster
	// IdleTimeout closes both connections when no byte has come from either for
	// so long. 0 means [DefaultIdleTimeout], negative means never.
	IdleTimeout time.Duration
}

// Proxy is the filter with its configuration and counters. It belongs to one loop,
// and so does its cluster.
type Proxy struct {
	config Config
	stats  Stats
}

// Stats are the counters of a proxy; the comment is the name behind
// "tcp.<stat prefix>.".
type Stats struct {
	CxTotal     uint64 // downstream_cx_total
	CxNoRoute   uint64 // downstream_cx_no_route: the cluster has no host
	RxBytes     uint64 // downstream_cx_rx_bytes_total
	TxBytes     uint64 // downstream_cx_tx_bytes_total: given to the downstream connection
	IdleTimeout uint64 // idle_timeout
}

// New returns a proxy.
func New(cfg Config) *Proxy {
	switch {
	case cfg.IdleTimeout == 0:
		cfg.IdleTimeout = DefaultIdleTimeout
	case cfg.IdleTimeout < 0:
		cfg.IdleTimeout = 0
	}
	return &Proxy{config: cfg}
}

// Filter adds the proxy to c. It is a [pipeline.FilterFactory].
func (p *Proxy) Filter(c *pipeline.Connection) {
	s := &session{proxy: p, downstream: c}
	c.AddReadFilter((*downstreamFilter)(s))
	c.AddConnectionCallbacks((*downstreamCallbacks)(s))
}

// Stats are the counters, live.
func (p *Proxy) Stats() *Stats { return &p.stats }

// Snapshot returns the counters of the proxy, without those of its cluster.
func (p *Proxy) Snapshot() pipeline.Snapshot {
	prefix := "tcp." + p.config.StatPrefix + "."
	return pipeline.MakeSnapshot(
		pipeline.Stat{Name: prefix + "downstream_cx_total", Value: p.stats.CxTotal},
		pipeline.Stat{Name: prefix + "downstream_cx_no_route", Value: p.stats.CxNoRoute},
		pipeline.Stat{Name: prefix + "downstream_cx_rx_bytes_total", Value: p.stats.RxBytes},
		pipeline.Stat{Name: prefix + "downstream_cx_tx_bytes_total", Value: p.stats.TxBytes},
		pipeline.Stat{Name: prefix + "idle_timeout", Value: p.stats.IdleTimeout},
	)
}
