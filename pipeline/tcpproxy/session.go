package tcpproxy

import (
	"time"

	"edgewise.test/pipeline"
)

// session joins one downstream connection with one upstream connection. It hears
// four interfaces, so each has a type of its own over the same session.
type session struct {
	proxy        *Proxy
	downstream   *pipeline.Connection
	upstream     *pipeline.Connection // nil: not yet, or no host
	place        int                  // in the sessions of the cluster
	connected    bool                 // the upstream is
	requestEnded bool                 // the end of the client's stream was passed on
	answerEnded  bool                 // and that of the host's
	idle         *pipeline.Timer
	lastActivity time.Duration
}

// downstreamFilter gets what the client sends.
type downstreamFilter session

func (f *downstreamFilter) OnNewConnection(pipeline.ReadFilterCallbacks) pipeline.FilterStatus {
	s := (*session)(f)
	s.proxy.stats.CxTotal++
	host, ok := s.proxy.config.Cluster.pick()
	if !ok {
		s.proxy.stats.CxNoRoute++
		s.downstream.Close(pipeline.NoFlush)
		return pipeline.StopIteration
	}
	s.downstream.EnableHalfClose(true)
	s.downstream.SetDelayedCloseTimeout(s.proxy.config.IdleTimeout) // who flushes must make progress, too
	s.downstream.ReadDisable(true)
	s.upstream = s.proxy.config.Cluster.newConnection(s.downstream, host)
	s.proxy.config.Cluster.entered(s)
	s.upstream.EnableHalfClose(true)
	s.upstream.SetDelayedCloseTimeout(s.proxy.config.IdleTimeout)
	s.upstream.AddReadFilter((*upstreamFilter)(s))
	s.upstream.AddConnectionCallbacks((*upstreamCallbacks)(s))
	s.upstream.Connect()
	return pipeline.StopIteration
}

func (f *downstreamFilter) OnData(data *pipeline.Buffer, endStream bool) pipeline.FilterStatus {
	s := (*session)(f)
	s.active()
	s.proxy.stats.RxBytes += uint64(data.Len())
	s.requestEnded = s.requestEnded || endStream
	s.upstream.Write(data, endStream)
	return pipeline.StopIteration
}

// SpliceTo and OnSplice implement [pipeline.SplicingFilter].
func (f *downstreamFilter) SpliceTo() *pipeline.Connection { return f.upstream }

func (f *downstreamFilter) OnSplice(bytes int) {
	(*session)(f).active()
	f.proxy.stats.RxBytes += uint64(bytes)
}

// upstreamFilter gets what the host sends.
type upstreamFilter session

func (f *upstreamFilter) OnNewConnection(pipeline.ReadFilterCallbacks) pipeline.FilterStatus {
	return pipeline.Continue
}

func (f *upstreamFilter) OnData(data *pipeline.Buffer, endStream bool) pipeline.FilterStatus {
	s := (*session)(f)
	s.active()
	s.proxy.stats.TxBytes += uint64(data.Len())
	s.answerEnded = s.answerEnded || endStream
	s.downstream.Write(data, endStream)
	return pipeline.StopIteration
}

// SpliceTo and OnSplice implement [pipeline.SplicingFilter].
func (f *upstreamFilter) SpliceTo() *pipeline.Connection { return f.downstream }

func (f *upstreamFilter) OnSplice(bytes int) {
	(*session)(f).active()
	f.proxy.stats.TxBytes += uint64(bytes)
}

// downstreamCallbacks hears of the client's connection.
type downstreamCallbacks session

func (cb *downstreamCallbacks) OnEvent(event pipeline.ConnectionEvent) {
	s := (*session)(cb)
	if event == pipeline.Connected {
		return
	}
	s.stopIdle()
	if s.upstream == nil {
		return
	}
	switch {
	case cutOff(s.downstream):
		s.upstream.Close(pipeline.AbortReset)
	case s.connected && (event == pipeline.RemoteClose || s.ended()):
		s.upstream.Close(pipeline.FlushWrite)
	default:
		s.upstream.Close(pipeline.NoFlush)
	}
}

func (cb *downstreamCallbacks) OnAboveWriteBufferHighWatermark() { cb.upstream.ReadDisable(true) }

func (cb *downstreamCallbacks) OnBelowWriteBufferLowWatermark() { cb.upstream.ReadDisable(false) }

// upstreamCallbacks hears of the connection to the host.
type upstreamCallbacks session

func (cb *upstreamCallbacks) OnEvent(event pipeline.ConnectionEvent) {
	s := (*session)(cb)
	stats := &s.proxy.config.Cluster.stats
	if event == pipeline.Connected {
		s.connected = true
		s.startIdle()
		s.downstream.ReadDisable(false)
		return
	}
	stats.CxActive--
	stats.CxDestroy++
	s.proxy.config.Cluster.left(s)
	s.stopIdle()
	switch {
	case s.connected && cutOff(s.upstream):
		s.downstream.Close(pipeline.AbortReset)
		return
	case s.connected:
		s.downstream.Close(pipeline.FlushWrite)
		return
	}
	if s.downstream.State() != pipeline.Closed { // else it is the client who gave up
		stats.CxConnectFail++
		if event == pipeline.LocalClose { // nobody but the timer closes it now
			stats.CxConnectTimeout++
		}
	}
	s.downstream.Close(pipeline.NoFlush)
}

func (cb *upstreamCallbacks) OnAboveWriteBufferHighWatermark() { cb.downstream.ReadDisable(true) }

func (cb *upstreamCallbacks) OnBelowWriteBufferLowWatermark() { cb.downstream.ReadDisable(false) }

// cutOff says that what c has sent is not all that it wanted to send.
func cutOff(c *pipeline.Connection) bool { return c.Failed() && !c.EndStreamRead() }

// ended says that both directions of the client's connection have ended in good
// order. The last one may have been ours, which makes the end a LocalClose, as a
// close is that drops what is left; Envoy takes the one for the other and loses
// what waits for the host.
func (s *session) ended() bool {
	return s.requestEnded && s.answerEnded && s.downstream.BufferedOutput() == 0
}

// active notes that bytes have moved. The timer is set again only when it fires.
func (s *session) active() { s.lastActivity = s.downstream.Loop().Now() }

func (s *session) startIdle() {
	if s.proxy.config.IdleTimeout > 0 {
		s.active()
		s.idle = s.downstream.Loop().NewTimer(s.onIdle)
		s.idle.Enable(s.proxy.config.IdleTimeout)
	}
}

func (s *session) stopIdle() {
	if s.idle != nil {
		s.idle.Disable()
	}
}

func (s *session) onIdle() {
	if left := s.lastActivity + s.proxy.config.IdleTimeout - s.downstream.Loop().Now(); left > 0 {
		s.idle.Enable(left)
		return
	}
	s.proxy.stats.IdleTimeout++
	s.downstream.Close(pipeline.NoFlush)
}
