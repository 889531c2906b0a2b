package main

import (
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"edgewise.test/faults"
	"edgewise.test/proptest"
)

// meter says how the hunts are made.
type meter struct {
	seeds, budget int
	limit         time.Duration
	baselines     bool
}

// score is what the hunts for one bug gave.
type score struct {
	entry     *entry
	failure   *proptest.Failure // of the search with the default portfolio
	schedules int               // by these searches
	elapsed   time.Duration
	hunts     []hunt // one per column
}

// hunt is the median over the seeds of one way to look for one bug.
type hunt struct {
	found, of int // seeds
	runs      int
	elapsed   time.Duration
}

// strategy looks once for the bug of e.
type strategy struct {
	name string
	hunt func(m meter, e *entry, seed uint64) attempt
}

type attempt struct {
	found    bool
	runs     int
	elapsed  time.Duration
	failure  *proptest.Failure
	searched bool
}

// columns are the ways to look, in the order in which they are printed.
func (m meter) columns() []strategy {
	all := []strategy{
		{"search", searches},
		{"swarm", draws(func(seed uint64, _ int) faults.Source { return faults.Seed(seed, faults.Profile{}) })},
		{"pct", draws(func(seed uint64, choices int) faults.Source {
			return faults.PCT(seed, 1+int(seed%4), choices, faults.Profile{})
		})},
		{"pos", draws(func(seed uint64, _ int) faults.Source { return faults.POS(seed, faults.Profile{}) })},
	}
	if m.baselines {
		all = append(all, strategy{"bytes", draws(randomBytes)}, strategy{"loopback", onLoopback})
	}
	return all
}

// measure hunts on all cores, one entry on each, and yields in the entries' order.
func (m meter) measure(entries []*entry) iter.Seq[score] {
	return func(yield func(score) bool) {
		results := make([]chan score, len(entries))
		tokens := make(chan struct{}, runtime.GOMAXPROCS(0))
		for i := range results {
			results[i] = make(chan score, 1)
		}
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for i, e := range entries {
				select {
				case tokens <- struct{}{}:
				case <-stop:
					return
				}
				go func() {
					results[i] <- m.score(e)
					<-tokens
				}()
			}
		}()
		for _, r := range results {
			if !yield(<-r) {
				return
			}
		}
	}
}

func (m meter) score(e *entry) score {
	s := score{entry: e}
	for _, column := range m.columns() {
		var attempts []attempt
		for seed := range uint64(m.seeds) {
			a := column.hunt(m, e, seed)
			if a.searched {
				s.schedules += a.runs
				s.elapsed += a.elapsed
			}
			if s.failure == nil && a.failure != nil {
				s.failure = a.failure
			}
			if a.runs > 0 {
				attempts = append(attempts, a)
			}
			if !a.found && len(attempts) == hopeless && !slices.ContainsFunc(attempts, func(a attempt) bool { return a.found }) {
				break
			}
		}
		s.hunts = append(s.hunts, median(attempts))
	}
	return s
}

// hopeless is how many hunts may fail from the first on before a strategy gives up.
const hopeless = 3

// median counts a hunt that found nothing as longer than all that did.
func median(attempts []attempt) hunt {
	h := hunt{of: len(attempts)}
	if h.of == 0 {
		return h
	}
	slices.SortStableFunc(attempts, func(a, b attempt) int {
		if a.found != b.found {
			if a.found {
				return -1
			}
			return 1
		}
		return a.runs - b.runs
	})
	for _, a := range attempts {
		if a.found {
			h.found++
		}
	}
	middle := attempts[(len(attempts)-1)/2]
	h.runs, h.elapsed = middle.runs, middle.elapsed
	return h
}

// searches is proptest.Search as a test runs it, on one core.
func searches(m meter, e *entry, seed uint64) attempt {
	c := e.config(true)
	c.Seed, c.Schedules, c.Duration, c.Cores = seed<<32, m.budget, m.limit, 1
	r := proptest.Search(c)
	return attempt{found: r.Failure != nil, runs: r.Schedules, elapsed: r.Elapsed, failure: r.Failure, searched: true}
}

// draws runs one random schedule after the other; there is no systematic part.
// Each run is traced, which a search's are not.
func draws(source func(seed uint64, choices int) faults.Source) func(meter, *entry, uint64) attempt {
	return func(m meter, e *entry, seed uint64) attempt {
		c := e.config(true)
		start := time.Now()
		calm := faults.Recorder{Source: faults.Calm}
		a := attempt{runs: 1}
		a.found = proptest.Run(c, &calm) != nil
		for !a.found && a.runs < m.budget && time.Since(start) < m.limit {
			recorder := faults.Recorder{Source: source(seed<<32+uint64(a.runs), len(calm.Choices))}
			a.found = proptest.Run(c, &recorder) != nil
			a.runs++
		}
		a.elapsed = time.Since(start)
		return a
	}
}

// randomBytes is what a fuzzer without feedback gives: bytes, one per choice.
func randomBytes(seed uint64, choices int) faults.Source {
	r := rand.New(rand.NewPCG(seed, 0))
	data := make([]byte, r.IntN(2*choices+1))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return faults.Bytes(data)
}
