package fakepoller_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// maxBuilds is how many mutants are built and run at a time.
const maxBuilds = 2

// TestMutantsAreCaught breaks one rule of the fake at a time and runs the cases,
// and then the random sequences if no case fails. A mutant that survives both
// is a rule that nothing tests. All of them take minutes, so every ninth runs
// unless EDGEWISE_MUTANTS is all, or the page is being written.
func TestMutantsAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: mutants are not run with -short; they build this package once each")
	}
	if catcher := runMutant(t, nil); catcher != "" {
		t.Fatalf("the fake as it is: got caught by %s, want to pass", catcher)
	}
	var mu sync.Mutex
	found := map[string]string{}
	slots := make(chan struct{}, maxBuilds)
	every := 9
	if os.Getenv("EDGEWISE_MUTANTS") == "all" || updating() {
		every = 1
	}
	for i, m := range mutants {
		if i%every != 0 {
			continue
		}
		t.Run(m.rule, func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			catcher := runMutant(t, &m)
			if catcher == "" && runtime.GOOS != "linux" {
				t.Skip("SKIPPED: no case notices it, and there is no Linux here to compare random sequences with")
			}
			if catcher == "" {
				t.Fatalf("the mutant of %s survived: nothing tests the rule", m.file)
			}
			t.Logf("noticed by %s", catcher)
			mu.Lock()
			defer mu.Unlock()
			found["mutant "+m.rule] = catcher
		})
	}
	t.Cleanup(func() {
		if updating() {
			record(t, found)
		}
	})
}

// runMutant builds the tests of this package with the mutant in it, and returns
// what failed first: "" when nothing did. A nil mutant is the fake as it is.
func runMutant(t *testing.T, m *mutant) (catcher string) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "mutant.test")
	args := []string{"test", "-c", "-o", binary}
	if m != nil {
		args = append(args, "-overlay", writeOverlay(t, dir, *m))
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	runs := [][]string{{"-test.run=^TestConformance$", "-test.short"}}
	if runtime.GOOS == "linux" {
		runs = append(runs, []string{"-test.run=^TestRandomSequencesMatchLinux$", "-edgewise.results=20000", "-edgewise.seed=1", "-edgewise.long=false"})
	}
	for _, args := range runs {
		out, err := exec.Command(binary, append(args, "-test.failfast", "-test.timeout=60s")...).CombinedOutput()
		if err != nil {
			return firstFailure(out)
		}
	}
	return ""
}

// writeOverlay returns the name of an overlay file for go build: see go help build.
func writeOverlay(t *testing.T, dir string, m mutant) string {
	source, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(source, []byte(m.old)); n != 1 {
		t.Fatalf("the mutant's old text occurs %d times in %s, want once; the mutant has to follow the code:\n%s", n, m.file, m.old)
	}
	original, err := filepath.Abs(m.file)
	if err != nil {
		t.Fatal(err)
	}
	mutated, overlay := filepath.Join(dir, m.file), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]map[string]string{"Replace": {original: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mutated, bytes.Replace(source, []byte(m.old), []byte(m.new), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// firstFailure finds the innermost test that failed first.
func firstFailure(out []byte) string {
	for line := range strings.Lines(string(out)) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: ")
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(rest, " ")
		switch {
		case strings.HasPrefix(name, "TestConformance/"):
			return "case " + strings.TrimPrefix(name, "TestConformance/")
		case strings.HasPrefix(name, "TestRandom"):
			return "random sequences"
		}
	}
	return "a panic or a hang"
}
