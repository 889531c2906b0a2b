package faults

import (
	"slices"
	"strconv"
)

// Point names one choice. Seq counts from 1 the choices that the same actor has
// had at the same operation, so that taking a deviation away somewhere else does
// not rename it.
type Point struct {
	Actor string
	Op    Op
	Seq   int
}

// String returns the name as it stands in a plan: "conn 2 segment 1".
func (p Point) String() string {
	return p.Actor + " " + p.Op.String() + " " + strconv.Itoa(p.Seq)
}

// Source decides what happens at each point. It returns an outcome from 0 to
// n-1, where 0 is calm. A world asks it in a fixed order from one goroutine and
// keeps nothing of p but the value.
type Source interface {
	Choose(p Point, n int) int
}

// Omitter is a source that leaves whole peers out: a world does not begin them.
type Omitter interface {
	Source
	Omits(peer string) bool
}

// Calm is the source that deviates nowhere.
var Calm Source = calm{}

type calm struct{}

func (calm) Choose(Point, int) int { return 0 }

// Choice is a point with its range and the outcome that was chosen.
type Choice struct {
	Point   Point
	N       int
	Outcome int
}

// Recorder passes every choice on to Source and keeps it. The zero Source is calm.
type Recorder struct {
	Source  Source
	Choices []Choice
	Without []string // peers that Source left out
}

// Reset forgets what was recorded.
func (r *Recorder) Reset() { r.Choices, r.Without = r.Choices[:0], nil }

// Omits implements [Omitter], whether or not Source does.
func (r *Recorder) Omits(peer string) bool {
	if omitter, ok := r.Source.(Omitter); ok && omitter.Omits(peer) {
		r.Without = append(r.Without, peer)
		return true
	}
	return false
}

// Choose implements [Source].
func (r *Recorder) Choose(p Point, n int) int {
	outcome := 0
	if r.Source != nil {
		outcome = r.Source.Choose(p, n)
	}
	r.Choices = append(r.Choices, Choice{p, n, outcome})
	return outcome
}

// ChooseRun implements [Scheduler], whether or not Source does.
func (r *Recorder) ChooseRun(p Point, actors []string) int {
	outcome := 0
	if scheduler, ok := r.Source.(Scheduler); ok {
		outcome = scheduler.ChooseRun(p, actors)
	} else if r.Source != nil {
		outcome = r.Source.Choose(p, len(actors))
	}
	r.Choices = append(r.Choices, Choice{p, len(actors), outcome})
	return outcome
}

// Plan returns the deviations among the recorded choices, and who was left out: it
// replays the run.
func (r *Recorder) Plan() Plan {
	p := Plan{Without: slices.Clone(r.Without)}
	for _, c := range r.Choices {
		if c.Outcome != 0 {
			p.Deviations = append(p.Deviations, Deviation{Actor: c.Point.Actor, Op: c.Point.Op, From: c.Point.Seq, To: c.Point.Seq, Outcome: c.Outcome})
		}
	}
	return p
}
