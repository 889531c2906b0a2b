package main

import (
	"net/netip"
	"os"
	"slices"

	"edgewise.test/pipeline/tcpproxy"
)

// config is the part of Envoy's envoy.config.bootstrap.v3.Bootstrap that the
// program knows. Workers share it and do not change it.
type config struct {
	// admin is where the admin interface listens. The zero AddrPort means that
	// there is none.
	admin     netip.AddrPort
	listeners []listener
	clusters  []tcpproxy.ClusterConfig
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
	field := n.object("static_resources", "admin")
	static := field("static_resources").required().object("listeners", "clusters")
	cfg := &config{}
	if n := field("admin"); n.present() {
		cfg.admin = readAdminAddress(n.object("address")("address"))
	}
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
	field := n.object("name", "type", "connect_timeout", "lb_policy", "load_assignment", "transport_socket")
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
	if n := field("transport_socket"); n.present() {
		cluster.Preface = readUpstreamTransportSocket(n)
	}
	return cluster
}

// readAdminAddress is readAddress, where a missing address is the loopback one: who
// can reach the admin interface can see everything.
func readAdminAddress(n node) netip.AddrPort {
	socket := n.required().object("socket_address")("socket_address").required()
	if socket.field("address").present() {
		return readAddress(n)
	}
	field := socket.object("protocol", "address", "port_value")
	field("protocol").oneOf("TCP")
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), field("port_value").required().port())
}

func readAddress(n node) netip.AddrPort {
	socket := n.required().object("socket_address")("socket_address").required().object("protocol", "address", "port_value")
	socket("protocol").oneOf("TCP")
	return netip.AddrPortFrom(socket("address").required().ip(), socket("port_value").required().port())
}

// readExtension checks a name and a google.protobuf.Any, and returns a reader of the
// fields of its message.
func readExtension(n node, e extension, fields ...string) func(name string) node {
	field := n.object("name", "typed_config")
	field("name").required().oneOf(e.name)
	return readMessage(field("typed_config"), e, fields...)
}

func readMessage(n node, e extension, fields ...string) func(name string) node {
	n.required().field("@type").required().oneOf(e.typeURL())
	return n.object(append([]string{"@type"}, fields...)...)
}
