package pipeline_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/pipeline/tlsinspector"
	"edgewise.test/proptest"
)

// Two workers share a listener, by one socket with exact balancing or by two with
// SO_REUSEPORT, while it is updated, replaced, and removed or drained.
func TestWorkersUnderManagement(t *testing.T) {
	for _, shared := range []bool{false, true} {
		for _, end := range []string{"remove", "drain"} {
			t.Run(fmt.Sprintf("shared=%v/%s", shared, end), func(t *testing.T) {
				t.Parallel()
				proptest.Config{
					Schedules: 600,
					Scenario:  func(w *proptest.World) { manageTwoWorkers(w, shared, end) },
				}.Check(t)
			})
		}
	}
}

var managedAddr = netip.MustParseAddrPort("127.0.0.1:443")

func manageTwoWorkers(w *proptest.World, shared bool, end string) {
	hello := []byte("not a ClientHello")
	limit := pipeline.NewLimit(100)
	inspector := tlsinspector.New(tlsinspector.Config{})
	workers := []*fakepoller.Worker{w.NewWorker(), w.NewWorker()}
	loops := []*pipeline.Loop{pipeline.NewLoop(workers[0]), pipeline.NewLoop(workers[1])}
	m := pipeline.NewListenerManager(loops...)
	for i, k := range workers {
		k.Go(func() {
			if err := loops[i].Run(); err != nil {
				w.Errorf("loop: %v", err)
			}
		})
	}
	chains := func(revision string) []pipeline.FilterChain {
		return []pipeline.FilterChain{{Name: "echo", Revision: revision, Filters: []pipeline.FilterFactory{echo.Filter}}}
	}
	spec := pipeline.ManagedListener{Name: "a", Address: managedAddr, SharedSocket: shared, ExactBalance: shared,
		Config: func(int) *pipeline.ListenerConfig {
			return &pipeline.ListenerConfig{
				GlobalConnectionLimit: limit, MaxConnectionsToAcceptOnDrain: 10,
				ListenerFilters: []pipeline.ListenerFilterFactory{inspector.Filter}, FilterChains: chains("1"),
			}
		}}
	told := map[string]bool{}
	tell := func(what string) func() { return func() { told[what] = true } }
	tellError := func(what string) func(error) {
		return func(err error) {
			if err != nil {
				w.Errorf("%s: %v", what, err)
			}
			told[what] = true
		}
	}
	var counters pipeline.Snapshot
	w.Peer("control", func(p *fakepoller.Peer) {
		until := func(what string) {
			for wait := time.Millisecond; !told[what]; wait *= 2 {
				p.Sleep(wait)
			}
		}
		m.Add(spec, tellError("added"))
		until("added")
		p.Sleep(5 * time.Millisecond)
		m.UpdateFilterChains("a", func(int) ([]pipeline.FilterChain, *pipeline.FilterChain) { return chains("2"), nil }, time.Second, tellError("updated"), tell("chains drained"))
		until("updated")
		m.Replace(spec, time.Second, tellError("replaced"))
		until("replaced")
		if end == "remove" {
			m.Remove("a", tell("ended"))
		} else {
			m.Drain("a", time.Second, tell("ended"))
		}
		until("ended")
		until("chains drained")
		// The last one is taken when nothing moves any more.
		for quiet := false; !quiet; {
			quiet = counters.Get("listener_manager.listener_removed") == 1 && counters.Get("listener_manager.total_listeners_draining") == 0
			told["counted"] = false
			m.Snapshot(func(s pipeline.Snapshot, _ []pipeline.NamedHistogram) { counters, told["counted"] = s, true })
			until("counted")
			p.Sleep(time.Second)
		}
		for _, l := range loops {
			l.Stop()
		}
	})
	sent := map[string][]byte{}
	for i, at := range []time.Duration{6, 11, 16, 21} {
		name := fmt.Sprint("client ", i+1)
		sent[name] = append([]byte(name+": "), hello...)
		w.Peer(name, func(p *fakepoller.Peer) {
			p.Sleep(at * time.Millisecond)
			c, err := p.Dial(managedAddr)
			if err != nil {
				return // before it listens, or after
			}
			if _, err := c.Write(sent[name]); err != nil {
				return
			}
			c.CloseWrite()
			var got []byte
			buffer := make([]byte, 100)
			for err == nil {
				var n int
				n, err = c.Read(buffer)
				got = append(got, buffer[:n]...)
			}
			w.Delivered(name, sent[name], got, false)
		})
	}
	w.Run()
	for _, what := range []string{"added", "updated", "replaced", "chains drained", "ended", "counted"} {
		if !told[what] {
			w.Errorf("manager: never %s", what)
		}
	}
	w.Counted(counters)
	if n := limit.Used(); n != 0 {
		w.Errorf("limit: got %d global units in use at the end, want 0", n)
	}
}
