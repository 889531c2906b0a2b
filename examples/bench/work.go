package main

import (
	"fmt"
	"log"
	"math/rand/v2"
	"slices"
)

// work is something that servers do, measured in paired rounds.
type work struct {
	name     string
	upstream bool   // the servers are proxies before an echo server
	warmUp   string // mode of the generator before a measurement; empty: none
	few      bool   // rounds: it is slow, and does not vary
	subjects []*subject
	own      *subject // ours, where it is another than edgewiseClose and edgewiseRoute
	metrics  []metric
	notes    []string // below the table
	// run returns one reading for each metric.
	run func(b *bench, p *process, upstream int) ([]reading, error)
	// runAll does what needs no rounds of servers, instead of run.
	runAll func(b *bench, w *work) ([]round, error)
}

// round has a reading for each metric. Subjects that have none met foreign load.
type round map[*subject][]reading

// metric is one figure of a work.
type metric struct {
	name, unit string
	reference  *subject // of the ratios; nil: there are none
	goal       *goal    // nil: none
}

// goal is what edgewise should reach: a value or a ratio.
type goal struct {
	bound   float64
	value   bool // not the ratio
	atLeast bool // not at most
}

// reading is one measurement. Ratios are made of norm: for CPU that is the
// server's by the generator's in the same window, since the speed of the machine
// changes from minute to minute for both.
type reading struct {
	value, norm float64
	load        float64 // CPU of the generator for one unit; 0: does not matter
}

// plain is a reading whose value is compared as it is.
func plain(value float64) reading { return reading{value: value, norm: value} }

// slowLoad marks windows in which the machine was slow: their generator took this
// much more than it does at the median.
const slowLoad = 1.25

// fewRounds are those of a work that has few.
const fewRounds = 3

// measure runs all rounds. The subjects of one round follow each other within
// seconds, in another order each time. Each round has servers of its own: where the
// memory of a process lies is worth some percent, for as long as it runs.
func (b *bench) measure(w *work) (*table, error) {
	defer b.stopAll()
	if w.runAll != nil {
		all, err := w.runAll(b, w)
		if err != nil {
			return nil, err
		}
		return newTable(w, all), nil
	}
	upstreams := map[*subject]int{} // one each: connections in TIME_WAIT, which some leave, slow connect(2) down
	if w.upstream {
		for _, s := range w.subjects {
			p, err := b.startServer(cEcho, loadCPU, 0)
			if err != nil {
				return nil, err
			}
			upstreams[s] = p.port
		}
	}
	rounds := b.rounds
	if w.few {
		rounds = min(rounds, fewRounds)
	}
	all := make([]round, rounds)
	for i := range all {
		all[i] = round{}
		for _, at := range rand.Perm(len(w.subjects)) {
			s := w.subjects[at]
			readings, err := b.readingsOf(w, s, upstreams[s])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if readings != nil {
				all[i][s] = readings
			}
		}
	}
	dropSlow(w.subjects, all)
	return newTable(w, all), nil
}

// readingsOf measures s once. Readings are nil when the machine was not quiet.
func (b *bench) readingsOf(w *work, s *subject, upstream int) ([]reading, error) {
	for range b.tries {
		readings, foreign, err := b.tryReading(w, s, upstream)
		switch {
		case err != nil:
			return nil, err
		case foreign <= b.foreign:
			return readings, nil
		}
		b.dropped++
	}
	log.Printf("%s: %s: no quiet window in %d", w.name, s.name, b.tries)
	return nil, nil
}

// tryReading measures a new server of s once, and how much of a core others used.
func (b *bench) tryReading(w *work, s *subject, upstream int) (readings []reading, foreign float64, err error) {
	p, err := b.startServer(s, serverCPU, upstream)
	if err != nil {
		return nil, 0, err
	}
	defer b.stop(p)
	if w.warmUp != "" {
		if _, err := b.load(p, w.warmUp, anyCount, b.window/3, concurrent); err != nil {
			return nil, 0, fmt.Errorf("warm up: %w\n%s", err, p.stderr)
		}
	}
	if !b.quick {
		b.awaitQuiet()
	}
	before := b.usage()
	if readings, err = w.run(b, p, upstream); err != nil {
		return nil, 0, fmt.Errorf("%w\n%s", err, p.stderr)
	}
	return readings, b.foreignSince(before), nil
}

// dropSlow takes the windows out in which the machine was slow.
func dropSlow(subjects []*subject, all []round) {
	for _, s := range subjects {
		var loads []float64
		for _, round := range all {
			if r := round[s]; r != nil {
				loads = append(loads, r[0].load)
			}
		}
		limit := slowLoad * spreadOf(loads).median
		for _, round := range all {
			if r := round[s]; r != nil && r[0].load > limit {
				delete(round, s)
			}
		}
	}
}

// values are those of a metric of one subject, and ratios those of its norm to that
// of the reference in the same round.
func values(all []round, s, reference *subject, metric int) (values, ratios []float64) {
	for _, round := range all {
		r, ok := round[s]
		if !ok {
			continue
		}
		values = append(values, r[metric].value)
		if ref, ok := round[reference]; ok {
			ratios = append(ratios, r[metric].norm/ref[metric].norm)
		}
	}
	return slices.Clip(values), slices.Clip(ratios)
}
