package tcpproxy

import (
	"net/netip"
	"time"

	"edgewise.test/pipeline"
)

// Defaults of a [ClusterConfig], as Envoy has them.
const (
	DefaultConnectTimeout   = 5 * time.Second
	DefaultBufferLimitBytes = 1 << 20
)

// ClusterConfig names the hosts of a cluster.
type ClusterConfig struct {
	Name             string           // of the counters, cluster.<Name>.*
	Hosts            []netip.AddrPort // taken in turn
	ConnectTimeout   time.Duration    // 0 means [DefaultConnectTimeout], negative means none
	BufferLimitBytes int              // 0 means [DefaultBufferLimitBytes], negative means none

	// Preface appends to dst what a host gets before the bytes of the client, such
	// as a PROXY protocol header about downstream. nil means nothing.
	Preface func(dst []byte, downstream *pipeline.ConnectionInfo) []byte
}

// Cluster is a set of upstream hosts with static addresses. It belongs to one loop.
type Cluster struct {
	sessions []*session // that have an upstream connection
	draining *drain     // nil: not
	config   ClusterConfig
	turn     int // of the host that is next
	stats    ClusterStats
}

// ClusterStats are the counters of a cluster; the comment is the name behind
// "cluster.<name>.".
type ClusterStats struct {
	CxTotal          uint64 // upstream_cx_total
	CxActive         uint64 // upstream_cx_active, a gauge
	CxDestroy        uint64 // upstream_cx_destroy
	CxConnectFail    uint64 // upstream_cx_connect_fail, timeouts included
	CxConnectTimeout uint64 // upstream_cx_connect_timeout
	CxNoneHealthy    uint64 // upstream_cx_none_healthy: there is no host
}

// NewCluster returns a cluster. Hosts is the cluster's from now on.
func NewCluster(cfg ClusterConfig) *Cluster { return &Cluster{config: cfg.withDefaults()} }

// Update makes cfg, which has the same name, hold for connections from now on. Those
// that are there stay, also with hosts that are gone.
func (c *Cluster) Update(cfg ClusterConfig) { c.config, c.turn = cfg.withDefaults(), 0 }

func (cfg ClusterConfig) withDefaults() ClusterConfig {
	switch {
	case cfg.ConnectTimeout == 0:
		cfg.ConnectTimeout = DefaultConnectTimeout
	case cfg.ConnectTimeout < 0:
		cfg.ConnectTimeout = 0
	}
	switch {
	case cfg.BufferLimitBytes == 0:
		cfg.BufferLimitBytes = DefaultBufferLimitBytes
	case cfg.BufferLimitBytes < 0:
		cfg.BufferLimitBytes = 0
	}
	return cfg
}

// Stats are the counters, live.
func (c *Cluster) Stats() *ClusterStats { return &c.stats }

// Snapshot returns the counters by name.
func (c *Cluster) Snapshot() pipeline.Snapshot {
	prefix := "cluster." + c.config.Name + "."
	return pipeline.MakeSnapshot(
		pipeline.Stat{Name: prefix + "upstream_cx_total", Value: c.stats.CxTotal},
		pipeline.Stat{Name: prefix + "upstream_cx_active", Value: c.stats.CxActive},
		pipeline.Stat{Name: prefix + "upstream_cx_destroy", Value: c.stats.CxDestroy},
		pipeline.Stat{Name: prefix + "upstream_cx_connect_fail", Value: c.stats.CxConnectFail},
		pipeline.Stat{Name: prefix + "upstream_cx_connect_timeout", Value: c.stats.CxConnectTimeout},
		pipeline.Stat{Name: prefix + "upstream_cx_none_healthy", Value: c.stats.CxNoneHealthy},
	)
}

// pick returns the host whose turn it is.
func (c *Cluster) pick() (netip.AddrPort, bool) {
	if len(c.config.Hosts) == 0 {
		c.stats.CxNoneHealthy++
		return netip.AddrPort{}, false
	}
	host := c.config.Hosts[c.turn]
	c.turn = (c.turn + 1) % len(c.config.Hosts)
	return host, true
}

// newConnection returns a connection to host on behalf of downstream, not started.
func (c *Cluster) newConnection(downstream *pipeline.Connection, host netip.AddrPort) *pipeline.Connection {
	c.stats.CxTotal++
	c.stats.CxActive++
	var preface []byte
	if c.config.Preface != nil {
		preface = c.config.Preface(nil, downstream.Info())
	}
	upstream := pipeline.NewClientConnection(downstream.Loop(), host, pipeline.ClientConfig{
		ConnectTimeout: c.config.ConnectTimeout, BufferLimitBytes: c.config.BufferLimitBytes,
		SmartConnect:  len(preface) > 0 || downstream.Preread() > 0,
		SocketOptions: downstream.Info().UpstreamSocketOptions(),
	})
	if len(preface) > 0 {
		var b pipeline.Buffer
		b.Write(preface)
		upstream.Write(&b, false)
	}
	return upstream
}
