package main

import (
	"fmt"
	"strings"
	"testing"

	"edgewise.test/proptest"
)

// canaries are the most schedules that the default search may need for each bug:
// about twice what it did need, so that a change which makes the search or the
// fake worse shows.
var canaries = map[id]int{
	"A1": 400, "A2": 200, "A4": 60, "A6": 80, "A9": 60, "A10": 200, "A14": 80, "A16": 60, "A18": 100, "A20": 100,
	"B1": 60, "B2": 80, "B3": 40, "B6": 50, "B7": 80, "B11": 60, "B13": 3_000, "B16": 60, "B19": 5, "B20": 80, "B23": 80,
	"C1": 80, "C2": 80, "C3": 50, "C4": 50, "C6": 5, "C8": 50, "C11": 50, "C13": 80, "C16": 30, "C18": 50, "C20": 80,
	"C21": 150, "C24": 80, "C29": 80, "C30": 120, "C34": 80,
	"D1": 250, "D3": 250, "D7": 200, "D9": 60, "D11": 60, "D18": 60, "D20": 250, "D22": 250, "D27": 120, "D31": 150,
	"D33": 50, "D35": 120,
	"E1": 120, "E3": 300, "E8": 60, "E11": 120,
	"L2": 9_000, "L3": 9_000, "L4": 11_000, "L8": 60, "L13": 80,
}

// Every bug is found within its budget, as what a user would have asserted, with
// the stated number of deviations, and the plan replays.
func TestBugsAreFound(t *testing.T) {
	for i := range zoo {
		e := &zoo[i]
		t.Run(string(e.id), func(t *testing.T) {
			t.Parallel()
			budget, ok := canaries[e.id]
			if !ok {
				t.Fatalf("got no canary for %s, want one", e.id)
			}
			if testing.Short() && budget > 1_000 {
				t.Skipf("its %d schedules are for the long run", budget)
			}
			c := e.config(true)
			c.Schedules = budget
			r := proptest.Search(c)
			if r.Failure == nil {
				t.Fatalf("%s was not found in %s", e.what, r.Summary())
			}
			f := r.Failure
			if !strings.HasPrefix(f.Class, e.class) {
				t.Errorf("got class %q, want %q", f.Class, e.class)
			}
			if got := len(f.Plan.Deviations); got != e.deviations || f.Plan.Hostile() || f.Unrepeatable != "" {
				t.Errorf("got %d deviations, hostile %t, unrepeatable %q, want %d legal ones that repeat:\n%s", got, f.Plan.Hostile(), f.Unrepeatable, e.deviations, f.Plan)
			}
			again := proptest.Replay(e.config(true), f.Plan)
			if again == nil || again.Message != f.Message || again.Digest != f.Digest {
				t.Errorf("the replay gave %+v, want digest %x and %q", again, f.Digest, f.Message)
			}
			if fixed := proptest.Replay(e.config(false), f.Plan); fixed != nil {
				t.Errorf("without the bug the plan fails too:\n%s", fixed.Report())
			}
		})
	}
}

// Each host without its bug passes: what was found is the bug and not the host.
func TestHostsAreSound(t *testing.T) {
	schedules := 4_000
	if testing.Short() {
		schedules = 40 // with -race each takes memory that is not given back
	}
	for i := range zoo {
		e := &zoo[i]
		t.Run(string(e.id), func(t *testing.T) {
			t.Parallel()
			c := e.config(false)
			c.Schedules = schedules
			if r := proptest.Search(c); r.Failure != nil {
				t.Errorf("the host of %s fails without it:\n%s", e.id, r.Failure.Report())
			}
		})
	}
}

// The zoo is a table: ids are those of the catalogue, once each, with a source, a
// class and a plan of at most three deviations.
func TestEntriesAreWhole(t *testing.T) {
	if len(zoo) < 45 {
		t.Errorf("got %d bugs, want at least 45", len(zoo))
	}
	seen := map[id]bool{}
	for _, e := range zoo {
		if seen[e.id] {
			t.Errorf("%s is there twice", e.id)
		}
		seen[e.id] = true
		if e.what == "" || e.class == "" || len(e.links) == 0 || e.play == nil {
			t.Errorf("%s is not whole: got %+v", e.id, e)
		}
		if e.deviations < 0 || e.deviations > 3 {
			t.Errorf("%s: got %d deviations, want 0 to 3", e.id, e.deviations)
		}
		for _, l := range e.links {
			if !strings.HasPrefix(l, "https://") {
				t.Errorf("%s: got link %q, want https", e.id, l)
			}
		}
	}
	for i := range canaries {
		if !seen[i] {
			t.Errorf("there is a canary for %s, which is not in the zoo", i)
		}
	}
	for _, a := range absent {
		if seen[a.id] {
			t.Errorf("%s is in the zoo and in the list of those that are not", a.id)
		}
	}
}

func command(args ...string) (status int, stdout, stderr string) {
	var out, errs strings.Builder
	status = run(args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestScoreboard(t *testing.T) {
	status, stdout, stderr := command("-only", "C4,A9", "-seeds", "2", "-budget", "5000")
	if status != 0 || stderr != "" {
		t.Fatalf("got status %d, stderr %q, want 0 and silence:\n%s", status, stderr, stdout)
	}
	var rows []string
	for _, l := range strings.Split(stdout, "\n") {
		if f := strings.Fields(l); len(f) > 3 && (f[0] == "A9" || f[0] == "C4") {
			rows = append(rows, strings.Join(f[:3], " "))
		}
	}
	if got, want := fmt.Sprint(rows), "[A9 1 unanswered C4 1 unanswered]"; got != want {
		t.Errorf("got rows %s, want %s:\n%s", got, want, stdout)
	}
	for _, want := range []string{"\nfound 2 of 2 within 5000 schedules and 30s; the median plan has 1, the longest 1 deviations\n", "\nswarm    found 2 of 2 "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got no %q in:\n%s", want, stdout)
		}
	}
}

func TestScoreboardSaysWhatWasNotFound(t *testing.T) {
	status, stdout, _ := command("-only", "L4", "-seeds", "1", "-budget", "3")
	if status != 1 || !strings.Contains(stdout, "NOT FOUND") || !strings.Contains(stdout, "\nfound 0 of 1 ") {
		t.Errorf("got status %d, want 1 and a bug that was not found:\n%s", status, stdout)
	}
}

func TestReportsAreShown(t *testing.T) {
	status, stdout, _ := command("-only", "A9", "-seeds", "1", "-v")
	for _, want := range []string{"conn 1 server room 1: 0 bytes", "legal on Linux: yes", "https://github.com/panjf2000/gnet/pull/572"} {
		if status != 0 || !strings.Contains(stdout, want) {
			t.Errorf("got status %d, want 0 and %q in:\n%s", status, want, stdout)
		}
	}
}

func TestList(t *testing.T) {
	status, stdout, _ := command("-list")
	if lines := strings.Count(stdout, "\n"); status != 0 || lines != len(zoo) {
		t.Errorf("got status %d and %d lines, want 0 and %d", status, lines, len(zoo))
	}
}

func TestBadInput(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"an unknown bug", []string{"-only", "A1,Z9"}, `zoo: -only: got "Z9", want an id of -list`},
		{"no seeds", []string{"-seeds", "0"}, "zoo: got -seeds 0 -budget 100000 -limit 30s, want them above 0"},
		{"an argument", []string{"x"}, `zoo: got argument "x", want only flags`},
		{"an unknown flag", []string{"-nope"}, "flag provided but not defined: -nope"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, _, stderr := command(c.args...); status != 2 || !strings.HasPrefix(stderr, c.want) {
				t.Errorf("got status %d and %q, want 2 and %q", status, stderr, c.want)
			}
		})
	}
}
