package fixed

import (
	"testing"

	"edgewise.test/examples/thirdparty/published"
	"edgewise.test/proptest"
)

func TestFixedVersions(t *testing.T) {
	for _, b := range published.Bugs {
		t.Run(b.Name, func(t *testing.T) {
			search := b.Config.Config(t)
			plan, err := b.KeptPlan()
			if err != nil {
				t.Fatal(err)
			}
			if f := proptest.Replay(search, plan); f != nil {
				t.Errorf("kept plan %s: want no failure, got\n%s", b.Plan, f.Report())
			}
			r := proptest.Search(search)
			if r.Failure != nil {
				t.Fatalf("want no failure, got\n%s", r.Failure.Report())
			}
			t.Logf("%s", r.Summary())
		})
	}
}
