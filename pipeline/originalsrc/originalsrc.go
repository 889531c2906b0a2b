// Package originalsrc is the listener filter of Envoy's name (original_src): it
// wants the upstream connection to come from the address of the client. Behind
// proxyprotocol that is the client which the header names.
//
// The filter always continues and only writes [pipeline.UpstreamSocketOptions]:
// whoever connects to the upstream, such as tcpproxy, binds to the address. As in
// Envoy the port is left to the kernel. Unlike Envoy's, the socket is not made
// transparent (IP_TRANSPARENT): addresses of other machines need
// net.ipv4.ip_nonlocal_bind, and routes that bring the answers back are needed
// either way.
package originalsrc

import "edgewise.test/pipeline"

// Config says what is wanted of the upstream connection besides its address.
type Config struct {
	// Mark is the mark of its packets (SO_MARK). 0 means none.
	Mark uint32
}

// Filter returns a [pipeline.ListenerFilterFactory].
func Filter(cfg Config) pipeline.ListenerFilterFactory {
	return func() pipeline.ListenerFilter { return filter{cfg} }
}

type filter struct{ config Config }

func (f filter) OnAccept(cb pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	info := cb.Socket().Info()
	if remote := info.RemoteAddress().Addr(); remote.IsValid() {
		info.SetUpstreamSocketOptions(pipeline.UpstreamSocketOptions{SourceAddress: remote, Mark: f.config.Mark})
	}
	return pipeline.Continue
}

func (filter) OnData(*pipeline.ListenerFilterBuffer) pipeline.FilterStatus { return pipeline.Continue }

func (filter) OnClose() {}

func (filter) MaxReadBytes() int { return 0 }
