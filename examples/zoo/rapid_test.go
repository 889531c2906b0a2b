package main

import (
	"flag"
	"fmt"
	"runtime"
	"testing"

	"edgewise.test/proptest"
	"pgregory.net/rapid"
)

// TestRapidAlone is the scoreboard's column for rapid: the first failing run of a
// property whose every choice is a draw, for a dozen bugs. It is the same on every
// machine, because the seed is fixed.
func TestRapidAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("rapid takes thousands of runs; the long tests take them")
	}
	const checks = 3_000
	setFlags(t, map[string]string{"rapid.checks": fmt.Sprint(checks), "rapid.seed": "1", "rapid.nofailfile": "true", "rapid.shrinktime": "0s"})
	entries, err := chosen("A1,A2,A9,A16,B1,C4,C11,C13,C18,D1,D33,L3")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, e := range entries {
		runs, first := 0, 0
		quietly(t, func(tb rapid.TB) {
			rapid.Check(tb, func(t *rapid.T) {
				runs++
				defer func() {
					if t.Failed() && first == 0 {
						first = runs
					}
				}()
				proptest.Rapid(t, e.scenario(true))
			})
		})
		if first > 0 {
			found++
		}
		t.Logf("%-4s first failed in run %d of %d", e.id, first, min(runs, checks))
	}
	t.Logf("found %d of %d", found, len(entries))
	if found < len(entries)/2 {
		t.Errorf("rapid alone found %d of %d bugs, want at least half", found, len(entries))
	}
}

func setFlags(t *testing.T, values map[string]string) {
	for name, value := range values {
		old := flag.Lookup(name).Value.String()
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { flag.Set(name, old) })
	}
}

// quietly runs a check that is expected to fail.
func quietly(t *testing.T, check func(rapid.TB)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		check(quiet{t})
	}()
	<-done
}

// quiet keeps a failure from being the test's: what rapid says is not shown, and
// what ends a test ends its goroutine.
type quiet struct{ *testing.T }

func (quiet) Logf(string, ...any)     {}
func (quiet) Log(...any)              {}
func (quiet) Errorf(string, ...any)   {}
func (quiet) Error(...any)            {}
func (quiet) Fail()                   {}
func (q quiet) Fatalf(string, ...any) { q.FailNow() }
func (q quiet) Fatal(...any)          { q.FailNow() }
func (quiet) FailNow()                { runtime.Goexit() }
