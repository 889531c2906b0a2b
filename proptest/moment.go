package proptest

import (
	"fmt"
	"slices"

	"edgewise.test/faults"
)

// Moment says when a failure became inevitable: how many of some random
// continuations fail when the run follows the plan up to a deviation.
type Moment struct {
	Runs   int   // continuations for each number of deviations
	Failed []int // of these, after so many deviations; the first is without any
}

// momentRuns is how many continuations are tried for each prefix of a plan.
const momentRuns = 100

// moment re-runs the beginning of a plan with random ends.
func (sh *shrinker) moment(plan faults.Plan) Moment {
	m := Moment{Runs: momentRuns}
	if len(plan.Deviations) == 0 || len(plan.Deviations) > 8 {
		return m
	}
	for kept := 0; kept <= len(plan.Deviations); kept++ {
		failed := 0
		for seed := range uint64(momentRuns) {
			profile := faults.Profile{Hostile: sh.World.Hostile, Only: sh.Only}
			sh.recorder.Source = &continuation{plan: plan.Deviations[:kept], without: plan.Without, rest: faults.Seed(seed, profile)}
			if o := sh.execute(&sh.recorder, false); o.failure != nil && o.failure.class == sh.class {
				failed++
			}
		}
		m.Failed = append(m.Failed, failed)
	}
	return m
}

// continuation follows the deviations of a plan, in their order, and then rest.
type continuation struct {
	plan    []faults.Deviation
	without []string
	rest    faults.Source
}

func (c *continuation) Omits(peer string) bool { return slices.Contains(c.without, peer) }

func (c *continuation) Choose(p faults.Point, n int) int {
	if len(c.plan) == 0 {
		return c.rest.Choose(p, n)
	}
	d := c.plan[0]
	if d.Op != p.Op || d.Actor != p.Actor || p.Seq < d.From || p.Seq > d.To || d.Outcome >= n {
		return 0
	}
	c.plan = c.plan[1:]
	return d.Outcome
}

// String names the deviation after which most continuations fail, or is empty
// when there is nothing to tell.
func (m Moment) String() string {
	at, jump := 0, 0
	for i := 1; i < len(m.Failed); i++ {
		if d := m.Failed[i] - m.Failed[i-1]; d > jump {
			at, jump = i, d
		}
	}
	if at == 0 {
		return ""
	}
	what := "likely"
	if m.Failed[at] == m.Runs {
		what = "inevitable"
	}
	return fmt.Sprintf("it became %s at [%d]: %d of %d random continuations fail before it, %d after", what, at, m.Failed[at-1], m.Runs, m.Failed[at])
}
