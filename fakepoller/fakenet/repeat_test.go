package fakenet_test

import (
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"math/rand"
	"runtime"
	"testing"
	"testing/cryptotest"

	"edgewise.test/fakepoller"
	"edgewise.test/fakepoller/fakenet"
	"edgewise.test/faults"
)

var (
	seeds   = flag.Int("fakenet.seeds", 8, "how many seeds TestRunsRepeat tries")
	repeats = flag.Int("fakenet.repeats", 4, "how often TestRunsRepeat runs each")
	metric  = flag.Bool("fakenet.metrics", false, "TestRunsRepeat waits by runtime/metrics")
)

var quiet = log.New(io.Discard, "", 0)

// tolerance is how many runs of a workload may differ: see the README.
var tolerance = map[string]int{}

// TestRunsRepeat: a seed has one digest, whatever GOMAXPROCS, the race detector
// and the machine do.
func TestRunsRepeat(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	certificate()
	t.Setenv("GODEBUG", "randseednop=0") // net/http's Shutdown draws from math/rand
	for _, load := range workloads {
		all := fnv.New64a()
		different, runs := 0, 0
		for seed := range *seeds {
			var first uint64
			var wanted []fakepoller.Event
			for repeat := range *repeats {
				for _, procs := range []int{1, 2} {
					got, events := digest(t, load.run, uint64(seed), procs)
					runs++
					if repeat == 0 && procs == 1 {
						first, wanted = got, events
						fmt.Fprintf(all, "%x", got)
						continue
					}
					if got != first && different >= tolerance[load.name] {
						t.Errorf("%s, seed %d: GOMAXPROCS %d, run %d: got digest %x, want %x\n%s", load.name, seed, procs, repeat, got, first, difference(events, wanted))
					}
					if got != first {
						different++
					}
				}
			}
		}
		t.Logf("%s: %d of %d runs of %d seeds differ; all digests: %x", load.name, different, runs, *seeds, all.Sum64())
	}
}

func digest(t *testing.T, load func(*fakenet.Net), seed uint64, procs int) (uint64, []fakepoller.Event) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	//lint:ignore SA1019 net/http draws from the global source
	rand.Seed(1)
	cryptotest.SetGlobalRandom(t, 1)
	cfg := fakenet.Config{}
	if *metric {
		cfg.Quiesce = fakenet.Metrics
	}
	w := run(t, faults.Seed(seed, faults.Profile{}), cfg, load)
	return w.Digest(), w.Trace()
}

// difference shows where two traces part.
func difference(a, b []fakepoller.Event) string {
	for i := range a {
		if i >= len(b) || a[i].String() != b[i].String() || a[i].At != b[i].At {
			text := fmt.Sprintf("at %d of %d and %d:", i, len(a), len(b))
			for j := max(0, i-3); j < min(i+3, len(a), len(b)); j++ {
				text += fmt.Sprintf("\n  %12d %-70s | %12d %s", a[j].At, a[j], b[j].At, b[j])
			}
			return text
		}
	}
	return "the traces are equal"
}

// TestMetricsGivesTheSameTrace: how the scheduler knows that nobody runs does not
// show.
func TestMetricsGivesTheSameTrace(t *testing.T) {
	t.Setenv("GODEBUG", "randseednop=0")
	for _, load := range workloads {
		for seed := range uint64(3) {
			want, wanted := digest(t, load.run, seed, 2)
			*metric = true
			got, events := digest(t, load.run, seed, 2)
			*metric = false
			if got != want {
				t.Errorf("%s, seed %d: got digest %x, want %x\n%s", load.name, seed, got, want, difference(events, wanted))
			}
		}
	}
}
