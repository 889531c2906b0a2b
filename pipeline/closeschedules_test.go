package pipeline_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/httpinspector"
	"edgewise.test/pipeline/localratelimit"
	"edgewise.test/pipeline/originaldst"
	"edgewise.test/pipeline/originalsrc"
	"edgewise.test/pipeline/proxyprotocol"
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

var closerAnswer = bytes.Repeat([]byte("answer "), 15)

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

// Every close type behind every listener filter, with three clients at once. With
// EDGEWISE_SCHEDULES=300000 all schedules of one and two deviations are run.
func TestEveryCloseType(t *testing.T) {
	hello := clientHello("a.test")
	request := []byte("request")
	one := func(f pipeline.ListenerFilterFactory) []pipeline.ListenerFilterFactory {
		return []pipeline.ListenerFilterFactory{f}
	}
	inspections := []struct {
		name    string
		refuses bool                                    // some clients
		filters func() []pipeline.ListenerFilterFactory // of one world
		header  []byte                                  // that they take out
		request []byte
	}{
		{"none", false, func() []pipeline.ListenerFilterFactory { return nil }, nil, request},
		{"tls_inspector", false, func() []pipeline.ListenerFilterFactory { return one(tlsinspector.NewFilter) }, nil, hello},
		{"http_inspector", false, func() []pipeline.ListenerFilterFactory { return one(new(httpinspector.Inspector).Filter) },
			nil, []byte("GET / HTTP/1.1\r\n\r\n")},
		{"proxy_protocol and original_src", false, func() []pipeline.ListenerFilterFactory {
			f, err := proxyprotocol.New(proxyprotocol.Config{})
			if err != nil {
				panic(err)
			}
			return []pipeline.ListenerFilterFactory{f.Filter, originalsrc.Filter(originalsrc.Config{Mark: 7})}
		}, []byte("PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n"), request},
		{"original_dst", false, func() []pipeline.ListenerFilterFactory { return one(originaldst.NewFilter) }, nil, request},
		{"local_ratelimit", true, func() []pipeline.ListenerFilterFactory {
			l, err := localratelimit.New(localratelimit.Config{MaxTokens: 2, FillInterval: time.Hour}) // the third client is refused
			if err != nil {
				panic(err)
			}
			return one(l.Filter)
		}, nil, request},
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
					World:     fakepoller.Config{SndBuf: 64, RcvBuf: 1024}, // an answer takes two writes
					Scenario: func(w *proptest.World) {
						k := w.NewWorker()
						loop := pipeline.NewLoop(k)
						fd, err := poller.ListenTCP(k, listenAddr, poller.ListenConfig{})
						if err != nil {
							w.Fatalf("listen: %v", err)
						}
						cfg := pipeline.ListenerConfig{StatPrefix: "edge", ListenerFilters: in.filters(), FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{func(c *pipeline.Connection) {
							c.SetDelayedCloseTimeout(time.Minute)
							c.AddReadFilter(&closer{c, len(in.request), cl.how})
						}}}}}
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
								if _, err := c.Write(slices.Concat(in.header, in.request)); err != nil {
									return
								}
								got, err := io.ReadAll(c)
								// The delayed close timeout cuts off who does not read.
								late := w.Now() >= 15*time.Second
								refused := in.refuses && len(got) == 0
								w.Delivered("answer", closerAnswer, got, cl.flushes && err == nil && w.Injected(faults.Reset) == 0 && !late && !refused)
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
