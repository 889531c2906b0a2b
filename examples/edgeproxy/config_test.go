package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/tcpproxy"
	"github.com/google/go-cmp/cmp"
)

func TestSampleLoads(t *testing.T) {
	got, err := loadConfig("edgeproxy.json")
	if err != nil {
		t.Fatal(err)
	}
	match := func(names []string, alpn ...string) pipeline.FilterChainMatch {
		return pipeline.FilterChainMatch{ServerNames: names, TransportProtocol: "tls", ApplicationProtocols: alpn}
	}
	hosts := func(addresses ...string) (hosts []netip.AddrPort) {
		for _, a := range addresses {
			hosts = append(hosts, netip.MustParseAddrPort(a))
		}
		return hosts
	}
	want := &config{
		listeners: []listener{{
			name:    "ingress",
			address: netip.MustParseAddrPort("127.0.0.1:8443"),
			managed: pipeline.ManagedListener{Name: "ingress", StatPrefix: "ingress"},
			filters: []listenerFilter{{name: "envoy.filters.listener.tls_inspector"}},
			pipeline: pipeline.ListenerConfig{
				ListenerFiltersTimeout: 15 * time.Second,
				FilterChains: []pipeline.FilterChain{
					{Name: "web", FilterChainMatch: match([]string{"web.test"})},
					{Name: "api over HTTP/2", FilterChainMatch: match([]string{"*.api.test"}, "h2")},
					{Name: "api", FilterChainMatch: match([]string{"*.api.test"})},
				},
				MaxConnectionsToAcceptOnDrain: drainedQueue,
			},
			chains: []filterChain{
				{proxy: tcpProxyConfig{statPrefix: "web", cluster: "web", idleTimeout: time.Hour}},
				{proxy: tcpProxyConfig{statPrefix: "api_h2", cluster: "api_h2"}},
				{proxy: tcpProxyConfig{statPrefix: "api", cluster: "api"}},
			},
		}},
		clusters: []tcpproxy.ClusterConfig{
			{Name: "web", Hosts: hosts("127.0.0.1:9001"), ConnectTimeout: 5 * time.Second},
			{Name: "api_h2", Hosts: hosts("127.0.0.1:9002"), ConnectTimeout: 5 * time.Second},
			{Name: "api", Hosts: hosts("127.0.0.1:9003", "127.0.0.1:9004"), ConnectTimeout: 5 * time.Second},
		},
	}
	options := cmp.Options{
		cmp.AllowUnexported(config{}, listener{}, listenerFilter{}, filterChain{}, tcpProxyConfig{}),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
		cmp.FilterPath(func(p cmp.Path) bool { // what a person does not write down
			switch p.Last().String() {
			case ".build", ".revision", ".chainsRevision", ".Revision":
				return true
			}
			return strings.HasSuffix(p.String(), "chains.pipeline") // the same as in the listener
		}, cmp.Ignore()),
	}
	if diff := cmp.Diff(want, got, options); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Each case is a change to the sample.
func TestConfigIsAccepted(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		holds    func(*config) bool
	}{
		"an IPv6 address, which may be written in several ways": {
			`"address": "127.0.0.1", "port_value": 8443`, `"address": "0:0::1", "port_value": 8443`,
			func(c *config) bool { return c.listeners[0].address == netip.MustParseAddrPort("[::1]:8443") },
		},
		"port 0, for one that the kernel chooses": {
			`"port_value": 8443`, `"port_value": 0`,
			func(c *config) bool { return c.listeners[0].address.Port() == 0 },
		},
		"null instead of a field": {
			`"listener_filters_timeout": "15s"`, `"listener_filters_timeout": null`,
			func(c *config) bool { return c.listeners[0].pipeline.ListenerFiltersTimeout == 0 },
		},
		"a timeout of 0, which is none": {
			`"idle_timeout": "3600s"`, `"idle_timeout": "0s"`,
			func(c *config) bool { return c.listeners[0].chains[0].proxy.idleTimeout < 0 },
		},
		"a part of a second": {
			`"connect_timeout": "5s"`, `"connect_timeout": "0.250s"`,
			func(c *config) bool { return c.clusters[0].ConnectTimeout == 250*time.Millisecond },
		},
		"what happens after a listener filter timeout": {
			`"listener_filters_timeout"`, `"continue_on_listener_filters_timeout": true, "listener_filters_timeout"`,
			func(c *config) bool { return c.listeners[0].pipeline.ContinueOnListenerFiltersTimeout },
		},
		"fields that have one value here": {
			`"connect_timeout": "5s"`, `"lb_policy": "ROUND_ROBIN"`,
			func(c *config) bool { return c.clusters[0].ConnectTimeout == 0 },
		},
		"a default filter chain": {
			`"filter_chains"`, `"default_filter_chain": {"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": {` +
				`"@type": "` + tcpProxy.typeURL() + `", "stat_prefix": "rest", "cluster": "web"}}]}, "filter_chains"`,
			func(c *config) bool {
				return c.listeners[0].pipeline.DefaultFilterChain != nil && c.listeners[0].defaultChain.proxy.cluster == "web"
			},
		},
		"an admin interface": {
			`"static_resources": {`, `"admin": {"address": {"socket_address": {"address": "::1", "port_value": 9901}}}, "static_resources": {`,
			func(c *config) bool { return c.admin == netip.MustParseAddrPort("[::1]:9901") },
		},
		"an admin interface without an address, which is on loopback": {
			`"static_resources": {`, `"admin": {"address": {"socket_address": {"port_value": 9901}}}, "static_resources": {`,
			func(c *config) bool { return c.admin == netip.MustParseAddrPort("127.0.0.1:9901") },
		},
		"no admin interface": {
			`"static_resources": {`, `"admin": null, "static_resources": {`,
			func(c *config) bool { return !c.admin.IsValid() },
		},
		"a cluster that nothing uses": {
			`"cluster": "api"`, `"cluster": "web"`,
			func(c *config) bool { return len(c.clusters) == 3 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := parseConfig("edgeproxy.json", sampleWith(t, c.old, c.new))
			if err != nil {
				t.Fatal(err)
			}
			if !c.holds(cfg) {
				t.Errorf("with %s: got %+v", c.new, cfg)
			}
		})
	}
}

// Each case is a change to the sample, and the error without the file name.
func TestConfigErrors(t *testing.T) {
	const (
		ingress   = "static_resources.listeners[0]"
		proxy     = ingress + ".filter_chains[0].filters[0].typed_config"
		endpoints = "static_resources.clusters[0].load_assignment.endpoints"
	)
	for name, c := range map[string]struct{ old, new, want string }{
		"missing comma": {
			`"name": "ingress",`, `"name": "ingress"`,
			`6:9: invalid character '"' after object key:value pair`,
		},
		"unknown word": {
			`"port_value": 8443`, `"port_value": true8443`,
			`7:82: invalid character '8' after object key:value pair`,
		},
		"something behind the end": {
			"    ]\n  }\n}\n", "    ]\n  }\n}\n}\n",
			`100:1: invalid character '}' after top-level value`,
		},
		"end too early": {
			"    ]\n  }\n}\n", "    ]\n  }\n",
			`98:4: unexpected end of JSON input`,
		},
		"field of something that is not there": {
			`"static_resources": {`, `"node": {}, "static_resources": {`,
			`node: unknown field (known: static_resources, admin)`,
		},
		"admin interface without a port": {
			`"static_resources": {`, `"admin": {"address": {"socket_address": {}}}, "static_resources": {`,
			`admin.address.socket_address.port_value: missing`,
		},
		"admin interface that is nowhere": {
			`"static_resources": {`, `"admin": {}, "static_resources": {`,
			`admin.address: missing`,
		},
		"misspelt field": {
			`"listener_filters_timeout"`, `"listener_filter_timeout"`,
			ingress + `.listener_filter_timeout: unknown field (known: name, stat_prefix, address, listener_filters, ` +
				`listener_filters_timeout, continue_on_listener_filters_timeout, filter_chains, default_filter_chain, use_original_dst, ` +
				`bind_to_port, enable_reuse_port, tcp_backlog_size, connection_balance_config, per_connection_buffer_limit_bytes, ` +
				`max_connections_to_accept_per_socket_event)`,
		},
		"field given twice": {
			`"name": "ingress",`, `"name": "ingress", "name": "ingress",`,
			ingress + `.name: given twice`,
		},
		"missing field": {
			`"stat_prefix": "web",`, ``,
			proxy + `.stat_prefix: missing`,
		},
		"empty string, which is a missing field": {
			`"stat_prefix": "web",`, `"stat_prefix": "",`,
			proxy + `.stat_prefix: missing`,
		},
		"number instead of a string": {
			`"name": "ingress",`, `"name": 1,`,
			ingress + `.name: want a string, got a number`,
		},
		"string instead of a number": {
			`"port_value": 8443`, `"port_value": "https"`,
			ingress + `.address.socket_address.port_value: want a number, got a string`,
		},
		"list instead of an object": {
			`{"socket_address": {"address": "127.0.0.1", "port_value": 8443}}`, `["127.0.0.1:8443"]`,
			ingress + `.address: want an object, got a list`,
		},
		"object instead of a list": {
			`["web.test"]`, `{"web.test": true}`,
			ingress + `.filter_chains[0].filter_chain_match.server_names: want a list, got an object`,
		},
		"string instead of true or false": {
			`"filter_chains"`, `"continue_on_listener_filters_timeout": "yes", "filter_chains"`,
			ingress + `.continue_on_listener_filters_timeout: want true or false, got a string`,
		},
		"true instead of a duration": {
			`"idle_timeout": "3600s"`, `"idle_timeout": true`,
			proxy + `.idle_timeout: want a duration such as "15s" or "0.5s", got true or false`,
		},
		"port out of range": {
			`"port_value": 8443`, `"port_value": 65536`,
			ingress + `.address.socket_address.port_value: 65536: want a port from 0 to 65535`,
		},
		"host name as an address": {
			`"address": "127.0.0.1", "port_value": 9001`, `"address": "localhost", "port_value": 9001`,
			endpoints + `[0].lb_endpoints[0].endpoint.address.socket_address.address: "localhost": want an IP address`,
		},
		"upstream without a port": {
			`"port_value": 9001`, `"port_value": 0`,
			endpoints + `[0].lb_endpoints[0].endpoint.address: port 0 is not an upstream`,
		},
		"UDP": {
			`{"address": "127.0.0.1", "port_value": 8443}`, `{"protocol": "UDP", "address": "127.0.0.1", "port_value": 8443}`,
			ingress + `.address.socket_address.protocol: "UDP" is not supported (have: TCP)`,
		},
		"cluster without endpoints": {
			`"endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 9001}}}}]}]`,
			`"endpoints": []`,
			endpoints + `: missing`,
		},
		"cluster of another type": {
			`"type": "STATIC"`, `"type": "STRICT_DNS"`,
			`static_resources.clusters[0].type: "STRICT_DNS" is not supported (have: STATIC)`,
		},
		"cluster defined twice": {
			`"name": "api_h2"`, `"name": "web"`,
			`static_resources.clusters[1].name: "web" is defined twice`,
		},
		"connect timeout of 0": {
			`"connect_timeout": "5s"`, `"connect_timeout": "0s"`,
			`static_resources.clusters[0].connect_timeout: want more than 0s`,
		},
		"cluster not defined": {
			`"cluster": "web"`, `"cluster": "web2"`,
			proxy + `.cluster: "web2" is not defined (have: api, api_h2, web)`,
		},
		"no cluster": {
			`"cluster": "web",`, ``,
			proxy + `.cluster: missing`,
		},
		"network filter that is not there": {
			`"name": "envoy.filters.network.tcp_proxy"`, `"name": "envoy.filters.network.http_connection_manager"`,
			ingress + `.filter_chains[0].filters[0].name: "envoy.filters.network.http_connection_manager" ` +
				`is not supported (have: envoy.filters.network.tcp_proxy)`,
		},
		"type of another filter": {
			`"@type": "` + tcpProxy.typeURL() + `"`, `"@type": "` + tlsInspector.typeURL() + `"`,
			proxy + `.@type: "` + tlsInspector.typeURL() + `" is not supported (have: ` + tcpProxy.typeURL() + `)`,
		},
		"filter without a type": {
			`{"@type": "` + tlsInspector.typeURL() + `"}`, `{}`,
			ingress + `.listener_filters[0].typed_config.@type: missing`,
		},
		"two network filters": {
			"\"stat_prefix\": \"web\",\n                  \"cluster\": \"web\",\n                  \"idle_timeout\": \"3600s\"\n" +
				"                }\n              }",
			`"stat_prefix": "web", "cluster": "web"}}, {"name": "envoy.filters.network.tcp_proxy"}`,
			ingress + `.filter_chains[0].filters[1]: nothing can follow envoy.filters.network.tcp_proxy`,
		},
		"two TLS inspectors": {
			`{"@type": "` + tlsInspector.typeURL() + `"}`,
			`{"@type": "` + tlsInspector.typeURL() + `"}}, {"name": "` + tlsInspector.name + `", "typed_config": {"@type": "` + tlsInspector.typeURL() + `"}`,
			ingress + `.listener_filters[1]: envoy.filters.listener.tls_inspector is there already`,
		},
		"server names that nobody finds out": {
			`"listener_filters": [
          {
            "name": "envoy.filters.listener.tls_inspector",
            "typed_config": {"@type": "` + tlsInspector.typeURL() + `"}
          }
        ]`, `"listener_filters": []`,
			ingress + `.filter_chains[0].filter_chain_match.server_names: ` +
				`never matches without the listener filter envoy.filters.listener.tls_inspector`,
		},
		"wildcard in the middle": {
			`"web.test"`, `"web.*.test"`,
			ingress + `.filter_chains[0].filter_chain_match.server_names[0]: "web.*.test": a wildcard is a leading "*."`,
		},
		"empty server name": {
			`["web.test"]`, `["web.test", ""]`,
			ingress + `.filter_chains[0].filter_chain_match.server_names[1]: missing`,
		},
		"transport protocol that is not there": {
			`"transport_protocol": "tls"`, `"transport_protocol": "quic"`,
			ingress + `.filter_chains[0].filter_chain_match.transport_protocol: "quic": want "tls", "raw_buffer" or nothing`,
		},
		"two filter chains for the same": {
			`"application_protocols": ["h2"]`, `"application_protocols": []`,
			ingress + `.filter_chains[2].filter_chain_match: server name "*.api.test", transport protocol "tls", ` +
				`application protocol "": filter_chains[1] has the same`,
		},
		"listener without filter chains": {
			`"listeners": [`, `"listeners": [{"name": "l", "address": {"socket_address": {"address": "::1", "port_value": 1}}}, `,
			ingress + `.filter_chains: missing`,
		},
		"listener defined twice": {
			`"listeners": [`, `"listeners": [` + plainListener("ingress", 1) + `, `,
			`static_resources.listeners[1].name: "ingress" is defined twice`,
		},
		"address used twice": {
			`"listeners": [`, `"listeners": [` + plainListener("other", 8443) + `, `,
			`static_resources.listeners[1]: 127.0.0.1:8443 is the address of another listener`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseConfig("edgeproxy.json", sampleWith(t, c.old, c.new))
			if err == nil {
				t.Fatalf("got no error, want %q", c.want)
			}
			got := err.Error()
			want := "edgeproxy.json: " + c.want
			if c.want[0] >= '0' && c.want[0] <= '9' {
				want = "edgeproxy.json:" + c.want
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestConfigThatIsNoObject(t *testing.T) {
	for data, want := range map[string]string{
		``:                                  `c.json:1:1: unexpected end of JSON input`,
		`[]`:                                `c.json: want an object, got a list`,
		`{}`:                                `c.json: static_resources: missing`,
		`{"static_resources": {}}`:          `c.json: static_resources.listeners: missing`,
		`{"static_resources": []}`:          `c.json: static_resources: want an object, got a list`,
		`{"static_resources": {"a": {}}}`:   `c.json: static_resources.a: unknown field (known: listeners, clusters)`,
		"{\n  \"static_resources\": nul\n}": `c.json:2:26: invalid character '\n' in literal null (expecting 'l')`,
	} {
		_, err := parseConfig("c.json", []byte(data))
		if err == nil || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", data, err, want)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"15s":                   15 * time.Second,
		"0.5s":                  500 * time.Millisecond,
		"0s":                    0,
		"1.000000001s":          time.Second + 1,
		"9223372035.999999999s": 9223372035*time.Second + 999999999,
	} {
		if got, ok := parseDuration(text); !ok || got != want {
			t.Errorf("parseDuration(%q): got %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "s", "15", "15ms", "1m", "-1s", "+1s", "1.s", ".5s", "1.0000000001s", "1e3s", "9223372037s", " 1s", "1.-5s"} {
		if got, ok := parseDuration(text); ok {
			t.Errorf("parseDuration(%q): got %v, want no duration", text, got)
		}
	}
}

func TestConfigFileThatIsNotThere(t *testing.T) {
	name := filepath.Join(t.TempDir(), "none.json")
	if _, err := loadConfig(name); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("got %v, want an error that names %s", err, name)
	}
}

// sampleWith is the sample with the first old replaced.
func sampleWith(t *testing.T, old, new string) []byte {
	t.Helper()
	sample, err := os.ReadFile("edgeproxy.json")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(sample), old) {
		t.Fatalf("the sample does not have %s", old)
	}
	return []byte(strings.Replace(string(sample), old, new, 1))
}

// plainListener is a listener of one filter chain for everything, to the cluster "web".
func plainListener(name string, port int) string {
	return fmt.Sprintf(`{"name": %q, "address": {"socket_address": {"address": "127.0.0.1", "port_value": %d}}, "filter_chains": [{"filters": [`+
		`{"name": "envoy.filters.network.tcp_proxy", "typed_config": {"@type": %q, "stat_prefix": "plain", "cluster": "web"}}]}]}`,
		name, port, tcpProxy.typeURL())
}
