package pipeline

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Invariant: the heap gives the timers that are due by deadline, then by the order
// in which they were enabled, and no others. The twin sorts.
func TestTimersFireByDeadlineThenOrderOfEnable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type entry struct {
			deadline time.Duration
			order    int
			id       int
		}
		loop := &Loop{}
		var timers []*Timer
		var twin []entry
		for i := range 6 {
			timers = append(timers, loop.NewTimer(nil))
			timers[i].index = -1
		}
		forget := func(id int) { twin = slices.DeleteFunc(twin, func(e entry) bool { return e.id == id }) }
		for order := range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := rapid.IntRange(0, len(timers)-1).Draw(t, "timer")
			switch rapid.SampledFrom([]string{"enable", "enable", "disable", "pass"}).Draw(t, "step") {
			case "enable":
				d := time.Duration(rapid.IntRange(-1, 3).Draw(t, "delay"))
				timers[id].Enable(d)
				forget(id)
				twin = append(twin, entry{loop.now + max(d, 0), order, id})
			case "disable":
				timers[id].Disable()
				forget(id)
			case "pass":
				loop.now += time.Duration(rapid.IntRange(0, 2).Draw(t, "time"))
				slices.SortFunc(twin, func(a, b entry) int {
					return cmp.Or(cmp.Compare(a.deadline, b.deadline), cmp.Compare(a.order, b.order))
				})
				for len(twin) > 0 && twin[0].deadline <= loop.now {
					if got, want := loop.timers.popExpired(loop.now), timers[twin[0].id]; got != want {
						t.Fatalf("at %d: got timer %d, want %d", loop.now, slices.Index(timers, got), twin[0].id)
					}
					timers[twin[0].id].state = timerIdle
					twin = twin[1:]
				}
				if got := loop.timers.popExpired(loop.now); got != nil {
					t.Fatalf("at %d: got timer %d, want none", loop.now, slices.Index(timers, got))
				}
			}
			for i, timer := range timers {
				want := slices.ContainsFunc(twin, func(e entry) bool { return e.id == i })
				if timer.Enabled() != want {
					t.Fatalf("timer %d: Enabled: got %v, want %v", i, timer.Enabled(), want)
				}
			}
		}
	})
}
