package proptest

import (
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
)

// Config says what to search and how long.
type Config struct {
	// Scenario is run once per schedule and must behave the same for the same
	// choices.
	Scenario func(*World)
	// World configures each run; its Source and Trace are the search's own.
	World fakepoller.Config
	// Seed starts the random part. The same seed searches the same schedules.
	Seed uint64
	// Schedules is how many runs the search may take; 0 means 20,000.
	Schedules int
	// Progress, if set, is told now and then how far the search is.
	Progress func(Stats)
}

// Stats is what a search has done so far.
type Stats struct {
	Schedules int // runs in all
	Choices   int // points in the calm run
	// Single and Pairs count runs with one and with two deviations. A range of
	// bytes is tried value by value for one deviation and at its ends and middle
	// for two; times are tried at a few telling values.
	Single, Pairs       int
	AllSingle, AllPairs bool // none is left
	Random              int
	Steps               int // boundary calls in all runs
	LongestPlan         int // most deviations in one run
	Elapsed             time.Duration
}

// Result is how a search ended.
type Result struct {
	Stats
	Failure *Failure // nil: every schedule passed
}

const defaultSchedules = 20_000

// pairShare is the part of the budget, in percent, that pairs may use: the rest
// is for more than two deviations.
const pairShare = 60

// Search looks for a schedule that fails the scenario. It stops at the first,
// shrinks it and checks that it repeats.
func Search(c Config) Result {
	s := &search{Config: &c, budget: c.Schedules}
	if s.budget <= 0 {
		s.budget = defaultSchedules
	}
	s.start = time.Now()
	found := s.strategies()
	s.result.Elapsed = time.Since(s.start)
	if found != nil {
		s.result.Failure = s.explain(found)
	}
	return s.result
}

type search struct {
	*Config
	budget   int
	start    time.Time
	result   Result
	recorder faults.Recorder
	forced   forced
	prefixes [2][]faults.Choice // choices of the runs that are being varied, per depth
	alts     [2][]int
}

// found is a failing run before it is shrunk.
type found struct {
	failure  *failure
	plan     faults.Plan
	strategy string
	seed     uint64
}

func (s *search) strategies() *found {
	if f := s.try(nil, "the calm run"); f != nil {
		return f
	}
	s.result.Choices = len(s.recorder.Choices)
	s.prefixes[0] = append(s.prefixes[0][:0], s.recorder.Choices...)
	if f := s.vary(0, 1); f != nil {
		return f
	}
	s.result.AllSingle = s.left() > 0
	if f := s.vary(0, 2); f != nil {
		return f
	}
	s.result.AllPairs = s.result.AllSingle && s.pairsLeft() > 0
	for s.left() > 0 {
		seed := s.Seed + uint64(s.result.Random)
		s.result.Random++
		s.recorder.Source = faults.Seed(seed, faults.Profile{Hostile: s.World.Hostile})
		if f := s.run("random"); f != nil {
			f.seed = seed
			return f
		}
	}
	return nil
}

func (s *search) left() int { return s.budget - s.result.Schedules }

func (s *search) pairsLeft() int { return s.budget*pairShare/100 - s.result.Pairs }

// forced makes some choices by their place in the run; all others are calm.
type forced struct {
	at   []deviationAt
	next int
	n    int
}

type deviationAt struct{ index, outcome int }

func (f *forced) Choose(_ faults.Point, n int) int {
	i := f.n
	f.n++
	if f.next < len(f.at) && f.at[f.next].index == i {
		f.next++
		return f.at[f.next-1].outcome
	}
	return 0
}

// vary runs every schedule with exactly bound deviations whose first depth ones
// are in s.forced: each alternative of each later choice of the run before.
func (s *search) vary(depth, bound int) *found {
	first := 0
	if depth > 0 {
		first = s.forced.at[depth-1].index + 1
	}
	for i := first; i < len(s.prefixes[depth]); i++ {
		c := s.prefixes[depth][i]
		if c.Point.Op.Hostile() && !s.World.Hostile {
			continue
		}
		s.alts[depth] = alternatives(s.alts[depth][:0], c, bound)
		for _, outcome := range s.alts[depth] {
			if s.left() <= 0 || bound > 1 && s.pairsLeft() <= 0 {
				return nil
			}
			at := append(s.forced.at[:depth:depth], deviationAt{i, outcome})
			if depth+1 < bound {
				if s.outcomeOf(at).failure != nil {
					continue // found already with fewer
				}
				s.prefixes[depth+1] = append(s.prefixes[depth+1][:0], s.recorder.Choices...)
				s.forced.at = at
				if f := s.vary(depth+1, bound); f != nil {
					return f
				}
				continue
			}
			if bound == 1 {
				s.result.Single++
			} else {
				s.result.Pairs++
			}
			if f := s.try(at, deviations(bound)); f != nil {
				return f
			}
		}
	}
	return nil
}

func deviations(n int) string {
	if n == 1 {
		return "one deviation"
	}
	return "two deviations"
}

// alternatives are the outcomes to try at c: all, or the telling ones when there
// will be more deviations.
func alternatives(dst []int, c faults.Choice, bound int) []int {
	if bound == 1 {
		return c.Point.Op.Alternatives(dst, c.N)
	}
	return c.Point.Op.Telling(dst, c.N)
}

func (s *search) outcomeOf(at []deviationAt) outcome {
	s.forced = forced{at: at}
	s.recorder.Source = &s.forced
	s.result.Schedules++
	return s.execute(&s.recorder, false)
}

func (s *search) try(at []deviationAt, strategy string) *found {
	s.forced = forced{at: at}
	s.recorder.Source = &s.forced
	return s.run(strategy)
}

func (s *search) run(strategy string) *found {
	s.result.Schedules++
	o := s.execute(&s.recorder, false)
	s.result.Steps += o.steps
	if s.Progress != nil && s.result.Schedules&255 == 0 {
		s.result.Elapsed = time.Since(s.start)
		s.Progress(s.result.Stats)
	}
	if o.failure == nil {
		return nil
	}
	return &found{failure: o.failure, plan: s.recorder.Plan(), strategy: strategy}
}
