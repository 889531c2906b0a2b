package proptest

import (
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/cryptotest"

	"edgewise.test/fakepoller/fakenet"
)

// Net is what a scenario of goroutines gets: a network that can fail. Its methods
// may be called by all goroutines of the scenario.
type Net struct{ *fakenet.Net }

// told is what a goroutine says about the run.
type told struct {
	failure *failure
	goal    string
}

// Errorf notes a failure and goes on. The format, without its arguments, is the
// failure's class: shrinking keeps the class.
func (n *Net) Errorf(format string, args ...any) {
	n.Tell(told{failure: &failure{class: format, message: fmt.Sprintf(format, args...)}})
}

// Fatalf is Errorf, and ends the goroutine that calls it.
func (n *Net) Fatalf(format string, args ...any) {
	n.Errorf(format, args...)
	runtime.Goexit()
}

// Sometimes says that a run reached a goal, as [World.Sometimes].
func (n *Net) Sometimes(goal string) { n.Tell(told{goal: goal}) }

// NetConfig says how to search the schedules of goroutines.
type NetConfig struct {
	// Scenario is run once per schedule, in a bubble of testing/synctest. It must
	// not use what is outside of its bubble; time begins at 2000-01-01.
	Scenario func(*Net)
	// Net says how goroutines are run.
	Net fakenet.Config
	// Search is everything else; its Scenario is not used. Schedules 0 means 3,000,
	// a tenth of it under -short; with Only, all of them are random. With Random or fakenet.Metrics, Cores is 1.
	Search Config
	// Random seeds math/rand and the randomness of crypto for each run, for code
	// that uses them: crypto/tls, and net/http's Shutdown. The test must not be
	// parallel then.
	Random bool
	// Pools empties every sync.Pool of the process before each run, by two garbage
	// collections, for code that keeps timers or channels in one: those of an earlier
	// bubble would end the process. Cores is 1 then.
	Pools bool
}

const defaultNetSchedules = 3_000

// CheckNet searches the schedules of goroutines that use [fakenet.Listener] and
// [fakenet.Conn] in place of package net's, as [Check] does with event loops: code
// that takes a [net.Listener] and dials with a function that it is given need not
// be changed.
func CheckNet(t *testing.T, scenario func(*Net)) {
	t.Helper()
	check(t, NetConfig{Scenario: scenario}.Config(t), callerPackage())
}

// Check is CheckNet with this configuration.
func (c NetConfig) Check(t *testing.T) {
	t.Helper()
	check(t, c.Config(t), callerPackage())
}

// classStall is the class of a run that made no progress in real time. It is not
// shrunk: each attempt would take as long.
const classStall = "stall"

// Config makes a search of networks a search of worlds, for [Search] and [Replay].
func (c NetConfig) Config(t *testing.T) Config {
	config := c.Search
	config.order = netOrder
	if config.Schedules <= 0 {
		config.Schedules = defaultNetSchedules
		if testing.Short() {
			config.Schedules /= 10
		}
	}
	if c.Random || c.Pools || c.Net.Quiesce == fakenet.Metrics {
		config.Cores = 1
	}
	if c.Random {
		t.Setenv("GODEBUG", strings.TrimPrefix(os.Getenv("GODEBUG")+",randseednop=0", ","))
	}
	var stalled atomic.Pointer[failure] // its goroutines may still be there: nothing runs after it
	config.Scenario = func(w *World) {
		if f := stalled.Load(); f != nil {
			w.failures = append(w.failures, f)
			return
		}
		if c.Pools {
			runtime.GC()
			runtime.GC() // the first one keeps victims: sync.Pool
		}
		if c.Random {
			//lint:ignore SA1019 it is the global source that net/http draws from
			rand.Seed(1) // of the whole process: hence one core
			cryptotest.SetGlobalRandom(t, 1)
		}
		if err := c.run(t, w); err != nil {
			f := &failure{class: classStall, message: err.Error()}
			stalled.Store(f)
			w.failures = append(w.failures, f)
		}
	}
	return config
}

// run runs the scenario once. An error means that it has stalled.
func (c NetConfig) run(t *testing.T, w *World) error {
	var net *fakenet.Net
	failed := t.Failed()
	err := fakenet.Run(t, w.World, c.Net, func(n *fakenet.Net) {
		net = n
		c.Scenario(&Net{n})
	})
	if err != nil {
		return err
	}
	for _, v := range net.Told() {
		if v := v.(told); v.failure != nil {
			w.failures = append(w.failures, v.failure)
		} else {
			w.Sometimes(v.goal)
		}
	}
	if t.Failed() && !failed {
		w.Errorf("the scenario failed the test itself; Net.Errorf tells the search")
	}
	return nil
}

// netOrder is the order in which schedules of goroutines are tried. There are so
// many points in a run that random schedules come before all single deviations.
func netOrder(s *search) *found {
	calm, choices, err := s.calm()
	if err != nil || calm != nil {
		return calm
	}
	s.result.Choices = len(choices)
	if len(s.Only) > 0 {
		return s.portfolio()
	}
	budget := s.Schedules
	s.Schedules = budget / 2
	f := s.portfolio()
	s.Schedules = budget
	if f == nil {
		f = s.single(choices)
	}
	if f == nil {
		f = s.pairs(choices)
	}
	return f
}
