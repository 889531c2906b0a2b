// Package echo is the network filter that sends back what it gets (Envoy
// envoy.filters.network.echo, RFC 862).
package echo

import "edgewise.test/pipeline"

// Filter adds an echo filter to c, and enables half-close: the end of the stream is
// sent back as well. It is a [pipeline.FilterFactory]. A client that sends without
// reading is not read from while more than the buffer limit waits for it.
func Filter(c *pipeline.Connection) {
	f := &filter{connection: c}
	c.AddReadFilter(f)
	c.AddConnectionCallbacks(f)
}

type filter struct{ connection *pipeline.Connection }

func (f *filter) OnNewConnection(pipeline.ReadFilterCallbacks) pipeline.FilterStatus {
	f.connection.EnableHalfClose(true)
	return pipeline.Continue
}

func (f *filter) OnData(data *pipeline.Buffer, endStream bool) pipeline.FilterStatus {
	f.connection.Write(data, endStream)
	return pipeline.StopIteration
}

func (f *filter) OnEvent(pipeline.ConnectionEvent) {}

func (f *filter) OnAboveWriteBufferHighWatermark() { f.connection.ReadDisable(true) }

func (f *filter) OnBelowWriteBufferLowWatermark() { f.connection.ReadDisable(false) }
