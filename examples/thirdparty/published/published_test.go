package published

import (
	"strings"
	"testing"

	"edgewise.test/proptest"
)

func TestOldVersions(t *testing.T) {
	for _, b := range Bugs {
		t.Run(b.Name, func(t *testing.T) {
			search := b.Config.Config(t)
			r := proptest.Search(search)
			if r.Failure == nil {
				t.Fatalf("got no failure in %s, want %q", r.Summary(), b.Want)
			}
			if !strings.Contains(r.Failure.Message, b.Want) {
				t.Fatalf("want failure %q, got\n%s", b.Want, r.Failure.Report())
			}
			t.Logf("found, as published:\n%s", r.Failure.Report())

			plan, err := b.KeptPlan()
			if err != nil {
				t.Fatal(err)
			}
			if f := proptest.Replay(search, plan); f == nil || !strings.Contains(f.Message, b.Want) {
				t.Errorf("kept plan %s: got %v, want failure %q", b.Plan, f, b.Want)
			}
		})
	}
}
