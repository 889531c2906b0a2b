// Package originaldst is the listener filter of Envoy's name (original_dst): it
// makes the address that a redirected client has asked for the local address of
// its connection, so that filters and filter chains behind it see that one.
//
// The address comes from the kernel, which must be a [poller.OriginalDst]: real
// epoll is one. The filter always continues. Unlike Envoy's it does not hand the
// connection to another listener, which the pipeline does not do yet.
package originaldst

import (
	"edgewise.test/pipeline"
	"edgewise.test/poller"
)

// NewFilter returns a filter. It is a [pipeline.ListenerFilterFactory].
func NewFilter() pipeline.ListenerFilter { return filter{} }

// filter has no state, and waits for nothing.
type filter struct{}

func (filter) OnAccept(cb pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	socket := cb.Socket()
	kernel, ok := cb.Loop().Kernel().(poller.OriginalDst)
	if !ok {
		return pipeline.Continue
	}
	if addr, err := kernel.OriginalDst(socket.FD()); err == nil && addr.IsValid() {
		socket.Info().RestoreLocalAddress(addr)
	}
	return pipeline.Continue
}

func (filter) OnData(*pipeline.ListenerFilterBuffer) pipeline.FilterStatus { return pipeline.Continue }

func (filter) OnClose() {}

func (filter) MaxReadBytes() int { return 0 }
