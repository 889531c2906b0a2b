package faults

// Scheduler is a source that wants to know who can run. At a [Run] point a world
// asks it instead of Choose.
type Scheduler interface {
	Source
	// ChooseRun picks one of actors by index; 0 is calm. The slice is the
	// world's.
	ChooseRun(p Point, actors []string) int
}

// PCT returns a source that schedules actors by priorities (Burckhardt et al.,
// ASPLOS 2010): each actor has a random one, the highest that can run does, and at
// depth-1 random places among the first `length` choices the one that runs
// falls behind all others. Other operations deviate as in [Seed], but rarely.
func PCT(seed uint64, depth, length int, profile Profile) Source {
	s := &pctSource{seedSource: *newSeedSource(seed, profile, rareRates[:]), priority: map[string]uint64{}}
	for i := 1; i < depth; i++ {
		s.changes = append(s.changes, 1+int(mix(seed^uint64(i)<<48)%uint64(max(length, 1))))
	}
	return s
}

// rareRates are chances out of 1<<16.
var rareRates = [...]uint32{1 << 7, 1 << 9}

type pctSource struct {
	seedSource
	priority map[string]uint64 // only looked up
	changes  []int             // choices at which a priority falls
	choices  int
}

func (s *pctSource) ChooseRun(_ Point, actors []string) int {
	s.choices++
	best := 0
	for i, name := range actors {
		if s.of(name) > s.of(actors[best]) {
			best = i
		}
	}
	for i, at := range s.changes {
		if at == s.choices {
			s.priority[actors[best]] = uint64(len(s.changes) - i) // below every drawn one
		}
	}
	return best
}

func (s *pctSource) of(name string) uint64 {
	p, ok := s.priority[name]
	if !ok {
		p = s.hash(Point{Actor: name, Op: Run})>>8 + 1<<32
		s.priority[name] = p
	}
	return p
}

// POS returns a source of partial order sampling (Yuan, Yang, Gu, CAV 2018): each
// actor has a random priority, and draws a new one whenever it has run.
func POS(seed uint64, profile Profile) Source {
	return &posSource{seedSource: *newSeedSource(seed, profile, rareRates[:]), ran: map[string]int{}}
}

type posSource struct {
	seedSource
	ran map[string]int // how often; only looked up
}

func (s *posSource) ChooseRun(_ Point, actors []string) int {
	best, highest := 0, uint64(0)
	for i, name := range actors {
		if p := s.hash(Point{Actor: name, Op: Run, Seq: s.ran[name]}); p > highest {
			best, highest = i, p
		}
	}
	s.ran[actors[best]]++
	return best
}
