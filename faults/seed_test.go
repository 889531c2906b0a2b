package faults

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everything lists points of several actors at every operation, with a range.
func everything() []Choice {
	var all []Choice
	for _, actor := range []string{"world", "worker 1", "conn 1", "conn 2 server", "listener 1"} {
		for _, o := range Ops() {
			n := o.Range()
			if n == 0 {
				n = 518
			}
			for seq := 1; seq <= 8; seq++ {
				all = append(all, Choice{Point: Point{actor, o, seq}, N: n})
			}
		}
	}
	return all
}

func decide(s Source, asked []Choice) map[Point]int {
	decided := make(map[Point]int, len(asked))
	for _, c := range asked {
		decided[c.Point] = s.Choose(c.Point, c.N)
	}
	return decided
}

// TestSeedDependsOnThePointAlone: a decision is the same whatever was asked before.
func TestSeedDependsOnThePointAlone(t *testing.T) {
	all := everything()
	for seed := range uint64(50) {
		want := decide(Seed(seed, Profile{Hostile: true}), all)
		shuffled := append([]Choice(nil), all...)
		r := rand.New(rand.NewSource(int64(seed)))
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		some := shuffled[:len(shuffled)/2]
		for p, got := range decide(Seed(seed, Profile{Hostile: true}), some) {
			if got != want[p] {
				t.Fatalf("seed %d: %s asked in another order: got %d, want %d", seed, p, got, want[p])
			}
		}
	}
}

// TestSeedStaysInRange: an outcome is one that was offered.
func TestSeedStaysInRange(t *testing.T) {
	for seed := range uint64(200) {
		s := Seed(seed, Profile{Hostile: true})
		for _, c := range everything() {
			for _, n := range []int{0, 1, 2, 3, 8, 9, 10, 5000, c.N} {
				if got := s.Choose(c.Point, n); got < 0 || got > 0 && got >= n {
					t.Fatalf("seed %d: %s of %d: got %d, want 0 to %d", seed, c.Point, n, got, n-1)
				}
			}
		}
	}
}

func TestSeedSwarms(t *testing.T) {
	all := everything()
	const seeds = 64
	var deviates, calm [opEnd]int // seeds in which an operation deviates, or never does
	for seed := range uint64(seeds) {
		var some [opEnd]bool
		for p, outcome := range decide(Seed(seed, Profile{Hostile: true}), all) {
			some[p.Op] = some[p.Op] || outcome > 0
		}
		for _, o := range Ops() {
			if some[o] {
				deviates[o]++
			} else {
				calm[o]++
			}
		}
	}
	for _, o := range Ops() {
		if deviates[o] < seeds/8 || calm[o] < seeds/8 {
			t.Errorf("%s: got %d seeds that deviate and %d that do not, want at least %d of each", o, deviates[o], calm[o], seeds/8)
		}
	}
}

func TestProfileLimitsOperations(t *testing.T) {
	tests := []struct {
		name    string
		profile Profile
		may     func(Op) bool
	}{
		{"hostile is off by default", Profile{}, func(o Op) bool { return !o.Hostile() }},
		{"only these", Profile{Only: []Op{Segment, Delay}}, func(o Op) bool { return o == Segment || o == Delay }},
		{"naming a hostile one does not allow it", Profile{Only: []Op{Segment, Resource}}, func(o Op) bool { return o == Segment }},
		{"hostile and named", Profile{Hostile: true, Only: []Op{Resource}}, func(o Op) bool { return o == Resource }},
	}
	for _, test := range tests {
		var seen [opEnd]bool
		for seed := range uint64(64) {
			for p, outcome := range decide(Seed(seed, test.profile), everything()) {
				seen[p.Op] = seen[p.Op] || outcome > 0
			}
		}
		for _, o := range Ops() {
			if seen[o] != test.may(o) {
				t.Errorf("%s: %s: got deviations %t, want %t", test.name, o, seen[o], test.may(o))
			}
		}
	}
}

// TestOnlyDoesNotShiftOtherDecisions: leaving operations out keeps what the seed
// decides about the rest.
func TestOnlyDoesNotShiftOtherDecisions(t *testing.T) {
	for seed := range uint64(32) {
		whole := decide(Seed(seed, Profile{}), everything())
		for p, got := range decide(Seed(seed, Profile{Only: []Op{Segment}}), everything()) {
			if p.Op == Segment && got != whole[p] {
				t.Fatalf("seed %d: %s: got %d, want %d as without Only", seed, p, got, whole[p])
			}
		}
	}
}

// TestSeedsMeanTheSameForEver keeps what three seeds decide. A failing seed that
// somebody wrote down must replay on any machine and in any later version: a
// difference here is a break of compatibility.
func TestSeedsMeanTheSameForEver(t *testing.T) {
	asked := []Choice{}
	for _, o := range Ops() {
		for _, actor := range []string{"conn 1", "worker 1"} {
			n := o.Range()
			if n == 0 {
				n = 518
			}
			for seq := 1; seq <= 3; seq++ {
				asked = append(asked, Choice{Point: Point{actor, o, seq}, N: n})
			}
		}
	}
	var b strings.Builder
	for _, seed := range []uint64{1, 42, 1<<64 - 1} {
		fmt.Fprintf(&b, "seed %d\n", seed)
		r := Recorder{Source: Seed(seed, Profile{Hostile: true})}
		for _, c := range asked {
			r.Choose(c.Point, c.N)
		}
		for _, d := range r.Plan().Deviations {
			fmt.Fprintf(&b, "%s\n", d)
		}
	}
	if diff := cmp.Diff(strings.TrimLeft(goldenSeeds, "\n"), b.String()); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
}

const goldenSeeds = `
seed 1
conn 1 run 2: pick 516
worker 1 run 1: pick 366
worker 1 run 2: pick 1
conn 1 connect 1: ETIMEDOUT
conn 1 connect 3: EHOSTUNREACH
conn 1 room 1: 188 bytes
conn 1 room 3: 151 bytes
worker 1 room 3: 0 bytes
conn 1 wait 3: 100 events
worker 1 wait 1: 95 events
conn 1 resource 2: ENFILE
worker 1 resource 1: ENOMEM
worker 1 resource 2: ENOMEM
seed 42
conn 1 reset 2: before
worker 1 reset 1: after
worker 1 order 1: pick 351
conn 1 wake 2: 1ms
seed 18446744073709551615
worker 1 timer 3: 1s
conn 1 queue 1: 1ms
worker 1 queue 2: 1ms
conn 1 share 2: pick 259
conn 1 space 2: 1ms
worker 1 space 1: 40ms
worker 1 space 2: 1ms
`

func TestBytes(t *testing.T) {
	tests := []struct {
		why  string
		data []byte
		ask  []Choice
		want []int
	}{
		{"no data is calm", nil, []Choice{{Point: Point{"conn 1", Segment, 1}, N: 10}}, []int{0}},
		{"0 is calm and costs a byte", []byte{0, 3}, []Choice{
			{Point: Point{"conn 1", Segment, 1}, N: 10},
			{Point: Point{"conn 1", Segment, 2}, N: 10},
		}, []int{0, 3}},
		{"used up is calm", []byte{2}, []Choice{
			{Point: Point{"conn 1", Segment, 1}, N: 10},
			{Point: Point{"conn 1", Segment, 2}, N: 10},
			{Point: Point{"conn 1", Segment, 3}, N: 10},
		}, []int{2, 0, 0}},
		{"a byte picks among the alternatives", []byte{1, 2, 4, 5}, []Choice{
			{Point: Point{"conn 1", Delay, 1}, N: MaxTime + 1},
			{Point: Point{"conn 1", Delay, 2}, N: MaxTime + 1},
			{Point: Point{"conn 1", Delay, 3}, N: MaxTime + 1},
			{Point: Point{"conn 1", Delay, 4}, N: MaxTime + 1},
		}, []int{1, 200, 15_001, 1}},
		{"hostile stays calm and costs a byte", []byte{1, 2}, []Choice{
			{Point: Point{"worker 1", Resource, 1}, N: 5},
			{Point: Point{"conn 1", Segment, 1}, N: 10},
		}, []int{0, 2}},
		{"no choice is calm and costs a byte", []byte{1, 2}, []Choice{
			{Point: Point{"conn 1", Segment, 1}, N: 1},
			{Point: Point{"conn 1", Segment, 2}, N: 10},
		}, []int{0, 2}},
	}
	for _, test := range tests {
		s := Bytes(test.data)
		var got []int
		for _, c := range test.ask {
			got = append(got, s.Choose(c.Point, c.N))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.why, diff)
		}
	}
}

func TestBytesLeaveTheDataAlone(t *testing.T) {
	data := []byte{1, 2, 3}
	s := Bytes(data)
	for seq := range 5 {
		s.Choose(Point{"conn 1", Segment, seq + 1}, 10)
	}
	if string(data) != "\x01\x02\x03" {
		t.Errorf("data: got %v, want it untouched", data)
	}
}

func TestInputMakesTheSameChoices(t *testing.T) {
	points := []Choice{
		{Point: Point{"conn 1", Segment, 1}, N: 60}, {Point: Point{"conn 1", Delay, 1}, N: MaxTime + 1}, {Point: Point{"listener 1", Accept, 1}, N: 8},
		{Point: Point{"worker 1", Wake, 1}, N: MaxTime + 1}, {Point: Point{"conn 1", Reset, 1}, N: 3},
	}
	for _, outcomes := range [][]int{{0, 0, 0, 0, 0}, {59, 0, 0, 0, 2}, {1, 200, 7, 15_001, 0}} {
		for i := range points {
			points[i].Outcome = outcomes[i]
		}
		source := Bytes(Input(points))
		for i, c := range points {
			if got := source.Choose(c.Point, c.N); got != outcomes[i] {
				t.Errorf("%v: choice %d: got %d, want %d", outcomes, i, got, outcomes[i])
			}
		}
	}
}
