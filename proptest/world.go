package proptest

import (
	"fmt"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
)

// World is what a scenario gets: a fakepoller world that can fail. It lives for
// one run of the scenario.
type World struct {
	*fakepoller.World
	failures []*failure
	goals    []string
}

type failure struct {
	class, message string
	step           int // of an assertion
}

// fatal unwinds the actor that called Fatalf.
type fatal struct{}

// Errorf notes a failure and goes on. The format, without its arguments, is the
// failure's class: shrinking keeps the class.
func (w *World) Errorf(format string, args ...any) {
	w.failures = append(w.failures, &failure{class: format, message: fmt.Sprintf(format, args...), step: w.Steps()})
}

// Fatalf is Errorf, and ends the actor that calls it, or the scenario.
func (w *World) Fatalf(format string, args ...any) {
	w.Errorf(format, args...)
	panic(fatal{})
}

// outcome is one run of a scenario.
type outcome struct {
	choices []faults.Choice
	digest  uint64
	views   uint64
	failure *failure
	events  []fakepoller.Event // if traced
	steps   int

	coverage fakepoller.Coverage
	goals    []string
	open     []fakepoller.Open // if traced
	peers    []string          // if it failed
}

// execute runs the scenario once. The choices belong to rec.
func (c *Config) execute(rec *faults.Recorder, trace bool) outcome {
	rec.Reset()
	config := c.World
	config.Source, config.Trace = rec, trace
	w := &World{World: fakepoller.New(config)}
	panicked := w.body(c.Scenario)
	o := outcome{choices: rec.Choices, digest: w.Digest(), views: w.Views(), events: w.Trace(), steps: w.Steps(), coverage: *w.Coverage(), goals: w.reachedGoals()}
	if trace {
		o.open = w.OpenSockets()
	}
	if o.failure = panicked; panicked == nil {
		o.failure = w.judge()
	}
	if o.failure != nil {
		o.peers = w.Peers()
	}
	w.Close()
	return o
}

// judge returns the first failure of a run that is over: a panic of an actor, else
// what came first of the scenario's assertions and the auditors' findings. What is
// left over comes last: nobody knows it before the end.
func (w *World) judge() *failure {
	var first *failure
	if len(w.failures) > 0 {
		first = w.failures[0]
	}
	early := len(w.Findings())
	for i, f := range w.Audit() {
		_, ours := f.Value.(fatal)
		switch {
		case ours:
		case f.Kind == fakepoller.Panic:
			return &failure{class: string(f.Kind), message: f.String(), step: f.Step}
		case first == nil || i < early && f.Step < first.step:
			first = &failure{class: string(f.Kind), message: f.String(), step: f.Step}
		}
	}
	return first
}

// body runs the scenario's own goroutine and turns a panic into a failure.
func (w *World) body(scenario func(*World)) (panicked *failure) {
	returned := false
	defer func() {
		r := recover()
		if r == nil && !returned {
			// runtime.Goexit, which t.FailNow calls, can not be stopped, and ends the
			// search with it.
			panic("proptest: the scenario ended its goroutine (t.Fatal?); use World.Fatalf")
		}
		if r != nil {
			if _, ours := r.(fatal); !ours {
				panicked = &failure{class: "panic", message: fmt.Sprintf("panic: %v", r)}
			}
		}
	}()
	scenario(w)
	returned = true
	return nil
}
