package proptest

import (
	"fmt"
	"slices"
	"strings"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
)

// Failure is a schedule that fails, as small as it could be made.
type Failure struct {
	// Message is the first failed assertion or finding.
	Message string
	// Class is what shrinking kept: the assertion's format, or the finding's kind.
	Class string
	// Plan replays it. No deviation can be taken out of it.
	Plan faults.Plan
	// Events is what happened; Digest identifies it.
	Events []fakepoller.Event
	Digest uint64

	Strategy   string
	Seed       uint64 // of the random run that found it, else 0
	Schedule   int    // which run found it
	From       int    // deviations before shrinking
	ShrinkRuns int
	// Moment is when it became inevitable.
	Moment Moment
	// Open is what was open at the end, by fd.
	Open []fakepoller.Open
	// Unrepeatable says what differed between two runs of the same plan: the
	// scenario depends on something other than its world. "" is the good case.
	Unrepeatable string
	// Missed are deviations of a replayed plan that no point asked for.
	Missed []faults.Deviation
}

// shrinkBudget bounds the runs of one shrinking.
const shrinkBudget = 5_000

// explain shrinks a failure and replays the result.
func (s *search) explain(f *found) *Failure {
	sh := &shrinker{Config: s.runner(0).Config, class: f.failure.class, peers: f.peers}
	plan := f.plan
	if sh.class != classUnrepeatable && sh.class != classStall {
		plan = sh.shrink(plan)
	}
	out := s.replay(plan)
	if sh.class != classStall {
		out.Moment = sh.moment(plan)
	}
	if sh.class == classUnrepeatable || sh.class == classStall {
		out.Message, out.Class = f.failure.message, f.failure.class
		if sh.class == classStall {
			out.Missed = nil // no run after it was a run
		}
	}
	out.Strategy, out.Seed, out.Schedule = f.strategy, f.seed, s.result.Schedules
	out.From, out.ShrinkRuns = len(f.plan.Deviations), sh.runs
	return out
}

type shrinker struct {
	*Config
	class    string
	runs     int
	recorder faults.Recorder
	peers    []string // of the last run that failed
}

// fails tells whether plan fails in the same class, and returns the plan that it
// really followed: deviations that were never asked for are gone.
func (sh *shrinker) fails(plan faults.Plan) (faults.Plan, bool) {
	if sh.runs >= shrinkBudget {
		return plan, false
	}
	sh.runs++
	sh.recorder.Source = plan.Source()
	o := sh.execute(&sh.recorder, false)
	if o.failure == nil || o.failure.class != sh.class {
		return plan, false
	}
	sh.peers = o.peers
	return sh.recorder.Plan(), true
}

// shrink drops what it can, first in halves and quarters and then one by one,
// makes the rest smaller and earlier, leaves peers out, and repeats that until
// nothing changes.
func (sh *shrinker) shrink(plan faults.Plan) faults.Plan {
	for changed := true; changed; {
		changed = false
		for size := len(plan.Deviations); size >= 1; size /= 2 {
			for at := 0; at+size <= len(plan.Deviations); {
				if smaller, ok := sh.fails(without(plan, at, size)); ok && len(smaller.Deviations) < len(plan.Deviations) {
					plan, changed = smaller, true
				} else {
					at += size
				}
			}
		}
		for i := 0; i < len(plan.Deviations); i++ {
			if smaller, ok := sh.lower(plan, i); ok {
				plan, changed = smaller, true
			}
			if sooner, ok := sh.earlier(plan, i); ok {
				plan, changed = sooner, true
			}
		}
		for _, peer := range slices.Backward(sh.peers) {
			if fewer, ok := sh.omit(plan, peer); ok {
				plan, changed = fewer, true
			}
		}
	}
	return plan
}

// omit leaves peer out if there is another one, and if the scenario passes without it
// as long as all is calm: what needs the peer would fail of that. Connections are
// numbered as they are made, so that those behind one of the peer's get another name.
func (sh *shrinker) omit(plan faults.Plan, peer string) (faults.Plan, bool) {
	if slices.Contains(plan.Without, peer) || len(plan.Without)+1 >= len(sh.peers) || sh.runs >= shrinkBudget {
		return plan, false
	}
	all := append(slices.Clone(plan.Without), peer)
	sh.runs++
	sh.recorder.Source = faults.Plan{Without: all}.Source()
	if o := sh.execute(&sh.recorder, false); o.failure != nil {
		return plan, false
	}
	for gone := range maxRenumbered + 1 {
		candidate, renamed := renumber(plan.Deviations, gone)
		if gone > 0 && !renamed {
			continue
		}
		if fewer, ok := sh.fails(faults.Plan{Without: all, Deviations: candidate}); ok && len(fewer.Deviations) <= len(plan.Deviations) {
			return fewer, true
		}
	}
	return plan, false
}

// maxRenumbered bounds the connections that may be the one that is gone.
const maxRenumbered = 8

// renumber returns the deviations as they are called when connection number gone
// is not made; none is gone when it is 0.
func renumber(deviations []faults.Deviation, gone int) (renamed []faults.Deviation, changed bool) {
	renamed = slices.Clone(deviations)
	for i := range renamed {
		var n int
		var rest string
		if _, err := fmt.Sscanf(renamed[i].Actor, "conn %d", &n); err != nil || gone == 0 || n <= gone {
			continue
		}
		if _, after, ok := strings.Cut(strings.TrimPrefix(renamed[i].Actor, "conn "), " "); ok {
			rest = " " + after
		}
		renamed[i].Actor = fmt.Sprintf("conn %d%s", n-1, rest)
		changed = true
	}
	return renamed, changed
}

// without returns p with size deviations fewer, from at on.
func without(p faults.Plan, at, size int) faults.Plan {
	return faults.Plan{Without: p.Without, Deviations: slices.Delete(slices.Clone(p.Deviations), at, at+size)}
}

// lower tries smaller outcomes for deviation i, smallest first.
func (sh *shrinker) lower(plan faults.Plan, i int) (faults.Plan, bool) {
	if i >= len(plan.Deviations) {
		return plan, false
	}
	d := plan.Deviations[i]
	for _, outcome := range d.Op.Simpler(nil, d.Outcome) {
		candidate := faults.Plan{Without: plan.Without, Deviations: slices.Clone(plan.Deviations)}
		candidate.Deviations[i].Outcome = outcome
		if smaller, ok := sh.fails(candidate); ok && len(smaller.Deviations) <= len(plan.Deviations) {
			return smaller, true
		}
	}
	return plan, false
}

// Run runs the scenario once with the choices of recorder's source. It returns
// nil when that passes, and else the failure as it is, not shrunk.
func Run(c Config, recorder *faults.Recorder) *Failure {
	o := c.execute(recorder, true)
	if o.failure == nil {
		return nil
	}
	return &Failure{Message: o.failure.message, Class: o.failure.class, Plan: recorder.Plan(), Events: o.events, Digest: o.digest, Open: o.open, Strategy: "run"}
}

// earlier tries deviation i at earlier points of the same actor and operation.
func (sh *shrinker) earlier(plan faults.Plan, i int) (faults.Plan, bool) {
	if i >= len(plan.Deviations) {
		return plan, false
	}
	for seq := 1; seq < min(plan.Deviations[i].From, 9); seq++ {
		candidate := faults.Plan{Without: plan.Without, Deviations: slices.Clone(plan.Deviations)}
		candidate.Deviations[i].From, candidate.Deviations[i].To = seq, seq
		if sooner, ok := sh.fails(candidate); ok && len(sooner.Deviations) <= len(plan.Deviations) {
			return sooner, true
		}
	}
	return plan, false
}

// Replay runs the scenario once under plan. It returns nil when that passes.
func Replay(c Config, plan faults.Plan) *Failure {
	f := c.replay(plan)
	if f.Message == "" && f.Unrepeatable == "" {
		return nil
	}
	return f
}

// replay runs plan twice, traced, and compares. A passing run has no message.
func (c *Config) replay(plan faults.Plan) *Failure {
	source := plan.Source()
	var first, second faults.Recorder
	first.Source, second.Source = source, plan.Source()
	o := c.execute(&first, true)
	f := &Failure{Plan: plan, Events: o.events, Digest: o.digest, Open: o.open, From: len(plan.Deviations), Strategy: "replay", Missed: source.Missed()}
	if o.failure != nil {
		f.Message, f.Class = o.failure.message, o.failure.class
	}
	if again := c.execute(&second, false); again.digest != o.digest {
		f.Unrepeatable = firstDifference(first.Choices, second.Choices)
	}
	return f
}

// firstDifference names the first choice at which two runs of one plan differ.
func firstDifference(a, b []faults.Choice) string {
	for i := range a {
		if i >= len(b) {
			return fmt.Sprintf("the second run ended before choice %d, %s", i+1, a[i].Point)
		}
		if a[i] != b[i] {
			return fmt.Sprintf("choice %d was %s of %d, then %s of %d", i+1, a[i].Point, a[i].N, b[i].Point, b[i].N)
		}
	}
	if len(b) > len(a) {
		return fmt.Sprintf("the second run went on at choice %d, %s", len(a)+1, b[len(a)].Point)
	}
	return "the same choices led to different results"
}
