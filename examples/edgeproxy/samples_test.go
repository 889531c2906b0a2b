package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Configurations in the way of Envoy's documentation load, or are refused by the
// name of what is not there. An empty want is no error.
func TestEnvoySamples(t *testing.T) {
	for name, want := range map[string]string{
		"tls-passthrough.json": "",
		"proxy-protocol.json":  "",
		"sni-http.json": `static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context.` +
			`tls_certificates[0].certificate_chain.filename: MISSING`,
		"original-dst.json": `static_resources.clusters[0].type: "ORIGINAL_DST" is not supported (have: STATIC)`,
	} {
		_, missing := os.ReadFile("example_com_cert.pem")
		checkSample(t, name, func(s string) string { return s }, strings.ReplaceAll(want, "MISSING", missing.Error()))
	}

	certificate, key := selfSigned(t)
	dir := t.TempDir()
	for file, content := range map[string]string{"example_com_cert.pem": certificate, "example_com_key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	withCertificates := func(s string) string {
		return strings.ReplaceAll(s, `"example_com`, `"`+filepath.ToSlash(dir)+`/example_com`)
	}
	terminate, err := os.ReadFile("terminate.json")
	if err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer(`"edge.crt"`, `"`+filepath.ToSlash(dir)+`/example_com_cert.pem"`, `"edge.key"`, `"`+filepath.ToSlash(dir)+`/example_com_key.pem"`)
	if _, err := parseConfig("terminate.json", []byte(here.Replace(string(terminate)))); err != nil {
		t.Errorf("got  %v\nwant no error", err)
	}
	const manager = `"envoy.filters.network.http_connection_manager"`
	checkSample(t, "sni-http.json", withCertificates,
		`static_resources.listeners[0].filter_chains[0].filters[0].name: `+manager+` is not supported (have: envoy.filters.network.tcp_proxy)`)
	checkSample(t, "original-dst.json", strings.NewReplacer(`"type": "ORIGINAL_DST"`, `"type": "STATIC"`).Replace,
		`static_resources.clusters[0].lb_policy: "CLUSTER_PROVIDED" is not supported (have: ROUND_ROBIN)`)
	checkSample(t, "original-dst.json", strings.NewReplacer(`"type": "ORIGINAL_DST"`, `"type": "STATIC"`, `"CLUSTER_PROVIDED"`,
		`"ROUND_ROBIN", "load_assignment": {"cluster_name": "c", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": `+
			`{"socket_address": {"address": "127.0.0.1", "port_value": 1234}}}}]}]}`).Replace, "")
}

func checkSample(t *testing.T, name string, edit func(string) string, want string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "envoy", name))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parseConfig(name, []byte(edit(string(data))))
	switch {
	case want == "" && err != nil:
		t.Errorf("got  %v\nwant no error", err)
	case want != "" && (err == nil || err.Error() != name+": "+want):
		t.Errorf("got  %v\nwant %s: %s", err, name, want)
	}
}

// Each case is the field of a listener filter, a match or a cluster, in the sample,
// and the error behind the path of the listener, if there is one.
func TestListenerFilterErrors(t *testing.T) {
	filter := func(e extension, fields string) string {
		return `{"name": "` + e.name + `", "typed_config": {"@type": "` + e.typeURL() + `"` + fields + `}}`
	}
	const path = "listener_filters[0].typed_config"
	for name, c := range map[string]struct{ filter, want string }{
		"unknown filter":          {`{"name": "envoy.filters.listener.dynamic_modules"}`, `listener_filters[0].name: "envoy.filters.listener.dynamic_modules" is not supported (have: envoy.filters.listener.http_inspector, envoy.filters.listener.local_ratelimit, envoy.filters.listener.original_dst, envoy.filters.listener.original_src, envoy.filters.listener.proxy_protocol, envoy.filters.listener.tls_inspector)`},
		"no typed_config":         {`{"name": "envoy.filters.listener.original_dst"}`, `listener_filters[0].typed_config: missing`},
		"hello size out of range": {filter(tlsInspector, `, "max_client_hello_size": 16385`), path + `.max_client_hello_size: 16385: want a number from 256 to 16384`},
		"field of another filter": {filter(httpInspector, `, "enable_ja3_fingerprinting": true`), path + `.enable_ja3_fingerprinting: unknown field (known: @type)`},
		"unknown version":         {filter(proxyProtocol, `, "disallowed_versions": ["V3"]`), path + `.disallowed_versions[0]: "V3" is not supported (have: V1, V2)`},
		"no version left":         {filter(proxyProtocol, `, "disallowed_versions": ["V1", "V2"]`), path + `: proxy protocol: disallowed_versions: got both versions, want one allowed`},
		"TLV type out of range":   {filter(proxyProtocol, `, "pass_through_tlvs": {"match_type": "INCLUDE", "tlv_type": [256]}`), path + `.pass_through_tlvs.tlv_type[0]: 256: want a number from 0 to 255`},
		"limit without a bucket":  {filter(localRateLimit, `, "stat_prefix": "l"`), path + `.token_bucket: missing`},
		"bucket without tokens":   {filter(localRateLimit, `, "stat_prefix": "l", "token_bucket": {"max_tokens": 0, "fill_interval": "1s"}`), path + `: local rate limit "l": max_tokens: got 0, want at least 1`},
		"fill interval too short": {filter(localRateLimit, `, "stat_prefix": "l", "token_bucket": {"max_tokens": 1, "fill_interval": "0.01s"}`), path + `: local rate limit "l": fill_interval: got 10ms, want at least 50ms`},
		"port of the client":      {filter(originalSrc, `, "bind_port": true`), path + `.bind_port: true is not supported`},
		"predicate without rules": {filter(originalDst, ``)[:len(filter(originalDst, ``))-1] + `, "filter_disabled": {"or_match": {}}}`, `listener_filters[0].filter_disabled.or_match.rules: missing`},
		"two predicates":          {filter(originalDst, ``)[:len(filter(originalDst, ``))-1] + `, "filter_disabled": {"any_match": true, "not_match": {"any_match": true}}}`, `listener_filters[0].filter_disabled.any_match: not_match is there already`},
		"good ones":               {filter(originalDst, ``)[:len(filter(originalDst, ``))-1] + `, "filter_disabled": {"and_match": {"rules": [{"any_match": true}, {"not_match": {"destination_port_range": {"start": 1, "end": 2}}}]}}}`, ``},
	} {
		t.Run(name, func(t *testing.T) {
			data := sampleWith(t, `"listener_filters": [`, `"listener_filters": [`+c.filter+`,`)
			_, err := parseConfig("edgeproxy.json", data)
			switch want := "edgeproxy.json: static_resources.listeners[0]." + c.want; {
			case c.want == "" && err != nil:
				t.Errorf("got  %v\nwant no error", err)
			case c.want != "" && (err == nil || err.Error() != want):
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestFilterChainMatchErrors(t *testing.T) {
	const path = "edgeproxy.json: static_resources.listeners[0].filter_chains[0].filter_chain_match."
	for fields, want := range map[string]string{
		`"destination_port": 65536`: `destination_port: 65536: want a port from 0 to 65535`,
		`"prefix_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 33}]`:           `prefix_ranges[0].prefix_len: 33: want at most 32`,
		`"prefix_ranges": [{"address_prefix": "10.0.0"}]`:                               `prefix_ranges[0].address_prefix: "10.0.0": want an IP address`,
		`"source_prefix_ranges": ["10.0.0.0/8"]`:                                        `source_prefix_ranges[0]: want an object, got a string`,
		`"direct_source_prefix_ranges": [{"address_prefix": "::", "prefix_len": true}]`: `direct_source_prefix_ranges[0].prefix_len: want a number, got true or false`,
		`"source_type": "INTERNAL"`:                                                     `source_type: "INTERNAL" is not supported (have: ANY, SAME_IP_OR_LOOPBACK, EXTERNAL)`,
		`"source_ports": [0]`:                                                           `source_ports[0]: 0: want a port`,
		`"address_suffix": "::"`:                                                        `address_suffix: unknown field (known: destination_port, prefix_ranges, server_names, transport_protocol, application_protocols, direct_source_prefix_ranges, source_type, source_prefix_ranges, source_ports)`,
	} {
		_, err := parseConfig("edgeproxy.json", sampleWith(t, `"server_names": ["web.test"]`, fields))
		if err == nil || err.Error() != path+want {
			t.Errorf("%s:\ngot  %v\nwant %s%s", fields, err, path, want)
		}
	}
}

func TestUpstreamTransportSocketErrors(t *testing.T) {
	const path = "edgeproxy.json: static_resources.clusters[0].transport_socket"
	upstream := func(fields string) string {
		return `{"name": "envoy.transport_sockets.upstream_proxy_protocol", "typed_config": {"@type": "` + upstreamProxyProtocol.typeURL() + `", ` + fields + `}}`
	}
	raw := `"transport_socket": {"name": "envoy.transport_sockets.raw_buffer", "typed_config": {"@type": "` + rawBuffer.typeURL() + `"}}`
	for socket, want := range map[string]string{
		`{"name": "envoy.transport_sockets.tls"}`:                        `.name: "envoy.transport_sockets.tls" is not supported (have: envoy.transport_sockets.upstream_proxy_protocol, envoy.transport_sockets.raw_buffer)`,
		upstream(`"config": {"version": "V1"}`):                          `.typed_config.transport_socket: missing`,
		upstream(`"config": {"version": "V3"}, ` + raw):                  `.typed_config.config.version: "V3" is not supported (have: V1, V2)`,
		upstream(`"config": {"added_tlvs": [{"type": 1}]}, ` + raw):      `.typed_config.config.added_tlvs[0].value: missing`,
		upstream(`"config": {"pass_through_tlvs": {}}, ` + raw):          `.typed_config.config.pass_through_tlvs: version V1 has no TLVs`,
		upstream(`"config": {"version": "V2", "tlvs": true}, ` + raw):    `.typed_config.config.tlvs: unknown field (known: version, pass_through_tlvs, added_tlvs)`,
		`{"name": "envoy.transport_sockets.raw_buffer", "config": true}`: `.config: unknown field (known: name, typed_config)`,
	} {
		_, err := parseConfig("edgeproxy.json", sampleWith(t, `"type": "STATIC",`, `"type": "STATIC", "transport_socket": `+socket+`,`))
		if err == nil || err.Error() != path+want {
			t.Errorf("%s:\ngot  %v\nwant %s%s", socket, err, path, want)
		}
	}
}
