package proptest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"edgewise.test/fakepoller"
	"edgewise.test/poller"
)

// fakeT is a test that may fail.
type fakeT struct {
	testing.TB
	name   string
	failed bool
	text   string
}

func (t *fakeT) Helper()                 {}
func (t *fakeT) Name() string            { return t.name }
func (t *fakeT) Failed() bool            { return t.failed }
func (t *fakeT) Logf(f string, a ...any) { t.text += sprint(f, a...) }
func (t *fakeT) Fatalf(f string, a ...any) {
	t.failed = true
	t.text += sprint(f, a...)
	runtime.Goexit()
}

// runCheck runs Check as a test named name in an empty folder, or in dir.
func runCheck(t *testing.T, name, dir string, scenario func(*World)) *fakeT {
	t.Helper()
	t.Chdir(dir)
	ft := &fakeT{TB: t, name: name}
	done := make(chan bool)
	go func() {
		defer close(done)
		Config{Scenario: scenario, Schedules: 50}.Check(ft)
	}()
	<-done
	return ft
}

func failing(w *World) { w.Errorf("it fails") }

func TestCheckKeepsThePlanAndRunsItFirst(t *testing.T) {
	dir := t.TempDir()
	ft := runCheck(t, "TestX/some case", dir, failing)
	if !ft.failed {
		t.Fatal("got a pass, want a failure")
	}
	plans, _ := filepath.Glob(filepath.Join(dir, "testdata/edgewise/TestX/some_case/*.plan"))
	if len(plans) != 1 {
		t.Fatalf("got plans %v, want one", plans)
	}
	replay := regexp.MustCompile(`(?m)^replay: go test \S+ -run '\^TestX\$/\^some case\$' -edgewise.replay=(\S+)$`).FindStringSubmatch(ft.text)
	if replay == nil || filepath.Join(dir, replay[1]) != plans[0] {
		t.Errorf("got\n%s\nwant a line that replays %s", ft.text, plans[0])
	}
	runs := 0
	if ft := runCheck(t, "TestX/some case", dir, func(w *World) { runs++; failing(w) }); !ft.failed || runs != 2 {
		t.Errorf("got %d runs, want the kept plan to fail after its two", runs)
	}
	if ft := runCheck(t, "TestX/some case", dir, func(*World) {}); ft.failed {
		t.Errorf("got a failure, want the kept plan to pass now:\n%s", ft.text)
	}
}

func TestCheckWritesViews(t *testing.T) {
	dir := t.TempDir()
	*flagViews, *flagWriteTest = filepath.Join(dir, "views"), filepath.Join(dir, "keep_test.go")
	defer func() { *flagViews, *flagWriteTest = "", "" }()
	ft := runCheck(t, "TestX", dir, failing)
	for _, want := range []string{"look:   testdata/edgewise/TestX/", "capture: ", "perfetto: ", "test:   "} {
		if !strings.Contains(ft.text, want) {
			t.Errorf("got\n%s\nwant %q in it", ft.text, want)
		}
	}
	for _, pattern := range []string{"testdata/edgewise/TestX/*.html", "views/*.pcapng", "views/*.trace.json", "keep_test.go"} {
		if files, _ := filepath.Glob(filepath.Join(dir, pattern)); len(files) != 1 {
			t.Errorf("%s: got %v, want one file", pattern, files)
		}
	}
}

func TestCheckSaysWhatIsWrongWithAPlanFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "bad.plan")
	if err := os.WriteFile(file, []byte("edgewise plan v1\nconn 1 segment one: 1 byte\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                          `replay: ` + file + `: plan:2:16: got "one", want a number from 1, or a range as in "4..6" or "4.."`,
		filepath.Join(dir, "no.plan"): "no such file",
	} {
		*flagReplay = path
		ft := runCheck(t, "TestX", dir, failing)
		*flagReplay = ""
		if !ft.failed || !strings.Contains(ft.text, want) && runtime.GOOS != "windows" {
			t.Errorf("got %q, want %q", ft.text, want)
		}
	}
}

func sprint(f string, a ...any) string { return fmt.Sprintf(f, a...) }

func TestSearchSaysWhichStrategyThereIsNot(t *testing.T) {
	defer func() {
		const want = `proptest: strategies: got "sinlge", want one of single, pairs, swarm, pct, pos, feedback`
		if got := recover(); got != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}()
	Search(Config{Scenario: func(*World) {}, Strategies: []string{"sinlge"}})
}

// What comes first is the failure: a use after close, and not the lost bytes that
// it ends in; an assertion, and not a leak that nobody knows of before the end.
func TestTheFirstFailureIsReported(t *testing.T) {
	closed := func(w *World) {
		k := w.NewWorker()
		fd, _ := k.Socket(poller.Inet)
		k.Close(fd)
		k.Read(fd, make([]byte, 1))
		k.Now()
	}
	for _, c := range []struct {
		name, class string
		scenario    func(*World)
	}{
		{"finding, then assertion", string(fakepoller.UseAfterClose), func(w *World) { closed(w); w.NewWorker().Socket(poller.Inet); w.Errorf("lost") }},
		{"assertion, then finding", "lost", func(w *World) { w.Errorf("lost"); closed(w) }},
		{"assertion, and a leak at the end", "lost", func(w *World) { w.NewWorker().Socket(poller.Inet); w.Errorf("lost") }},
	} {
		if f := Search(Config{Scenario: c.scenario, Schedules: 2}).Failure; f == nil || f.Class != c.class {
			t.Errorf("%s: got %+v, want class %q", c.name, f, c.class)
		}
	}
}
