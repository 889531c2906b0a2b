package main

import (
	"net/netip"
	"os"
	"slices"
	"time"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/tcpproxy"
)

// The extensions that there are, by Envoy's names and types.
const (
	tlsInspectorName = "envoy.filters.listener.tls_inspector"
	tlsInspectorType = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
	tcpProxyName     = "envoy.filters.network.tcp_proxy"
	tcpProxyType     = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
)

// config is the part of Envoy's envoy.config.bootstrap.v3.Bootstrap that the
// program knows. Workers share it and do not change it.
type config struct {
	listeners []listener
	clusters  []tcpproxy.ClusterConfig
}

// listener is envoy.config.listener.v3.Listener.
type listener struct {
	name    string
	address netip.AddrPort
	// tlsInspector is all that listener_filters can hold.
	tlsInspector bool
	// pipeline is without factories: what they make belongs to one worker.
	pipeline     pipeline.ListenerConfig
	chains       []tcpProxy // those of pipeline.FilterChains
	defaultChain tcpProxy   // that of pipeline.DefaultFilterChain, if there is one
}

// tcpProxy is envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.
type tcpProxy struct {
	statPrefix  string
	cluster     string
	idleTimeout time.Duration
}

// loadConfig reads a file. The error names it, and the place that is wrong.
func loadConfig(name string) (*config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseConfig(name, data)
}

func parseConfig(name string, data []byte) (*config, error) {
	root, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	cfg := readBootstrap(root)
	if root.doc.err != nil {
		return nil, root.doc.err
	}
	return cfg, nil
}

func readBootstrap(n node) *config {
	static := n.object("static_resources")("static_resources").required().object("listeners", "clusters")
	cfg := &config{}
	var clusters, names []string
	for _, n := range static("clusters").list() {
		cluster := readCluster(n, clusters)
		cfg.clusters = append(cfg.clusters, cluster)
		clusters = append(clusters, cluster.Name)
	}
	slices.Sort(clusters)
	var addresses []netip.AddrPort
	for _, n := range static("listeners").atLeastOne() {
		l := readListener(n, names, clusters)
		if l.address.Port() != 0 && slices.Contains(addresses, l.address) {
			// SO_REUSEPORT would let both listen, and share out the connections.
			n.fail("%v is the address of another listener", l.address)
		}
		cfg.listeners = append(cfg.listeners, l)
		names = append(names, l.name)
		addresses = append(addresses, l.address)
	}
	return cfg
}

func readCluster(n node, others []string) tcpproxy.ClusterConfig {
	field := n.object("name", "type", "connect_timeout", "lb_policy", "load_assignment")
	cluster := tcpproxy.ClusterConfig{
		Name:           field("name").definition(others),
		ConnectTimeout: field("connect_timeout").duration(),
	}
	if cluster.ConnectTimeout < 0 {
		field("connect_timeout").fail("want more than 0s")
	}
	field("type").oneOf("STATIC")
	field("lb_policy").oneOf("ROUND_ROBIN")

	assignment := field("load_assignment").required().object("cluster_name", "endpoints")
	assignment("cluster_name").required().text()
	for _, locality := range assignment("endpoints").atLeastOne() {
		for _, n := range locality.object("lb_endpoints")("lb_endpoints").atLeastOne() {
			endpoint := n.object("endpoint")("endpoint").required().object("address")
			host := readAddress(endpoint("address"))
			if host.Port() == 0 {
				endpoint("address").fail("port 0 is not an upstream")
			}
			cluster.Hosts = append(cluster.Hosts, host)
		}
	}
	return cluster
}

func readAddress(n node) netip.AddrPort {
	socket := n.required().object("socket_address")("socket_address").required().object("protocol", "address", "port_value")
	socket("protocol").oneOf("TCP")
	return netip.AddrPortFrom(socket("address").required().ip(), socket("port_value").required().port())
}

func readListener(n node, others, clusters []string) listener {
	field := n.object("name", "stat_prefix", "address", "listener_filters", "listener_filters_timeout",
		"continue_on_listener_filters_timeout", "filter_chains", "default_filter_chain")
	l := listener{
		name:         field("name").definition(others),
		address:      readAddress(field("address")),
		tlsInspector: readListenerFilters(field("listener_filters")),
		pipeline: pipeline.ListenerConfig{
			StatPrefix:                       field("stat_prefix").text(),
			ListenerFiltersTimeout:           field("listener_filters_timeout").duration(),
			ContinueOnListenerFiltersTimeout: field("continue_on_listener_filters_timeout").bool(),
		},
	}
	for _, n := range field("filter_chains").list() {
		chain, proxy := readFilterChain(n, l.tlsInspector, clusters)
		l.pipeline.FilterChains = append(l.pipeline.FilterChains, chain)
		l.chains = append(l.chains, proxy)
	}
	if n := field("default_filter_chain"); n.present() {
		chain, proxy := readFilterChain(n, l.tlsInspector, clusters)
		l.pipeline.DefaultFilterChain, l.defaultChain = &chain, proxy
	} else if len(l.chains) == 0 {
		field("filter_chains").fail("missing")
	}
	if err := l.pipeline.Validate(); err != nil {
		n.doc.fail("", "%s.%s", n.path, err)
	}
	return l
}

func readListenerFilters(n node) (tlsInspector bool) {
	for i, n := range n.list() {
		readExtension(n, tlsInspectorName, tlsInspectorType)
		if i > 0 {
			n.fail("%s is there already", tlsInspectorName)
		}
		tlsInspector = true
	}
	return tlsInspector
}

func readFilterChain(n node, tlsInspector bool, clusters []string) (pipeline.FilterChain, tcpProxy) {
	field := n.object("name", "filter_chain_match", "filters")
	match := field("filter_chain_match").object("server_names", "transport_protocol", "application_protocols")
	chain := pipeline.FilterChain{
		Name: field("name").text(),
		FilterChainMatch: pipeline.FilterChainMatch{
			ServerNames:          match("server_names").texts(),
			TransportProtocol:    match("transport_protocol").text(),
			ApplicationProtocols: match("application_protocols").texts(),
		},
	}
	for _, name := range []string{"server_names", "application_protocols"} {
		if match(name).present() && !tlsInspector {
			match(name).fail("never matches without the listener filter %s", tlsInspectorName)
		}
	}
	var proxy tcpProxy
	for i, n := range field("filters").atLeastOne() {
		if i > 0 {
			n.fail("nothing can follow %s", tcpProxyName)
		}
		proxy = readTCPProxy(n, clusters)
	}
	return chain, proxy
}

func readTCPProxy(n node, clusters []string) tcpProxy {
	field := readExtension(n, tcpProxyName, tcpProxyType, "stat_prefix", "cluster", "idle_timeout")
	return tcpProxy{
		statPrefix:  field("stat_prefix").required().text(),
		cluster:     field("cluster").reference(clusters),
		idleTimeout: field("idle_timeout").duration(),
	}
}

// readExtension checks a name and a google.protobuf.Any, and returns a reader of the
// fields of its message.
func readExtension(n node, name, typeURL string, fields ...string) func(name string) node {
	field := n.object("name", "typed_config")
	field("name").required().oneOf(name)
	message := field("typed_config").required()
	message.field("@type").required().oneOf(typeURL)
	return message.object(append([]string{"@type"}, fields...)...)
}
