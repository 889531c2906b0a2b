package pipeline_test

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/httpinspector"
	"edgewise.test/pipeline/tlsinspector"
	"edgewise.test/poller"
	"edgewise.test/proptest"
)

// closer answers when it has read all of the request, and closes in its way.
type closer struct {
	c    *pipeline.Connection
	want int
	how  pipeline.CloseType
}

var closerAnswer = bytes.Repeat([]byte("answer "), 1000)

func (f *closer) OnNewConnection(pipeline.ReadFilterCallbacks) pipeline.FilterStatus {
	return pipeline.Continue
}

func (f *closer) OnData(data *pipeline.Buffer, _ bool) pipeline.FilterStatus {
	if data.Len() < f.want {
		return pipeline.StopIteration
	}
	data.Drain(data.Len())
	var answer pipeline.Buffer
	answer.Write(closerAnswer)
	f.c.Write(&answer, false)
	f.c.Close(f.how)
	return pipeline.StopIteration
}

// Every close type behind every way of inspection, with three clients at once.
func TestEveryCloseType(t *testing.T) {
	hello := clientHello("a.test")
	inspections := []struct {
		name    string
		filter  func() pipeline.ListenerFilterFactory // nil: none
		request []byte
	}{
		{"none", nil, []byte("request")},
		{"tls_inspector", func() pipeline.ListenerFilterFactory { return tlsinspector.NewFilter }, hello},
		{"http_inspector", func() pipeline.ListenerFilterFactory { return new(httpinspector.Inspector).Filter }, []byte("GET / HTTP/1.1\r\n\r\n")},
	}
	closes := []struct {
		name    string
		how     pipeline.CloseType
		flushes bool
	}{
		{"FlushWrite", pipeline.FlushWrite, true},
		{"FlushWriteAndDelay", pipeline.FlushWriteAndDelay, true},
		{"NoFlush", pipeline.NoFlush, false},
		{"Abort", pipeline.Abort, false},
		{"AbortReset", pipeline.AbortReset, false},
	}
	for _, in := range inspections {
		for _, cl := range closes {
			t.Run(in.name+"/"+cl.name, func(t *testing.T) {
				var closed atomic.Uint64 // schedules run side by side
				proptest.Config{
					Schedules: 500,
					World:     fakepoller.Config{SndBuf: 2048, RcvBuf: 2048},
					Scenario: func(w *proptest.World) {
						k := w.NewWorker()
						loop := pipeline.NewLoop(k)
						fd, err := poller.ListenTCP(k, listenAddr, poller.ListenConfig{})
						if err != nil {
							w.Fatalf("listen: %v", err)
						}
						cfg := pipeline.ListenerConfig{StatPrefix: "edge", FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{func(c *pipeline.Connection) {
							c.SetDelayedCloseTimeout(time.Minute)
							c.AddReadFilter(&closer{c, len(in.request), cl.how})
						}}}}}
						if in.filter != nil {
							cfg.ListenerFilters = []pipeline.ListenerFilterFactory{in.filter()}
						}
						listener, err := pipeline.NewListener(loop, fd, &cfg)
						if err != nil {
							w.Fatalf("listener: %v", err)
						}
						k.Go(func() {
							if err := loop.Run(); err != nil {
								w.Errorf("loop: %v", err)
							}
						})
						for i := range 3 {
							w.Peer(fmt.Sprint("client ", i+1), func(p *fakepoller.Peer) {
								c, err := p.Dial(listenAddr)
								if err != nil {
									return
								}
								if _, err := c.Write(in.request); err != nil {
									return
								}
								got, err := io.ReadAll(c)
								// The delayed close timeout cuts off who does not read.
								late := w.Now() >= 15*time.Second
								w.Delivered("answer", closerAnswer, got, cl.flushes && err == nil && w.Injected(faults.Reset) == 0 && !late)
							})
						}
						w.Run()
						w.Counted(listener.Snapshot())
						closed.Add(listener.Stats().CxTotal)
						w.EndedBy(3 * time.Hour)
					},
				}.Check(t)
				if got := closed.Load(); got < 1000 {
					t.Errorf("got %d connections that were closed in all schedules, want 1000 or more: it was not tried", got)
				}
			})
		}
	}
}
