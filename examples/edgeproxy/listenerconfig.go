package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/netip"

	"edgewise.test/pipeline"
)

// drainedQueue is how many connections a listener that ends takes out of the queue
// of its listening socket: as many as the kernel keeps there, usually.
const drainedQueue = 4096

// listener is envoy.config.listener.v3.Listener.
type listener struct {
	name    string
	address netip.AddrPort
	// managed is without Address and Config, which a worker adds.
	managed pipeline.ManagedListener
	filters []listenerFilter
	// pipeline is without factories: what they make belongs to one worker.
	pipeline     pipeline.ListenerConfig
	chains       []filterChain // those of pipeline.FilterChains
	defaultChain *filterChain  // that of pipeline.DefaultFilterChain, if there is one

	// revision changes with everything but the filter chains, chainsRevision with
	// those.
	revision, chainsRevision string
}

func readListener(n node, others, clusters []string) listener {
	field := n.object("name", "stat_prefix", "address", "listener_filters", "listener_filters_timeout",
		"continue_on_listener_filters_timeout", "filter_chains", "default_filter_chain", "use_original_dst", "bind_to_port",
		"enable_reuse_port", "tcp_backlog_size", "connection_balance_config", "per_connection_buffer_limit_bytes",
		"max_connections_to_accept_per_socket_event")
	l := listener{
		address: readAddress(field("address")),
		filters: readListenerFilters(field("listener_filters")),
		pipeline: pipeline.ListenerConfig{
			ListenerFiltersTimeout:               field("listener_filters_timeout").duration(),
			ContinueOnListenerFiltersTimeout:     field("continue_on_listener_filters_timeout").bool(),
			UseOriginalDst:                       field("use_original_dst").bool(),
			PerConnectionBufferLimitBytes:        int(min(field("per_connection_buffer_limit_bytes").uint32(), 1<<30)),
			MaxConnectionsToAcceptPerSocketEvent: int(min(field("max_connections_to_accept_per_socket_event").uint32(), 1<<30)),
			MaxConnectionsToAcceptOnDrain:        drainedQueue,
		},
	}
	l.name = l.address.String() // a listener need not have a name
	if n := field("name"); n.present() {
		l.name = n.definition(others)
	}
	l.managed = pipeline.ManagedListener{
		Name:         l.name,
		StatPrefix:   field("stat_prefix").text(),
		NoBind:       field("bind_to_port").value == false,
		SharedSocket: field("enable_reuse_port").value == false,
		Backlog:      int(min(field("tcp_backlog_size").uint32(), 1<<30)),
	}
	field("bind_to_port").bool()
	field("enable_reuse_port").bool()
	if n := field("connection_balance_config"); n.present() {
		n.object("exact_balance")("exact_balance").required().object()
		l.managed.ExactBalance = true
	}
	for _, n := range field("filter_chains").list() {
		c := readFilterChain(n, &l, clusters)
		l.pipeline.FilterChains = append(l.pipeline.FilterChains, c.pipeline)
		l.chains = append(l.chains, c)
	}
	if n := field("default_filter_chain"); n.present() {
		c := readFilterChain(n, &l, clusters)
		l.pipeline.DefaultFilterChain, l.defaultChain = &c.pipeline, &c
	} else if len(l.chains) == 0 {
		field("filter_chains").fail("missing")
	}
	if err := l.pipeline.Validate(); err != nil {
		n.doc.fail("", "%s.%s", n.path, err)
	}
	l.revision, l.chainsRevision = revisions(n, &l)
	return l
}

// statPrefix is the name unless it is configured.
func (l *listener) statPrefix() string {
	if l.managed.StatPrefix != "" {
		return l.managed.StatPrefix
	}
	return l.name
}

// revisions tell versions of a listener apart.
func revisions(n node, l *listener) (listener, chains string) {
	fields, _ := n.value.(map[string]any)
	rest := map[string]any{}
	for name, value := range fields {
		if name != "filter_chains" && name != "default_filter_chain" {
			rest[name] = value
		}
	}
	var all []string
	for _, c := range l.chains {
		all = append(all, c.pipeline.Revision)
	}
	if l.defaultChain != nil {
		all = append(all, "default", l.defaultChain.pipeline.Revision)
	}
	return node{value: rest}.canonical(), digest(all)
}

// digest is the same for the same values.
func digest(values any) string {
	text, err := json.Marshal(values)
	if err != nil {
		panic(fmt.Sprintf("edgeproxy: %v does not encode: %v", values, err))
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}
