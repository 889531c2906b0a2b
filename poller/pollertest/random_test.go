package pollertest

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func drawSeed(seed uint64, n int) []Step { return Draw(rand.New(rand.NewPCG(seed, 0)).IntN, n) }

func TestDrawIsItsChoices(t *testing.T) {
	for seed := range uint64(20) {
		first, second := drawSeed(seed, 50), drawSeed(seed, 50)
		if len(first) != 50 {
			t.Fatalf("seed %d: got %d steps, want 50", seed, len(first))
		}
		if !slices.Equal(first, second) {
			t.Errorf("seed %d: got two sequences, want one:\n%v\n%v", seed, first, second)
		}
	}
	if slices.Equal(drawSeed(1, 50), drawSeed(2, 50)) {
		t.Error("seeds 1 and 2: got one sequence, want two")
	}
}

func TestDrawDrawsEveryOperation(t *testing.T) {
	var times [ops]int
	for seed := range uint64(100) {
		for _, step := range drawSeed(seed, 50) {
			times[step.op]++
		}
	}
	for o, n := range times {
		if n < 10 {
			t.Errorf("%s: got %d times in 5000 steps, want at least 10", opNames[o], n)
		}
	}
}

func TestShrinkLeavesNothingThatCanGo(t *testing.T) {
	steps := drawSeed(3, 60)
	needed := []Step{steps[7], steps[31], steps[59]}
	contains := func(candidate []Step) bool {
		for _, step := range needed {
			if !slices.Contains(candidate, step) {
				return false
			}
		}
		return true
	}
	if got := Shrink(steps, contains); !slices.Equal(got, needed) {
		t.Errorf("got %v, want %v", got, needed)
	}
}

func TestRowEndsAtTheDifference(t *testing.T) {
	steps := []Step{{op: opSocket}, {op: opRead, n: 1}, {op: opClose}, {op: opClose}}
	got := Row(steps, []string{"fd 0", "", "ok", "EBADF"}, []string{"fd 0", "", "EIO", "EBADF"})
	want := "  0  s0 = socket()                // fd 0\n" +
		"  2  s0.close()                   // want: ok\n" +
		"                                  //  got: EIO\n"
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}
