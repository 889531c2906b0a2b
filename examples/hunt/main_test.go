package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edgewise.test/faults"
	"edgewise.test/proptest"
)

func hunt(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(args, &out, &errs)
	return status, out.String(), errs.String()
}

// Every bug is found, is small, and replays; without the bug nothing is found.
func TestScenarios(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "found.plan")
			status, stdout, stderr := hunt("-scenario", s.name, "-o", file)
			if status != 0 || stderr != "" {
				t.Fatalf("got status %d, stderr %q, want 0 and silence\n%s", status, stderr, stdout)
			}
			if !strings.Contains(stdout, "replayed: the same failure") {
				t.Errorf("it was not replayed:\n%s", stdout)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := faults.Parse(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if n := len(plan.Deviations); n < 1 || n > 3 || plan.Hostile() {
				t.Errorf("got %d deviations, hostile %t, want 1 to 3 legal ones:\n%s", n, plan.Hostile(), plan)
			}
			first := proptest.Replay(proptest.Config{Scenario: s.run(false)}, plan)
			for i := range 100 {
				again := proptest.Replay(proptest.Config{Scenario: s.run(false)}, plan)
				if again == nil || again.Message != first.Message || again.Digest != first.Digest {
					t.Fatalf("replay %d: got %+v, want digest %x and %q", i, again, first.Digest, first.Message)
				}
			}
			if status, stdout, _ := hunt("-scenario", s.name, "-replay", file); status != 1 || !strings.Contains(stdout, first.Message) {
				t.Errorf("-replay: got status %d, want 1 and %q:\n%s", status, first.Message, stdout)
			}
			if status, stdout, _ := hunt("-scenario", s.name, "-fixed", "-replay", file); status != 0 {
				t.Errorf("-fixed -replay: got status %d, want 0:\n%s", status, stdout)
			}
			budget := "20000"
			if testing.Short() {
				budget = "2000"
			}
			if status, stdout, _ := hunt("-scenario", s.name, "-fixed", "-budget", budget); status != 0 {
				t.Errorf("-fixed: got status %d, want 0:\n%s", status, stdout)
			}
		})
	}
}

// Without the systematic part a random run finds it as well, and its seed finds it
// again.
func TestSeedFindsItAgain(t *testing.T) {
	s, _ := scenarioNamed("short-prefix")
	search := func(seed uint64) *proptest.Failure {
		for i := range uint64(10_000) {
			recorder := faults.Recorder{Source: faults.Seed(seed+i, faults.Profile{})}
			w := proptest.Config{Scenario: s.run(false)}
			if f := proptest.Run(w, &recorder); f != nil {
				return f
			}
		}
		return nil
	}
	first, second := search(5), search(5)
	if first == nil || second == nil || first.Digest != second.Digest {
		t.Fatalf("got %+v and %+v, want the same failure twice", first, second)
	}
}

func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return file
	}
	corrupt := write("corrupt.plan", "edgewise plan v1\nconn 1 segmnt 1: 3 bytes\n")
	binary := write("binary.plan", "\x00\x01\x02")
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"an unknown scenario", []string{"-scenario", "nope"}, `hunt: -scenario: got "nope", want one of hidden-reset, short-prefix, tlv-overrun`},
		{"an unknown flag", []string{"-nope"}, "flag provided but not defined: -nope"},
		{"a bad number", []string{"-seed", "x"}, `invalid value "x" for flag -seed: parse error`},
		{"no budget", []string{"-budget", "0"}, "hunt: -budget: got 0, want at least 1"},
		{"an argument", []string{"x"}, `hunt: got argument "x", want only flags`},
		{"no such file", []string{"-replay", filepath.Join(dir, "none")}, "hunt: -replay: "},
		{"a corrupt plan", []string{"-replay", corrupt}, "hunt: -replay: " + corrupt + `: plan:2:8: got "segmnt", want an operation: run, pause, `},
		{"not a plan", []string{"-replay", binary}, "hunt: -replay: " + binary + `: plan:1:1: got "\x00\x01\x02", want "edgewise plan v1"`},
		{"a plan that can not be written", []string{"-o", filepath.Join(dir, "no", "such")}, "hunt: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, stderr := hunt(c.args...)
			if status != 2 || !strings.HasPrefix(stderr, c.want) {
				t.Errorf("got status %d and %q, want 2 and %q", status, stderr, c.want)
			}
		})
	}
}

func TestBudgetEndsTheHunt(t *testing.T) {
	status, stdout, _ := hunt("-budget", "3")
	if status != 1 || !strings.Contains(stdout, "nothing found in 3 schedules") {
		t.Errorf("got status %d, want 1 after 3 schedules:\n%s", status, stdout)
	}
}

func TestList(t *testing.T) {
	status, stdout, _ := hunt("-list")
	if lines := strings.Count(stdout, "\n"); status != 0 || lines != len(scenarios) {
		t.Errorf("got status %d and %d lines, want 0 and %d", status, lines, len(scenarios))
	}
}
