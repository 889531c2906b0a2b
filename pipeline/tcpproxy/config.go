// Package tcpproxy is the network filter that connects a downstream connection
// with an upstream one (Envoy envoy.filters.network.tcp_proxy).
package tcpproxy

import (
	"net/netip"
	"time"

	"edgewise.test/pipeline"
)

// Config says where connections go.
type Config struct {
	// StatPrefix names the counters, tcp.<StatPrefix>.*.
	StatPrefix string
	// Cluster is where upstream hosts come from. Workers do not share it.
	Cluster *Cluster
	// IdleTimeout closes both connections when no byte has moved for so long.
	// 0 means Envoy's hour, negative means never.
	IdleTimeout time.Duration
}

// Proxy is the filter with its configuration and counters, for one worker.
type Proxy struct{}

// New returns a proxy.
func New(cfg Config) *Proxy { return &Proxy{} }

// Filter adds the proxy to c. It is a [pipeline.FilterFactory].
func (p *Proxy) Filter(c *pipeline.Connection) {}

// Snapshot returns the counters of the proxy, without those of its cluster.
func (p *Proxy) Snapshot() pipeline.Snapshot { return nil }

// Cluster is a set of upstream hosts with static addresses, taken in turn.
type Cluster struct{}

// ClusterConfig names the hosts of a cluster.
type ClusterConfig struct {
	Name             string
	Hosts            []netip.AddrPort
	ConnectTimeout   time.Duration // 0 means Envoy's 5 s, negative means none
	BufferLimitBytes int           // 0 means Envoy's 1 MiB, negative means none
}

// NewCluster returns a cluster.
func NewCluster(cfg ClusterConfig) *Cluster { return &Cluster{} }

// Snapshot returns the counters of the cluster, cluster.<Name>.*.
func (c *Cluster) Snapshot() pipeline.Snapshot { return nil }
