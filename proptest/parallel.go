package proptest

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
)

// task is a piece of the search: some runs that belong together. Tasks of a wave
// run on any core in any order, and count in the order in which they were made, so
// that the result does not depend on the cores.
type task func(r *runner, p *piece)

// piece is what a task has done.
type piece struct {
	runs, steps           int
	single, pairs, random int
	coverage              fakepoller.Coverage
	goals                 []string
	found                 *found
	fresh                 []faults.Plan // plans of runs that covered something that the wave's start had not
}

// wave is the most tasks that run between two looks at their results. Where tasks
// know what earlier ones found it is what they wait for, and so must not depend
// on the cores; elsewhere a few for each core are enough.
const wave = 64

func (s *search) cores() int {
	if s.Cores > 0 {
		return s.Cores
	}
	return runtime.GOMAXPROCS(0)
}

// each runs tasks until next has no more, one has found something, or more, asked
// before each piece is counted, says that it is enough. It returns how many were.
func (s *search) each(size int, next func() (task, bool), more func() bool) (found *found, counted int) {
	tasks := make([]task, 0, size)
	pieces := make([]piece, size)
	for more() {
		tasks = tasks[:0]
		for len(tasks) < size {
			t, ok := next()
			if !ok {
				break
			}
			if mine := s.Shards <= 1 || s.piece%s.Shards == s.Shard; !mine {
				t = nil
			}
			s.piece++
			tasks = append(tasks, t)
		}
		if len(tasks) == 0 {
			return nil, counted
		}
		clear(pieces)
		s.onAllCores(tasks, pieces)
		for i := range tasks {
			if !more() {
				return nil, counted
			}
			counted++
			before := s.result.Schedules
			s.account(pieces[i])
			if f := pieces[i].found; f != nil {
				s.result.Schedules = before + f.run
				return f, counted
			}
		}
	}
	return nil, counted
}

// onAllCores runs the tasks of a wave. One that comes behind a failure is not
// begun: it will not be counted.
func (s *search) onAllCores(tasks []task, pieces []piece) {
	cores := min(s.cores(), len(tasks))
	var taken, failed atomic.Int64
	failed.Store(int64(len(tasks)))
	work := func(r *runner) {
		for {
			i := taken.Add(1) - 1
			if i >= int64(len(tasks)) || i > failed.Load() {
				return
			}
			if tasks[i] == nil {
				continue
			}
			tasks[i](r, &pieces[i])
			if pieces[i].found != nil {
				for f := failed.Load(); i < f && !failed.CompareAndSwap(f, i); f = failed.Load() {
				}
			}
		}
	}
	if cores == 1 {
		work(s.runner(0))
		return
	}
	var done sync.WaitGroup
	for i := range cores {
		r := s.runner(i)
		done.Add(1)
		go func() {
			defer done.Done()
			work(r)
		}()
	}
	done.Wait()
}

// account adds a piece to the result.
func (s *search) account(p piece) {
	r := &s.result.Stats
	r.Schedules += p.runs
	r.Steps += p.steps
	r.Single += p.single
	r.Pairs += p.pairs
	r.Random += p.random
	r.Covered += s.coverage.Add(&p.coverage)
	s.goals.reach(p.goals)
	s.corpus = append(s.corpus, p.fresh...)
	if s.Progress == nil {
		return
	}
	if r.Elapsed = time.Since(s.start); r.Elapsed-s.told > 50*time.Millisecond {
		s.told = r.Elapsed
		s.Progress(*r)
	}
}

// runner runs schedules on one core.
type runner struct {
	*Config
	recorder faults.Recorder
	forced   forced
	known    fakepoller.Coverage // by the search, when the wave began
}

// runner returns the runner of a core, which knows what the search knows now. Its
// worlds hand their spares on.
func (s *search) runner(core int) *runner {
	for len(s.runners) <= core {
		c := *s.Config
		if s.order == nil { // worlds of a bubble make their own
			c.World.Spares = new(fakepoller.Spares)
		}
		s.runners = append(s.runners, &runner{Config: &c})
	}
	r := s.runners[core]
	r.known = s.coverage
	return r
}

// stop ends what runners keep.
func (s *search) stop() {
	for _, r := range s.runners {
		if c := r.World.Spares; c != nil {
			c.Stop()
		}
	}
	s.runners = nil
}

func (r *runner) execute() outcome { return r.Config.execute(&r.recorder, false) }

func (r *runner) force(at []deviationAt) {
	r.forced = forced{at: at}
	r.recorder.Source = &r.forced
}

// try runs the schedule with the deviations at, and tells whether it failed.
func (r *runner) try(p *piece, at []deviationAt, strategy string) bool {
	r.force(at)
	return r.run(p, strategy, 0)
}

// run runs the schedule of the recorder's source.
func (r *runner) run(p *piece, strategy string, seed uint64) bool {
	o := r.execute()
	p.add(o)
	if o.failure == nil {
		return false
	}
	p.found = &found{failure: o.failure, plan: r.recorder.Plan(), strategy: strategy, seed: seed, run: p.runs, peers: o.peers}
	return true
}

func (p *piece) add(o outcome) {
	p.runs++
	p.steps += o.steps
	p.coverage.Add(&o.coverage)
	p.goals = append(p.goals, o.goals...)
}
