package traceview

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"edgewise.test/fakepoller"
)

func chromeText(t *testing.T, events []fakepoller.Event) string {
	t.Helper()
	var b bytes.Buffer
	if err := ChromeTrace(&b, events); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestChromeTraceStays(t *testing.T) {
	var text bytes.Buffer
	if err := json.Indent(&text, []byte(chromeText(t, said(t, addr, "ok", []byte("hello")))), "", "\t"); err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "said.json", text.String())
}

// What Perfetto asks of a file: it is JSON, time does not run backwards, each
// duration that begins also ends on its thread, and threads have names.
func TestChromeTraceIsMonotoneAndBalanced(t *testing.T) {
	events, plan := troubled(t)
	var file chromeFile
	if err := json.Unmarshal([]byte(chromeText(t, events)), &file); err != nil {
		t.Fatal(err)
	}
	named, begun := map[int]bool{}, map[int]string{}
	deviations, instants, states := 0, 0, map[string]int{}
	now := int64(-1)
	for i, e := range file.Events {
		if e.Phase == phaseMeta {
			named[e.Thread] = true
			continue
		}
		if e.At < now {
			t.Fatalf("event %d: got time %d after %d", i, e.At, now)
		}
		now = e.At
		if !named[e.Thread] {
			t.Errorf("event %d: thread %d has no name", i, e.Thread)
		}
		switch e.Phase {
		case phaseBegin:
			if begun[e.Thread] != "" {
				t.Errorf("event %d: %q begins during %q", i, e.Name, begun[e.Thread])
			}
			begun[e.Thread] = e.Name
			states[e.Name]++
		case phaseEnd:
			if begun[e.Thread] != e.Name {
				t.Errorf("event %d: %q ends, want %q", i, e.Name, begun[e.Thread])
			}
			begun[e.Thread] = ""
		case phaseInstant:
			instants++
			if e.Scope == "g" {
				deviations++
			}
		}
	}
	for thread, name := range begun {
		if name != "" {
			t.Errorf("thread %d: %q never ends", thread, name)
		}
	}
	if deviations != len(plan.Deviations) {
		t.Errorf("global instants: got %d, want the plan's %d", deviations, len(plan.Deviations))
	}
	annotations := 0
	for _, e := range events {
		if e.Call == fakepoller.CallAnnotate {
			annotations++
		}
	}
	if instants+annotations != len(events) {
		t.Errorf("got %d instants and %d annotations, want %d in all", instants, annotations, len(events))
	}
	if states["inspecting"] != 8 || states["timed out"] != 1 {
		t.Errorf("states: got %v, want 8 times inspecting and one timed out", states)
	}
}

func TestChromeTraceOfNothing(t *testing.T) {
	if got := chromeText(t, nil); !strings.Contains(got, `"traceEvents":[]`) {
		t.Errorf("got %s, want a file with no events", got)
	}
}

func TestStateThatNobodyEndsLastsToTheEnd(t *testing.T) {
	events := said(t, addr, "", []byte("x"))
	for i, e := range events {
		if e.Call == fakepoller.CallClose && strings.HasPrefix(e.Actor, "worker") {
			events = events[:i]
			break
		}
	}
	text := chromeText(t, events)
	if got := fmt.Sprint(strings.Count(text, `"ph":"B"`), strings.Count(text, `"ph":"E"`)); got != "1 1" {
		t.Errorf("begins and ends: got %s, want 1 1", got)
	}
}
