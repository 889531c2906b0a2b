// Package echo is the network filter that sends back what it gets (Envoy
// envoy.filters.network.echo).
package echo

import "edgewise.test/pipeline"

// Filter adds an echo filter to c. It is a [pipeline.FilterFactory].
func Filter(c *pipeline.Connection) { c.AddReadFilter(&filter{}) }

type filter struct{ cb pipeline.ReadFilterCallbacks }

func (f *filter) OnNewConnection(cb pipeline.ReadFilterCallbacks) pipeline.FilterStatus {
	f.cb = cb
	return pipeline.Continue
}

func (f *filter) OnData(data *pipeline.Buffer, endStream bool) pipeline.FilterStatus {
	f.cb.Connection().Write(data, endStream)
	return pipeline.StopIteration
}
