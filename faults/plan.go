package faults

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"edgewise.test/poller"
)

// Plan is the calm schedule plus named deviations. The zero value is calm.
type Plan struct {
	// Without are peers that take no part, as if they had never been there.
	Without    []string
	Deviations []Deviation
	// Notes are the comment lines after the last deviation, without "# ".
	Notes []string
}

// Deviation says that at the points From to To of one actor and operation the
// outcome is Outcome. To is at least From; [Onward] means every later one too.
type Deviation struct {
	Actor    string
	Op       Op
	From, To int
	Outcome  int // above 0
	// Notes are the comment lines before the deviation, without "# ".
	Notes []string
}

// Onward is the To of a deviation without an end.
const Onward = math.MaxInt32

const (
	header  = "edgewise plan v1"
	without = "without"
)

// String returns the text form. Parse of it gives the same plan.
func (p Plan) String() string {
	var b strings.Builder
	b.WriteString(header + "\n")
	for _, peer := range p.Without {
		b.WriteString(without + " " + peer + "\n")
	}
	for _, d := range p.Deviations {
		writeNotes(&b, d.Notes)
		b.WriteString(d.String() + "\n")
	}
	writeNotes(&b, p.Notes)
	return b.String()
}

func writeNotes(b *strings.Builder, notes []string) {
	for _, n := range notes {
		b.WriteString(strings.TrimRight("# "+n, " ") + "\n")
	}
}

// Hostile tells whether a deviation breaks Linux's contract.
func (p Plan) Hostile() bool {
	for _, d := range p.Deviations {
		if d.Op.Hostile() {
			return true
		}
	}
	return false
}

// String returns the line of a plan: "conn 2 segment 1: 3 bytes".
func (d Deviation) String() string {
	seq := strconv.Itoa(d.From)
	switch {
	case d.To == Onward:
		seq += ".."
	case d.To > d.From:
		seq += ".." + strconv.Itoa(d.To)
	}
	return d.Actor + " " + d.Op.String() + " " + seq + ": " + d.Op.Describe(d.Outcome)
}

// Describe returns an outcome above 0 in words, as it stands in a plan.
func (o Op) Describe(outcome int) string {
	info := &ops[o]
	switch info.unit {
	case unitTime:
		return (time.Duration(outcome) * time.Millisecond).String()
	case unitBytes:
		return plural(outcome, "byte")
	case unitTaken:
		return plural(outcome-1, "byte")
	case unitEvents:
		return plural(outcome, "event")
	case unitErrno:
		if outcome <= len(info.errnos) {
			return poller.ErrnoName(info.errnos[outcome-1])
		}
	case unitWord:
		if outcome <= len(info.words) {
			return info.words[outcome-1]
		}
	}
	return "pick " + strconv.Itoa(outcome)
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// Source returns a source that follows p. It is good for one run.
func (p Plan) Source() *PlanSource {
	return &PlanSource{plan: p, met: make([]bool, len(p.Deviations))}
}

// PlanSource is the source of a plan. It is tolerant: where the world does not
// offer what the plan says, calm goes on and [PlanSource.Missed] tells.
type PlanSource struct {
	plan Plan
	met  []bool
}

// Choose implements [Source]. The first deviation that names p decides.
func (s *PlanSource) Choose(p Point, n int) int {
	for i := range s.plan.Deviations {
		d := &s.plan.Deviations[i]
		if d.Op != p.Op || p.Seq < d.From || p.Seq > d.To || d.Actor != p.Actor {
			continue
		}
		if d.Outcome >= n {
			return 0
		}
		s.met[i] = true
		return d.Outcome
	}
	return 0
}

// Omits implements [Omitter].
func (s *PlanSource) Omits(peer string) bool { return slices.Contains(s.plan.Without, peer) }

// Missed returns the deviations that decided nothing so far, in plan order:
// their point never came up, or its range was too small.
func (s *PlanSource) Missed() []Deviation {
	var missed []Deviation
	for i, met := range s.met {
		if !met {
			missed = append(missed, s.plan.Deviations[i])
		}
	}
	return missed
}
