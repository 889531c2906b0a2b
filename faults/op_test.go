package faults

import (
	"slices"
	"syscall"
	"testing"
)

func TestOperationsHaveNamesAndRanges(t *testing.T) {
	tests := []struct {
		op      Op
		name    string
		n       int // 0: the world says
		hostile bool
	}{
		{Run, "run", 0, false},
		{Pause, "pause", MaxTime + 1, false},
		{Accept, "accept", 8, false},
		{Connect, "connect", 4, false},
		{Handshake, "handshake", MaxTime + 1, false},
		{Segment, "segment", 0, false},
		{Delay, "delay", MaxTime + 1, false},
		{Fin, "fin", MaxTime + 1, false},
		{Reset, "reset", 3, false},
		{Room, "room", 0, false},
		{Wait, "wait", 0, false},
		{Order, "order", 0, false},
		{Wake, "wake", MaxTime + 1, false},
		{Timer, "timer", MaxTime + 1, false},
		{Interrupt, "interrupt", 3, false},
		{Spurious, "spurious", 2, true},
		{Resource, "resource", 5, true},
		{Queue, "queue", MaxTime + 1, false},
		{Share, "share", 0, false},
		{Waiter, "waiter", 0, false},
		{Space, "space", MaxTime + 1, false},
		{Ack, "ack", MaxTime + 1, false},
		{Empty, "empty", 2, true},
	}
	var all []Op
	for _, test := range tests {
		all = append(all, test.op)
		if got := test.op.String(); got != test.name {
			t.Errorf("op %d: got name %q, want %q", test.op, got, test.name)
		}
		if got := test.op.Range(); got != test.n {
			t.Errorf("%s: got range %d, want %d", test.op, got, test.n)
		}
		if got := test.op.Hostile(); got != test.hostile {
			t.Errorf("%s: got hostile %t, want %t", test.op, got, test.hostile)
		}
	}
	if got := Ops(); !slices.Equal(got, all) {
		t.Errorf("Ops: got %v, want %v", got, all)
	}
	for _, o := range []Op{0, opEnd, 255} {
		if got := o.String(); got != "op?" {
			t.Errorf("op %d: got name %q, want op?", o, got)
		}
	}
}

func TestErrnoOfOutcome(t *testing.T) {
	tests := []struct {
		op      Op
		outcome int
		want    error
	}{
		{Accept, 0, nil},
		{Accept, 1, syscall.EMFILE},
		{Accept, 7, syscall.EPROTO},
		{Connect, 2, syscall.ETIMEDOUT},
		{Resource, 4, syscall.ENOSPC},
	}
	for _, test := range tests {
		if got := test.op.Errno(test.outcome); got != test.want {
			t.Errorf("%s outcome %d: got %v, want %v", test.op, test.outcome, got, test.want)
		}
	}
}

func TestAlternatives(t *testing.T) {
	tests := []struct {
		name string
		op   Op
		n    int
		want []int
	}{
		{"a range of one has none", Segment, 1, nil},
		{"a narrow range has all", Segment, 5, []int{1, 2, 3, 4}},
		{"a wide range has its ends and its middle", Segment, 10_000, []int{1, 2, 3, 5_000, 9_998, 9_999}},
		{"errnos are all tried", Connect, 4, []int{1, 2, 3}},
		{"times have representatives", Delay, MaxTime + 1, []int{1, 200, 15_000, 15_001}},
		{"times stay in their range", Delay, 201, []int{1, 200}},
	}
	for _, test := range tests {
		if got := test.op.Alternatives(nil, test.n); !slices.Equal(got, test.want) {
			t.Errorf("%s: %s of %d: got %v, want %v", test.name, test.op, test.n, got, test.want)
		}
	}
	if got := Segment.Alternatives([]int{7}, 3); !slices.Equal(got, []int{7, 1, 2}) {
		t.Errorf("appending to [7]: got %v, want [7 1 2]", got)
	}
}

// TestAlternativesAreInRange: what may be tried is a deviation, is offered, and is
// tried once.
func TestAlternativesAreInRange(t *testing.T) {
	ranges := []int{0, 1, 2, 3, 8, 9, 10, 100, maxDense - 1, maxDense, maxDense + 1, maxDense + 2, MaxTime, MaxTime + 1, 1 << 20}
	for _, o := range Ops() {
		for _, n := range ranges {
			for name, got := range map[string][]int{"Alternatives": o.Alternatives(nil, n), "Telling": o.Telling(nil, n)} {
				if n >= 2 && len(got) == 0 {
					t.Errorf("%s: %s of %d: got none, want some", o, name, n)
				}
				seen := map[int]bool{}
				for _, k := range got {
					if k < 1 || k >= n || seen[k] {
						t.Errorf("%s: %s of %d: got %d in %v, want each from 1 to %d once", o, name, n, k, got, n-1)
					}
					seen[k] = true
				}
			}
		}
	}
}
