package traceview

import (
	"bytes"
	"encoding/json"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"edgewise.test/faults"
)

var keep = GoTestOptions{
	Package:  "kept_test",
	Test:     "TestEchoSplitLine",
	Scenario: "echoScenario",
	Message:  "client:\tgot \"NO\\n\", want \"PONG\\n\"\n\n*/ `and` more\r\x00",
}

func goTest(t *testing.T, opts GoTestOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := GoTest(&b, opts); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGoTestStays(t *testing.T) {
	opts := keep
	opts.Plan = parsed(t, "# a note\nconn 1 segment 1: 3 bytes\nlistener 1 accept 4..6: EMFILE\n")
	checkGolden(t, "kept.go.txt", goTest(t, opts))
	opts.Config, opts.Imports = "proptest.Config{World: fakepoller.Config{SndBuf: 512}}", []string{"edgewise.test/fakepoller", "testing", "edgewise.test/faults"}
	checkGolden(t, "keptconfig.go.txt", goTest(t, opts))
}

// What is written compiles, passes vet and runs, beside the scenario that it names.
func TestGoTestCompilesAndReplays(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	configured := keep
	configured.Test, configured.Config, configured.Imports = "TestConfigured", "proptest.Config{World: fakepoller.Config{SndBuf: 512}}", []string{"edgewise.test/fakepoller"}
	odd := keep
	odd.Test, odd.Plan = "TestOddNotes", faults.Plan{Notes: []string{"a ` and a \\ and \u0000 and ü"}}
	// The overlay adds files to the package without writing there.
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir, overlay := t.TempDir(), map[string]string{}
	for name, text := range map[string]string{
		"kept_test.go": goTest(t, keep), "configured_test.go": goTest(t, configured), "odd_test.go": goTest(t, odd),
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		overlay[filepath.Join(here, "testdata", "kept", name)] = file
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, list, 0o666); err != nil {
		t.Fatal(err)
	}
	// go test vets what it builds.
	out, err := exec.Command("go", "test", "-count=1", "-vet=all", "-overlay", file, "./testdata/kept").CombinedOutput()
	if err == nil {
		t.Fatalf("got success, want the scenario's failure\n%s", out)
	}
	for _, want := range []string{"--- FAIL: TestEchoSplitLine", "--- FAIL: TestConfigured", "--- FAIL: TestOddNotes", "it fails 1 times"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("got %s\nwant %q in it", out, want)
		}
	}
}

func TestGoTestIsFormattedAndKeepsThePlan(t *testing.T) {
	for _, notes := range [][]string{nil, {"plain"}, {"back`quote"}, {"control \x01"}, {"//go:build never"}} {
		opts := keep
		opts.Plan = faults.Plan{Deviations: []faults.Deviation{{Actor: "conn 1", Op: faults.Segment, From: 1, To: 2, Outcome: 3, Notes: notes}}}
		got := goTest(t, opts)
		again, err := format.Source([]byte(got))
		if err != nil || string(again) != got {
			t.Errorf("notes %q: got what gofmt changes (%v), want it formatted\n%s", notes, err, got)
		}
		if !strings.Contains(got, "conn 1 segment 1..2: 3 bytes") {
			t.Errorf("notes %q: got no line of the plan\n%s", notes, got)
		}
	}
}

func TestGoTestRefusesWhatIsNoProgram(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(o *GoTestOptions)
		want   string
	}{
		{"no package", func(o *GoTestOptions) { o.Package = "" }, "package: got"},
		{"keyword", func(o *GoTestOptions) { o.Package = "func" }, "package: got"},
		{"not a test", func(o *GoTestOptions) { o.Test = "EchoTest" }, "test: got"},
		{"a test that go test does not run", func(o *GoTestOptions) { o.Test = "Testecho" }, "test: got"},
		{"subtest", func(o *GoTestOptions) { o.Test = "TestEcho/slow" }, "test: got"},
		{"no scenario", func(o *GoTestOptions) { o.Scenario = "" }, "scenario: got"},
		{"statements", func(o *GoTestOptions) { o.Scenario = "f; os.Exit(1)" }, "scenario: got"},
		{"config", func(o *GoTestOptions) { o.Config = "{}" }, "config: got"},
	} {
		opts := keep
		c.change(&opts)
		var b bytes.Buffer
		if err := GoTest(&b, opts); err == nil || !strings.Contains(err.Error(), c.want) || b.Len() > 0 {
			t.Errorf("%s: got %v and %d bytes, want an error with %q and none", c.name, err, b.Len(), c.want)
		}
	}
}
