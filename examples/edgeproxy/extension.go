package main

// extension is one of Envoy's, by its name and the type of its configuration.
type extension struct{ name, message string }

func (e extension) typeURL() string { return "type.googleapis.com/envoy.extensions." + e.message }

// The extensions that there are.
var (
	tlsInspector   = extension{"envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector"}
	httpInspector  = extension{"envoy.filters.listener.http_inspector", "filters.listener.http_inspector.v3.HttpInspector"}
	proxyProtocol  = extension{"envoy.filters.listener.proxy_protocol", "filters.listener.proxy_protocol.v3.ProxyProtocol"}
	localRateLimit = extension{"envoy.filters.listener.local_ratelimit", "filters.listener.local_ratelimit.v3.LocalRateLimit"}
	originalDst    = extension{"envoy.filters.listener.original_dst", "filters.listener.original_dst.v3.OriginalDst"}
	originalSrc    = extension{"envoy.filters.listener.original_src", "filters.listener.original_src.v3.OriginalSrc"}

	tcpProxy = extension{"envoy.filters.network.tcp_proxy", "filters.network.tcp_proxy.v3.TcpProxy"}

	downstreamTLS         = extension{"envoy.transport_sockets.tls", "transport_sockets.tls.v3.DownstreamTlsContext"}
	rawBuffer             = extension{"envoy.transport_sockets.raw_buffer", "transport_sockets.raw_buffer.v3.RawBuffer"}
	upstreamProxyProtocol = extension{"envoy.transport_sockets.upstream_proxy_protocol", "transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"}
)
