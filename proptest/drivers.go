package proptest

import (
	"testing"

	"edgewise.test/faults"
	"pgregory.net/rapid"
)

// Rapid runs scenario once with choices that rapid draws, so that a property can
// mix them with draws of its own. Rapid shrinks towards the calm run.
func Rapid(t *rapid.T, scenario func(*World)) {
	c := Config{Scenario: scenario}
	source := &rapidSource{t: t}
	recorder := faults.Recorder{Source: source}
	o := c.execute(&recorder, false)
	if source.panicked != nil {
		panic(source.panicked)
	}
	if o.failure != nil {
		t.Fatalf("%s", c.replay(recorder.Plan()).Report())
	}
}

type rapidSource struct {
	t    *rapid.T
	alts []int
	// panicked is what a draw panicked with: rapid ends a run that way. It must
	// not unwind the world's actors, so the rest of the run is calm.
	panicked any
}

// calmShare is how many calm draws there are for each that deviates.
const calmShare = 7

func (s *rapidSource) Choose(p faults.Point, n int) (outcome int) {
	if p.Op.Hostile() || s.panicked != nil {
		return 0
	}
	defer func() {
		if r := recover(); r != nil {
			s.panicked, outcome = r, 0
		}
	}()
	s.alts = p.Op.Telling(s.alts[:0], n)
	v := rapid.IntRange(0, (calmShare+1)*len(s.alts)).Draw(s.t, p.String())
	if v <= calmShare*len(s.alts) {
		return 0
	}
	return s.alts[v-calmShare*len(s.alts)-1]
}

// Fuzz is the body of a fuzz target: each input byte is one choice, and when
// they are used up everything is calm, so that every input is a schedule.
func Fuzz(f *testing.F, scenario func(*World)) {
	pkg := callerPackage()
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := Config{Scenario: scenario}
		recorder := faults.Recorder{Source: faults.Bytes(data)}
		if o := c.execute(&recorder, false); o.failure != nil {
			sh := &shrinker{Config: &c, class: o.failure.class}
			failure := c.replay(sh.shrink(recorder.Plan()))
			t.Fatalf("%s", failure.Report("package: "+pkg, "plan:", failure.Plan.String()))
		}
	})
}
