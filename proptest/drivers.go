package proptest

import (
	"os"
	"path/filepath"
	"testing"

	"edgewise.test/faults"
	"pgregory.net/rapid"
)

// Rapid runs scenario once with choices that rapid draws, so that a property can
// mix them with draws of its own. Rapid shrinks towards the calm run.
func Rapid(t *rapid.T, scenario func(*World)) { Config{Scenario: scenario}.Rapid(t) }

// Rapid is the function of that name in the world of c. Only Scenario and World
// matter, and of World not Hostile.
func (c Config) Rapid(t *rapid.T) {
	source := &rapidSource{t: t}
	recorder := faults.Recorder{Source: source}
	o := c.execute(&recorder, false)
	if source.panicked != nil {
		panic(source.panicked)
	}
	if o.failure != nil {
		plan := recorder.Plan()
		t.Fatalf("%s", c.replay(plan).Report("plan:", plan.String()))
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
// they are used up everything is calm, so that every input is a schedule. The
// plans in testdata/edgewise/<target> are part of the corpus; a crasher prints
// the plan that it stands for.
func Fuzz(f *testing.F, scenario func(*World)) { Config{Scenario: scenario}.fuzz(f, callerPackage()) }

// Fuzz is the function of that name in the world of c. Only Scenario and World matter.
func (c Config) Fuzz(f *testing.F) { c.fuzz(f, callerPackage()) }

func (c Config) fuzz(f *testing.F, pkg string) {
	f.Add([]byte{})
	for _, data := range c.planInputs(planFolder(f.Name())) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		recorder := faults.Recorder{Source: faults.Bytes(data)}
		if o := c.execute(&recorder, false); o.failure != nil {
			sh := &shrinker{Config: &c, class: o.failure.class, peers: o.peers}
			failure := c.replay(sh.shrink(recorder.Plan()))
			t.Fatalf("%s", failure.Report("package: "+pkg, "plan:", failure.Plan.String()))
		}
	})
}

// planInputs turns the plans in a folder into inputs of a fuzz target.
func (c *Config) planInputs(folder string) [][]byte {
	var inputs [][]byte
	files, _ := filepath.Glob(filepath.Join(folder, "*.plan"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		plan, err := faults.Parse(string(text))
		if err != nil {
			continue // Check is where a bad file is reported
		}
		recorder := faults.Recorder{Source: plan.Source()}
		c.execute(&recorder, false)
		inputs = append(inputs, faults.Input(recorder.Choices))
	}
	return inputs
}
