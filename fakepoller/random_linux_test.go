package fakepoller_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/poller/pollertest"
)

var (
	randomResults = flag.Int("edgewise.results", 0, "how many results of random operations to compare with Linux (0: 50000)")
	randomSeed    = flag.Uint64("edgewise.seed", 0, "the first sequence to compare, to see a reported one again")
	randomLong    = flag.Bool("edgewise.long", os.Getenv("EDGEWISE_LONG") != "", "compare 2000000 results")
)

// What a run compares, at least.
const (
	shortResults = 50_000
	longResults  = 2_000_000
)

const (
	// sequenceLength is how many steps a sequence has.
	sequenceLength = 60
	// maxReports ends a run that finds one difference after the other.
	maxReports = 5
	// patience ends a sequence on the real kernel before a SYN that was dropped is
	// sent again, after one second.
	patience = 800 * time.Millisecond
)

// TestRandomSequencesMatchLinux plays random sequences on real epoll and on the
// fake. Each step must say the same on both: result, number of the new
// descriptor, events and their order, and then the bits of every descriptor.
func TestRandomSequencesMatchLinux(t *testing.T) {
	real := newKernel(t)
	want := shortResults
	if *randomLong {
		want = longResults
	}
	if *randomResults > 0 {
		want = *randomResults
	}
	compared, sequences, slow, reported := 0, 0, 0, 0
	for seed := *randomSeed; compared < want; seed++ {
		rng := rand.New(rand.NewPCG(seed, 0))
		steps := pollertest.Draw(rng.IntN, sequenceLength)
		c := compare(t, real, steps)
		if c.slow {
			if slow++; slow > 20+sequences/10 {
				t.Fatalf("%d of %d sequences took more than %v: this machine is too busy to compare", slow, sequences, patience)
			}
			continue
		}
		if c.at >= 0 {
			if report := confirm(t, real, steps); report != "" {
				t.Errorf("sequence %d: Linux (want) and the fake (got) differ; again with -edgewise.seed=%d -edgewise.results=1\n%s", seed, seed, report)
				if reported++; reported == maxReports {
					return
				}
			}
			continue
		}
		sequences++
		compared += c.results
	}
	t.Logf("%d results of %d sequences compared on Linux %s, %d differences; %d sequences were too slow, %d differed only without patience",
		compared, sequences, release(), reported, slow, real.hasty)
	if limit := 5 + sequences/1000; real.hasty > limit {
		t.Errorf("%d sequences differed until they were given time, want at most %d: Settle does not settle", real.hasty, limit)
	}
	if *randomLong && updating() && !t.Failed() {
		record(t, map[string]string{"random": strconv.Itoa(compared), "kernel": release()})
	}
}

type comparison struct {
	want, got []string
	results   int // steps that said something
	at        int // first step that differs, or -1
	slow      bool
}

func compare(t *testing.T, real *kernel, steps []pollertest.Step) comparison {
	t.Helper()
	var c comparison
	var err error
	start := time.Now()
	if c.want, err = pollertest.Play(real, steps); err != nil {
		t.Fatalf("Linux: %v", err)
	}
	c.slow = time.Since(start) > patience
	fake := newHastyMachine()
	defer fake.w.Close()
	if c.got, err = pollertest.Play(fake, steps); err != nil {
		t.Fatalf("fake: %v", err)
	}
	for _, said := range c.want {
		if said != "" {
			c.results++
		}
	}
	c.at = pollertest.FirstDifference(c.want, c.got)
	return c
}

// confirm plays a sequence that differs again, with long pauses, shrinks it, and
// returns its row; "" when the difference goes away by waiting: then the kernel had
// not settled. Shrinking comes first, because few steps leave time for long pauses.
func confirm(t *testing.T, real *kernel, steps []pollertest.Step) string {
	t.Helper()
	persists := func(candidate []pollertest.Step) bool {
		for range 2 {
			if c := compare(t, real, candidate); c.slow || c.at < 0 {
				return false
			}
		}
		return true
	}
	short := steps
	if persists(steps) {
		short = pollertest.Shrink(steps, persists)
	}
	real.pause = min(finTime, patience/2/time.Duration(len(short)))
	defer func() { real.pause = 0 }()
	c := compare(t, real, short)
	if c.at < 0 {
		real.hasty++
		return ""
	}
	return pollertest.Row(short, c.want, c.got)
}

// hastyMachine is a fake machine whose settling costs a millisecond, so that no
// SYN is sent again within a sequence.
type hastyMachine struct{ machine }

func newHastyMachine() hastyMachine {
	w := fakepoller.New(fakepoller.Config{})
	return hastyMachine{machine{w, w.NewProcess()}}
}

func (m hastyMachine) Settle() { m.w.RunFor(time.Millisecond) }
