package main

import (
	"slices"
	"time"

	"edgewise.test/pipeline"
)

// filterChain is envoy.config.listener.v3.FilterChain.
type filterChain struct {
	pipeline pipeline.FilterChain // without factories
	tls      *tlsContext          // nil: raw
	proxy    tcpProxyConfig
}

// tcpProxyConfig is envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.
type tcpProxyConfig struct {
	statPrefix  string
	cluster     string
	idleTimeout time.Duration
}

// readFilterChain reads a filter chain of l, whose listener filters are known.
func readFilterChain(n node, l *listener, clusters []string) filterChain {
	field := n.object("name", "filter_chain_match", "transport_socket", "transport_socket_connect_timeout", "filters")
	c := filterChain{pipeline: pipeline.FilterChain{
		Name:             field("name").text(),
		FilterChainMatch: readFilterChainMatch(field("filter_chain_match"), l),
		// 0 is no bound here, as in Envoy.
		TransportSocketConnectTimeout: max(field("transport_socket_connect_timeout").duration(), 0),
	}}
	if n := field("transport_socket"); n.present() {
		c.tls = readDownstreamTransportSocket(n)
	}
	for i, n := range field("filters").atLeastOne() {
		if i > 0 {
			n.fail("nothing can follow %s", tcpProxy.name)
		}
		c.proxy = readTCPProxy(n, clusters)
	}
	c.pipeline.Revision = n.canonical()
	if c.tls != nil {
		c.pipeline.Revision = digest([]string{c.pipeline.Revision, c.tls.revision})
	}
	return c
}

func readFilterChainMatch(n node, l *listener) pipeline.FilterChainMatch {
	match := n.object("destination_port", "prefix_ranges", "server_names", "transport_protocol", "application_protocols",
		"direct_source_prefix_ranges", "source_type", "source_prefix_ranges", "source_ports")
	m := pipeline.FilterChainMatch{
		DestinationPort:          match("destination_port").port(),
		PrefixRanges:             match("prefix_ranges").prefixes(),
		ServerNames:              match("server_names").texts(),
		TransportProtocol:        match("transport_protocol").text(),
		ApplicationProtocols:     match("application_protocols").texts(),
		DirectSourcePrefixRanges: match("direct_source_prefix_ranges").prefixes(),
		SourcePrefixRanges:       match("source_prefix_ranges").prefixes(),
		SourcePorts:              match("source_ports").ports(),
	}
	switch match("source_type").oneOf("ANY", "SAME_IP_OR_LOOPBACK", "EXTERNAL") {
	case "SAME_IP_OR_LOOPBACK":
		m.SourceType = pipeline.SourceTypeSameIPOrLoopback
	case "EXTERNAL":
		m.SourceType = pipeline.SourceTypeExternal
	}
	has := func(e extension) bool {
		return slices.ContainsFunc(l.filters, func(f listenerFilter) bool { return f.name == e.name })
	}
	if match("server_names").present() && !has(tlsInspector) {
		match("server_names").fail("never matches without the listener filter %s", tlsInspector.name)
	}
	if match("application_protocols").present() && !has(tlsInspector) && !has(httpInspector) {
		match("application_protocols").fail("never matches without the listener filter %s or %s", tlsInspector.name, httpInspector.name)
	}
	return m
}

func readTCPProxy(n node, clusters []string) tcpProxyConfig {
	field := readExtension(n, tcpProxy, "stat_prefix", "cluster", "idle_timeout")
	return tcpProxyConfig{
		statPrefix:  field("stat_prefix").required().text(),
		cluster:     field("cluster").reference(clusters),
		idleTimeout: field("idle_timeout").duration(),
	}
}
