package pipeline_test

import (
	"fmt"
	"testing"
	"time"

	"edgewise.test/pipeline"
)

func TestLimitsRefuseInEnvoysOrderAndGiveBackWhatTheyTook(t *testing.T) {
	onKernels(t, func(e *env) {
		global, overload := pipeline.NewLimit(2), pipeline.NewOverload(func() float64 { return 0.5 })
		cfg := echoConfig()
		cfg.GlobalConnectionLimit, cfg.Overload, cfg.ConnectionLimit = global, overload, 1
		l := e.listen(cfg)
		one := e.dial(l.Address())
		e.until("accepted", func() bool { return l.Stats().CxActive == 1 })
		refused := func(counter string, n uint64, used int) {
			e.Helper()
			before := l.Stats().Accepted
			p := e.dial(l.Address())
			e.until("refused", func() bool { return l.Stats().Accepted == before+1 })
			p.wants("", "EOF")
			if got := l.Snapshot().Get("listener.test." + counter); got != n {
				e.Errorf("%s: got %d, want %d", counter, got, n)
			}
			if global.Used() != used {
				e.Errorf("after %s: got %d global units, want %d", counter, global.Used(), used)
			}
		}
		refused("downstream_cx_overflow", 1, 1)
		// envoy #41867: each of these leaked a unit, until nobody was let in.
		for _, fraction := range []float64{1, 0.6} {
			overload.SetRejectFraction(fraction)
			before := l.Stats().CxOverloadReject
			for i := range uint64(3) {
				refused("downstream_cx_overload_reject", before+i+1, 1)
			}
		}
		overload.SetRejectFraction(0.4) // the draw says 0.5
		refused("downstream_cx_overflow", 2, 1)
		if !global.Allocate() {
			e.Fatal("the second unit is not there")
		}
		overload.SetRejectFraction(1)
		refused("downstream_global_cx_overflow", 1, 2)
		global.Release()
		one.close()
		e.until("closed", func() bool { return l.Stats().CxActive == 0 })
		if global.Used() != 0 {
			e.Errorf("at the end: got %d global units, want 0", global.Used())
		}
	})
}

func TestEveryEndOfASocketGivesItsUnitBack(t *testing.T) {
	for _, end := range []string{"remote close", "reset", "reject", "timeout", "no chain", "no filter", "removed"} {
		t.Run(end, func(t *testing.T) {
			e := newFakeEnv(t)
			global := pipeline.NewLimit(3)
			f := &script{e: e, name: "f", want: 10}
			cfg := echoConfig()
			cfg.GlobalConnectionLimit, cfg.ConnectionLimit, cfg.ListenerFiltersTimeout = global, 3, time.Second
			switch end {
			case "no chain":
				cfg.FilterChains = nil
			case "no filter":
				cfg.FilterChains[0].Filters = nil
			default:
				cfg.ListenerFilters = []pipeline.ListenerFilterFactory{f.factory}
			}
			l := e.listen(cfg)
			for range 5 { // more than either limit
				p := e.dial(l.Address())
				e.turns()
				switch end {
				case "remote close":
					p.close()
				case "reset":
					p.reset()
				case "reject":
					f.cb.ContinueFilterChain(false)
				case "timeout":
					e.until("timed out", func() bool { return l.Stats().PreCxActive == 0 })
				case "removed":
					l.Close()
				}
				e.turns()
				if global.Used() != 0 {
					e.Fatalf("got %d global units in use, want 0\n%v", global.Used(), l.Snapshot())
				}
				if l.Stats().CxOverflow != 0 || l.Stats().GlobalCxOverflow != 0 {
					e.Fatalf("refused for a limit, with nobody there\n%v", l.Snapshot())
				}
				if end == "removed" {
					break
				}
			}
		})
	}
}

func TestReleaseWithoutAllocatePanics(t *testing.T) {
	defer func() {
		if got := fmt.Sprint(recover()); got != "pipeline: Limit.Release of a unit that was not allocated" {
			t.Errorf("got %s", got)
		}
	}()
	pipeline.NewLimit(1).Release()
}

func TestDrainAcceptsWhatIsInTheQueue(t *testing.T) {
	onKernels(t, func(e *env) {
		cfg := echoConfig()
		cfg.MaxConnectionsToAcceptOnDrain = 3
		l := e.listen(cfg)
		l.Disable()
		var clients []*peer
		for range 4 {
			clients = append(clients, e.dial(l.Address()))
		}
		l.Drain(time.Hour, nil)
		for _, p := range clients[:3] {
			p.write("x")
			p.wants("x", "")
		}
		clients[3].wants("", "ECONNRESET") // over the bound
	})
}
