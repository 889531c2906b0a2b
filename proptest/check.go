package proptest

import (
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"testing"

	"edgewise.test/faults"
)

// Flags, each with an environment twin for go test ./..., where a flag that one
// package does not know breaks all.
var (
	flagReplay     = flag.String("edgewise.replay", os.Getenv("EDGEWISE_REPLAY"), "run only the plan in this `file` (EDGEWISE_REPLAY)")
	flagSeed       = flag.Uint64("edgewise.seed", envUint("EDGEWISE_SEED"), "start of the random schedules (EDGEWISE_SEED)")
	flagSchedules  = flag.Int("edgewise.schedules", int(envUint("EDGEWISE_SCHEDULES")), "how many schedules to run, 0 for the test's own number (EDGEWISE_SCHEDULES)")
	flagStrategies = flag.String("edgewise.strategies", os.Getenv("EDGEWISE_STRATEGIES"), "the strategies that take part, between commas: `names` of "+strings.Join(Strategies, ", ")+" (EDGEWISE_STRATEGIES)")
)

// envUint reads a number from the environment. A bad one ends the program: a
// typing error must not pass for a default.
func envUint(name string) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 0, 63)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: got %q, want a number\n", name, text)
		os.Exit(2)
	}
	return n
}

// Check searches the schedules of scenario with the default budget of 20,000, a
// tenth of it under -short.
func Check(t testing.TB, scenario func(*World)) {
	t.Helper()
	check(t, Config{Scenario: scenario}, callerPackage())
}

// Check searches and fails t with a report when a schedule fails. Plans in
// testdata/edgewise/<test name> are run first; a new failure is put there.
func (c Config) Check(t testing.TB) {
	t.Helper()
	check(t, c, callerPackage())
}

func check(t testing.TB, c Config, pkg string) {
	t.Helper()
	if *flagReplay != "" {
		replayFile(t, c, *flagReplay, pkg)
		return
	}
	if c.Shards == 0 {
		shard, shards, err := shardFromEnvironment(os.Getenv)
		if err == nil {
			err = touchShardStatus()
		}
		if err != nil {
			t.Fatalf("shard: %v", err)
		}
		c.Shard, c.Shards = shard, shards
	}
	dir := planFolder(t.Name())
	files, _ := filepath.Glob(filepath.Join(dir, "*.plan"))
	sort.Strings(files)
	for _, file := range files {
		if replayFile(t, c, file, pkg); t.Failed() {
			return
		}
	}
	if *flagSchedules > 0 {
		c.Schedules = *flagSchedules
	}
	if c.Schedules <= 0 {
		c.Schedules = defaultSchedules
		if testing.Short() {
			c.Schedules /= 10
		}
	}
	if *flagSeed != 0 {
		c.Seed = *flagSeed
	}
	if *flagStrategies != "" {
		c.Strategies = strings.Split(*flagStrategies, ",")
	}
	if err := c.checkStrategies(); err != nil {
		t.Fatal(err)
	}
	r := Search(c)
	if r.Failure == nil {
		t.Logf("%s", r.Summary())
		return
	}
	file, err := r.Failure.Save(dir)
	how := []string{"replay: " + replayLine(t.Name(), pkg, file), "keep:   git add " + file + " (it runs first from then on)"}
	if err != nil {
		how = []string{fmt.Sprintf("the plan could not be saved: %v", err), r.Failure.Plan.String()}
	} else {
		how = append(how, r.Failure.saveViews(t.Name(), pkg, file)...)
	}
	t.Fatalf("%s", r.Failure.Report(how...))
}

// replayFile runs one plan and fails t if the scenario fails, or if the plan can
// not be read.
func replayFile(t testing.TB, c Config, file, pkg string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("replay: %v", err)
	}
	plan, err := faults.Parse(string(text))
	if err != nil {
		t.Fatalf("replay: %s: %v", file, err)
	}
	f := Replay(c, plan)
	if f == nil {
		t.Logf("replay: %s passes", file)
		return
	}
	t.Fatalf("%s", f.Report("replay: "+replayLine(t.Name(), pkg, file)))
}

func replayLine(test, pkg, file string) string {
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + p + "$"
	}
	return fmt.Sprintf("go test %s -run '%s' -edgewise.replay=%s", pkg, strings.Join(parts, "/"), filepath.ToSlash(file))
}

// Save writes the plan into dir, with the failure as notes above it, under a name
// made of its content.
func (f *Failure) Save(dir string) (string, error) {
	h := fnv.New32a()
	h.Write([]byte(f.Plan.String()))
	file := filepath.Join(dir, fmt.Sprintf("%08x.plan", h.Sum32()))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, []byte(f.Document()), 0o666)
}

// Document is the plan's text with the failure's message as a note.
func (f *Failure) Document() string {
	plan := f.Plan
	notes := strings.Split(firstLines(f.Message, 4), "\n")
	if len(plan.Deviations) == 0 {
		plan.Notes = append(notes, plan.Notes...)
		return plan.String()
	}
	plan.Deviations = append([]faults.Deviation(nil), plan.Deviations...)
	first := &plan.Deviations[0]
	first.Notes = append(notes, first.Notes...)
	return plan.String()
}

// planFolder is where the plans of a test are kept.
func planFolder(test string) string {
	return filepath.Join("testdata", "edgewise", filepath.FromSlash(safeName(test)))
}

// safeName keeps a test's name inside its folder.
func safeName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, name)
}

// callerPackage is the import path of whoever called Check, for the line that
// replays: it works from anywhere in the module.
func callerPackage() string {
	pc, _, _, ok := runtime.Caller(2)
	if !ok {
		return "."
	}
	name := runtime.FuncForPC(pc).Name()
	slash := strings.LastIndexByte(name, '/') + 1
	if dot := strings.IndexByte(name[slash:], '.'); dot >= 0 {
		name = name[:slash+dot]
	}
	return strings.TrimSuffix(name, "_test")
}
