package main

import (
	"bufio"
	"math"
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, tc := range []struct {
		name   string
		values []float64
		want   spread
	}{
		{"one is its own quartiles", []float64{3}, spread{3, 3, 3, 1}},
		{"two are interpolated", []float64{2, 1}, spread{1.5, 1.25, 1.75, 2}},
		{"order does not matter", []float64{5, 1, 4, 2, 3}, spread{3, 2, 4, 5}},
	} {
		if got := spreadOf(tc.values); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
	if got := spreadOf(nil); !math.IsNaN(got.median) || got.n != 0 {
		t.Errorf("nothing: got %+v, want NaN of 0", got)
	}
}

func TestRatiosArePairedByRound(t *testing.T) {
	a, b := &subject{name: "a"}, &subject{name: "b"}
	all := []round{
		{a: {plain(1)}, b: {plain(2)}},
		{a: {plain(10)}, b: {plain(30)}},
		{b: {plain(7)}}, // a met foreign load
	}
	v, r := values(all, b, a, 0)
	if len(v) != 3 || len(r) != 2 || r[0] != 2 || r[1] != 3 {
		t.Errorf("got values %v and ratios %v, want 3 values and ratios [2 3]", v, r)
	}
}

func TestSlowWindowsAreDropped(t *testing.T) {
	s := &subject{name: "s"}
	var all []round
	for _, load := range []float64{10, 11, 12, 20} {
		all = append(all, round{s: {{value: 1, norm: 1, load: load}}})
	}
	dropSlow([]*subject{s}, all)
	for i, want := range []bool{true, true, true, false} {
		if _, got := all[i][s]; got != want {
			t.Errorf("round %d: got kept %v, want %v", i, got, want)
		}
	}
}

func TestDigits(t *testing.T) {
	for x, want := range map[float64]string{0: "0.00", 0.0444: "0.044", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 43798: "43798"} {
		if got := digits(x); got != want {
			t.Errorf("digits(%v): got %q, want %q", x, got, want)
		}
	}
}

func TestStraceTable(t *testing.T) {
	const out = `strace: Process 12 attached
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.001200           1      1015        15 accept4
 40.00    0.000800           0      1000           close
------ ----------- ----------- --------- --------- ----------------
100.00    0.002000           0      2015        15 total
`
	got, err := parseStrace(bufio.NewScanner(strings.NewReader(out)))
	if err != nil || len(got) != 2 || got["accept4"] != 1015 || got["close"] != 1000 {
		t.Errorf("got %v and error %v, want accept4 1015 and close 1000", got, err)
	}
}

func TestVerdict(t *testing.T) {
	c := cell{value: spread{median: 4}, ratio: spread{median: 0.9}}
	for _, tc := range []struct {
		goal *goal
		want string
	}{
		{nil, ""},
		{&goal{bound: 1.1}, "ratio ≤ 1.1: reached"},
		{&goal{bound: 1, atLeast: true}, "ratio ≥ 1: missed"},
		{&goal{bound: 3.5, value: true}, "value ≤ 3.5: missed"},
	} {
		if got := tc.goal.verdict(c); got != tc.want {
			t.Errorf("%+v: got %q, want %q", tc.goal, got, tc.want)
		}
	}
}

func TestFiguresOfABenchmark(t *testing.T) {
	few, many := &subject{name: "few"}, &subject{name: "many"}
	g := &goBench{figures: map[string]*subject{"Event/10 ns/op": few, "Event/100 lives/s": many}}
	const out = `goos: linux
BenchmarkEvent/10        	 1000	       70.5 ns/op	       3 lives/s	       0 B/op
BenchmarkEvent/100       	 1000	       90 ns/op	       7 lives/s
PASS
`
	got, err := g.parse(out)
	if err != nil || got[few][0].value != 70.5 || got[many][0].value != 7 {
		t.Errorf("got %v and error %v, want 70.5 and 7", got, err)
	}
	if _, err := g.parse("PASS\n"); err == nil {
		t.Error("without figures: got no error")
	}
}
