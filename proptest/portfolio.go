package proptest

import (
	"fmt"
	"slices"
	"strings"

	"edgewise.test/faults"
)

// Strategies are the names of the strategies. "single" runs every schedule with one
// deviation, "pairs" those with two; the others are random, and take turns.
var Strategies = []string{single, pairs, "swarm", "pct", "pos", "feedback"}

const (
	single = "single"
	pairs  = "pairs"
)

// takesPart says whether the search has the strategy.
func (s *search) takesPart(strategy string) bool {
	return len(s.Strategies) == 0 || slices.Contains(s.Strategies, strategy)
}

// checkStrategies returns an error for a name that there is not.
func (c *Config) checkStrategies() error {
	for _, name := range c.Strategies {
		if !slices.Contains(Strategies, name) {
			return fmt.Errorf("strategies: got %q, want one of %s", name, strings.Join(Strategies, ", "))
		}
	}
	return nil
}

// random returns the random strategies that take part.
func (s *search) random() []string {
	return slices.DeleteFunc(slices.Clone(Strategies), func(strategy string) bool {
		return strategy == single || strategy == pairs || !s.takesPart(strategy)
	})
}

// seedsPerTask is how many runs one task of the portfolio makes.
const seedsPerTask = 16

// portfolio spends what is left of the budget on the random strategies in turns.
func (s *search) portfolio() *found {
	strategies := s.random()
	if len(strategies) == 0 {
		return nil
	}
	n := 0
	size := wave
	if left := s.left(); left < wave*seedsPerTask {
		size = (left + seedsPerTask - 1) / seedsPerTask
	}
	f, _ := s.each(max(size, 1), func() (task, bool) {
		n++
		strategy, seed := strategies[n%len(strategies)], s.Seed+uint64(n*seedsPerTask)
		corpus := s.corpus // as it is when the wave begins
		return func(r *runner, p *piece) {
			for i := range uint64(seedsPerTask) {
				if s.left() <= 0 && s.Duration > 0 {
					return
				}
				p.random++
				r.recorder.Source = s.source(strategy, seed+i, corpus)
				if r.run(p, strategy, seed+i) {
					return
				}
				r.keep(p)
			}
			r.repeats(p, strategy, seed)
		}, true
	}, func() bool { return s.left() > 0 })
	return f
}

// source makes the source of one run.
func (s *search) source(strategy string, seed uint64, corpus []faults.Plan) faults.Source {
	profile := faults.Profile{Hostile: s.World.Hostile, Only: s.Only}
	switch strategy {
	case "pct":
		return faults.PCT(seed, 1+int(seed%4), s.result.Choices, profile)
	case "pos":
		return faults.POS(seed, profile)
	case "feedback":
		if len(corpus) > 0 {
			return mutate(seed, corpus, profile)
		}
	}
	return faults.Seed(seed, profile)
}

// keep remembers a run that covered something new.
func (r *runner) keep(p *piece) {
	if fresh := p.coverage; r.known.Add(&fresh) > 0 && len(p.fresh) < 4 {
		p.fresh = append(p.fresh, r.recorder.Plan())
	}
}

// selfCheckEvery is how many tasks there are for each that checks that its first
// run repeats.
const selfCheckEvery = 8

// repeats runs the first schedule of a task twice more and compares.
func (r *runner) repeats(p *piece, strategy string, seed uint64) {
	if seed/seedsPerTask%selfCheckEvery != 0 || strategy == "feedback" {
		return
	}
	source := func() faults.Source {
		s := &search{Config: r.Config}
		return s.source(strategy, seed, nil)
	}
	r.recorder.Source = source()
	first := r.execute()
	choices := slices.Clone(r.recorder.Choices)
	r.recorder.Source = source()
	second := r.execute()
	p.runs += 2
	if first.digest != second.digest {
		p.found = &found{failure: unrepeatable(firstDifference(choices, r.recorder.Choices)), plan: r.recorder.Plan(), strategy: strategy, seed: seed, run: p.runs}
	}
}

// mutate returns a source that follows a run of the corpus with some of its
// deviations dropped, and deviates in addition here and there.
func mutate(seed uint64, corpus []faults.Plan, profile faults.Profile) faults.Source {
	// Later runs of the corpus needed more to be new; they are likelier.
	h := hash(seed)
	at := max(int(h%uint64(len(corpus))), int(h>>32%uint64(len(corpus))))
	base := faults.Plan{}
	for i, d := range corpus[at].Deviations {
		if hash(seed+uint64(i)+1)%8 != 0 {
			base.Deviations = append(base.Deviations, d)
		}
	}
	return &mutant{base: base.Source(), extra: faults.Seed(seed, profile), rest: int(hash(seed^1)%4) + 1}
}

// mutant asks base first, and extra for a few more deviations.
type mutant struct {
	base  *faults.PlanSource
	extra faults.Source
	rest  int // deviations that extra may still add
}

func (m *mutant) Choose(p faults.Point, n int) int {
	if outcome := m.base.Choose(p, n); outcome != 0 {
		return outcome
	}
	if m.rest == 0 {
		return 0
	}
	outcome := m.extra.Choose(p, n)
	if outcome != 0 {
		m.rest--
	}
	return outcome
}

// hash is the finalizer of SplitMix64.
func hash(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
