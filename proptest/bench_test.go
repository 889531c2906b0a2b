package proptest_test

import (
	"os"
	"testing"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/pipeline/tlsinspector"
	"edgewise.test/poller"
	"edgewise.test/proptest"
)

// sni is a scenario of three clients that are routed by name and echoed.
func sni(hello []byte) func(w *proptest.World) {
	return func(w *proptest.World) {
		k := w.NewWorker()
		fd, err := poller.ListenTCP(k, addr, poller.ListenConfig{})
		if err != nil {
			w.Fatalf("listen: %v", err)
		}
		loop := pipeline.NewLoop(k)
		listener, err := pipeline.NewListener(loop, fd, &pipeline.ListenerConfig{
			StatPrefix:      "edge",
			ListenerFilters: []pipeline.ListenerFilterFactory{tlsinspector.NewFilter},
			FilterChains: []pipeline.FilterChain{{
				FilterChainMatch: pipeline.FilterChainMatch{ServerNames: []string{"edge.test"}},
				Filters:          []pipeline.FilterFactory{echo.Filter},
			}},
		})
		if err != nil {
			w.Fatalf("listener: %v", err)
		}
		k.Go(func() { loop.Run() })
		for _, name := range []string{"alice", "bob", "carol"} {
			w.Peer(name, func(p *fakepoller.Peer) {
				c, err := p.Dial(addr)
				if err != nil {
					return
				}
				c.Write(hello)
				got := make([]byte, 0, 512)
				for len(got) < len(hello) {
					n, err := c.Read(got[len(got):cap(got)])
					got = got[:len(got)+n]
					if err != nil {
						break
					}
				}
				w.Delivered(name, hello, got, false)
			})
		}
		w.Run()
		w.Counted(listener.Snapshot())
	}
}

func BenchmarkSchedules(b *testing.B) {
	hello, err := os.ReadFile("../pipeline/tlsinspector/testdata/hello/openssl-tls13.bin")
	if err != nil {
		b.Fatal(err)
	}
	config := proptest.Config{Scenario: sni(hello[:])}
	for _, bench := range []struct {
		name   string
		source func(seed uint64) faults.Source
	}{
		{"calm", func(uint64) faults.Source { return faults.Calm }},
		{"seed", func(seed uint64) faults.Source { return faults.Seed(seed, faults.Profile{}) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			search := proptest.NewRuns(config)
			n := uint64(0)
			for b.Loop() {
				n++
				if f := search.Run(bench.source(n)); f != "" {
					b.Fatal(f)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "schedules/s")
		})
	}
}
