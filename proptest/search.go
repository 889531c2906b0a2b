package proptest

import (
	"fmt"
	"slices"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
)

// Config says what to search and how long.
type Config struct {
	// Scenario is run once per schedule. It must keep all that it changes inside
	// its world, because worlds run on all cores at once, and it must do the same
	// for the same choices.
	Scenario func(*World)
	// World configures each run; its Source and Trace are the search's own.
	World fakepoller.Config
	// Seed starts the random part. The same seed searches the same schedules,
	// on any number of cores.
	Seed uint64
	// Schedules is how many runs the search may take; 0 means 20,000.
	Schedules int
	// Duration ends the search early; 0 means that only Schedules does. A search
	// that ends by the clock is not repeatable.
	Duration time.Duration
	// Cores is how many worlds run at once; 0 means GOMAXPROCS.
	Cores int
	// Shard and Shards split the search: this one does every Shards-th piece,
	// from Shard on. Shards 0 means that it does all.
	Shard, Shards int
	// Goals are names that some run ought to reach with [World.Sometimes].
	Goals []string
	// Only limits the random strategies to these operations; empty means all.
	Only []faults.Op
	// Strategies are those that take part; empty means all of [Strategies]. The
	// calm schedule always does.
	Strategies []string
	// Progress, if set, is told now and then how far the search is.
	Progress func(Stats)

	// order, if set, takes the place of search.strategies.
	order func(*search) *found
}

// Stats is what a search has done so far.
type Stats struct {
	Schedules int // runs in all
	Choices   int // points in the calm run
	// Single and Pairs count runs with one and with two deviations. A range of
	// bytes is tried value by value for one deviation and at its ends and middle
	// for two; times are tried at a few telling values.
	Single, Pairs       int
	AllSingle, AllPairs bool // none is left (of this shard)
	PairsLeft           int  // an estimate, when they are not all done
	// Alike counts first deviations of pairs that only change an order that nobody
	// in the world can tell ([fakepoller.World.Views]). No pairs are tried behind them.
	Alike   int
	Random  int // by all the other strategies
	Steps   int // boundary calls in all runs
	Covered int // kinds of transitions (fakepoller.Coverage)
	Elapsed time.Duration
}

// Result is how a search ended.
type Result struct {
	Stats
	Failure *Failure // nil: every schedule passed
	// Reached and Missed are goals, ours and the scenario's, sorted.
	Reached, Missed []string
}

const defaultSchedules = 20_000

// pairShare is the part of the budget, in percent, that pairs may use: the rest
// is for more than two deviations, if a random strategy takes part.
const pairShare = 60

// Search looks for a schedule that fails the scenario. It stops at the first,
// shrinks it and checks that it repeats. It panics when c names a strategy that
// there is not.
func Search(c Config) Result {
	s := &search{Config: &c, start: time.Now(), goals: newGoals(c.Goals)}
	if c.Schedules <= 0 {
		c.Schedules = defaultSchedules
	}
	if err := c.checkStrategies(); err != nil {
		panic("proptest: " + err.Error())
	}
	defer s.stop()
	found := s.strategies()
	s.result.Elapsed = time.Since(s.start)
	s.result.Reached, s.result.Missed = s.goals.lists()
	if found != nil {
		s.result.Failure = s.explain(found)
	}
	return s.result
}

type search struct {
	*Config
	start    time.Time
	result   Result
	goals    goals
	coverage fakepoller.Coverage
	corpus   []faults.Plan // runs that covered something new
	piece    int           // number of the next piece, for shards
	told     time.Duration
	runners  []*runner // by core
}

// found is a failing run before it is shrunk.
type found struct {
	failure  *failure
	plan     faults.Plan
	strategy string
	seed     uint64
	run      int // of its piece
	peers    []string
}

func (s *search) strategies() *found {
	if s.order != nil {
		return s.order(s)
	}
	calm, choices, err := s.calm()
	if err != nil || calm != nil {
		return calm
	}
	s.result.Choices = len(choices)
	if s.takesPart(single) {
		if f := s.single(choices); f != nil {
			return f
		}
	}
	if s.takesPart(pairs) {
		if f := s.pairs(choices); f != nil {
			return f
		}
	}
	return s.portfolio()
}

// calm runs the calm schedule twice: a scenario that does not repeat itself is
// not worth searching.
func (s *search) calm() (*found, []faults.Choice, error) {
	r := s.runner(0)
	r.recorder.Source = faults.Calm
	first := r.execute()
	choices := slices.Clone(r.recorder.Choices)
	second := r.execute()
	s.account(piece{runs: 2, steps: first.steps + second.steps, coverage: first.coverage, goals: first.goals})
	if first.failure == nil && first.digest != second.digest {
		first.failure = unrepeatable(firstDifference(choices, r.recorder.Choices))
	}
	if first.failure != nil {
		return &found{failure: first.failure, strategy: "the calm run"}, nil, nil
	}
	return nil, choices, nil
}

// classUnrepeatable is the class of a scenario that differs between two runs of
// one schedule.
const classUnrepeatable = "not repeatable"

func unrepeatable(difference string) *failure {
	return &failure{class: classUnrepeatable, message: fmt.Sprintf("not repeatable: %s. Usual causes: map order, select, time.Now, a goroutine, math/rand, state that outlives a run.", difference)}
}

func (s *search) left() int {
	if s.Duration > 0 && time.Since(s.start) >= s.Duration {
		return 0
	}
	return s.Schedules - s.result.Schedules
}

// deviationAt is a choice by its place in the run.
type deviationAt struct{ index, outcome int }

// forced makes some choices by their place in the run; all others are calm.
type forced struct {
	at   []deviationAt
	next int
	n    int
}

func (f *forced) Choose(faults.Point, int) int {
	i := f.n
	f.n++
	if f.next < len(f.at) && f.at[f.next].index == i {
		f.next++
		return f.at[f.next-1].outcome
	}
	return 0
}

// singlesPerPiece is how many single deviations one piece tries.
const singlesPerPiece = 32

// single runs every schedule with one deviation.
func (s *search) single(choices []faults.Choice) *found {
	var all []deviationAt
	for i, c := range choices {
		for _, outcome := range s.alternatives(c, 1) {
			all = append(all, deviationAt{i, outcome})
		}
	}
	total := len(all)
	if s.Shards <= 1 {
		all = all[:min(total, max(s.left(), 0))]
	}
	pieces := slices.Collect(slices.Chunk(all, singlesPerPiece))
	next := 0
	f, counted := s.each(2*s.cores(), func() (task, bool) {
		if next == len(pieces) {
			return nil, false
		}
		next++
		chunk := pieces[next-1]
		return func(r *runner, p *piece) {
			for i := range chunk {
				p.single++
				if r.try(p, chunk[i:i+1], "one deviation") {
					return
				}
			}
		}, true
	}, func() bool { return s.left() > 0 })
	s.result.AllSingle = f == nil && counted == len(pieces) && len(all) == total
	return f
}

// pairs runs every schedule with two deviations, at telling values: for each
// first one, all second ones behind it in the run that it led to.
func (s *search) pairs(choices []faults.Choice) *found {
	var firsts []deviationAt
	for i, c := range choices {
		for _, outcome := range s.alternatives(c, 2) {
			firsts = append(firsts, deviationAt{i, outcome})
		}
	}
	firsts = s.distinct(firsts)
	next, budget := 0, s.Schedules
	if len(s.random()) > 0 {
		budget = budget * pairShare / 100
	}
	f, done := s.each(2*s.cores(), func() (task, bool) {
		if next == len(firsts) {
			return nil, false
		}
		next++
		first := firsts[next-1]
		return func(r *runner, p *piece) { s.behind(r, p, first) }, true
	}, func() bool {
		return s.left() > 0 && s.result.Pairs < budget
	})
	s.result.AllPairs = f == nil && done == len(firsts)
	if !s.result.AllPairs && done > 0 {
		s.result.PairsLeft = s.result.Pairs/done*len(firsts) - s.result.Pairs
	}
	return f
}

// distinct leaves out deviations that lead to what an earlier one, or none, leads
// to. These runs are not counted: they repeat those with one deviation.
func (s *search) distinct(all []deviationAt) []deviationAt {
	views := make([]uint64, len(all)+1) // the last is that of the calm run
	var tasks []task
	for chunk := range slices.Chunk(views, singlesPerPiece) {
		first := len(tasks) * singlesPerPiece
		tasks = append(tasks, func(r *runner, _ *piece) {
			for i := range chunk {
				r.force(all[first+i : min(first+i+1, len(all))])
				chunk[i] = r.execute().views
			}
		})
	}
	s.onAllCores(tasks, make([]piece, len(tasks)))
	seen := map[uint64]bool{views[len(all)]: true}
	var distinct []deviationAt
	for i, d := range all {
		if seen[views[i]] {
			s.result.Alike++
			continue
		}
		seen[views[i]] = true
		distinct = append(distinct, d)
	}
	return distinct
}

// behind runs first with every second deviation.
func (s *search) behind(r *runner, p *piece, first deviationAt) {
	r.force([]deviationAt{first})
	o := r.execute()
	p.add(o)
	if o.failure != nil {
		return // found with fewer, unless it is too wide for pairs
	}
	choices := slices.Clone(r.recorder.Choices)
	for i := first.index + 1; i < len(choices); i++ {
		for _, outcome := range s.alternatives(choices[i], 2) {
			p.pairs++
			if r.try(p, []deviationAt{first, {i, outcome}}, "two deviations") {
				return
			}
		}
	}
}

// alternatives are the outcomes to try at c: all, or the telling ones when there
// will be more deviations.
func (s *search) alternatives(c faults.Choice, bound int) []int {
	switch {
	case c.Point.Op.Hostile() && !s.World.Hostile:
		return nil
	case bound == 1:
		return c.Point.Op.Alternatives(nil, c.N)
	}
	return c.Point.Op.Telling(nil, c.N)
}
