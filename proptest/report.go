package proptest

import (
	"fmt"
	"strings"

	"edgewise.test/fakepoller"
)

// Report explains a failure in at most 40 lines: the assertion, the deviations, a
// timeline, whether it is legal, and what to do with it. how are lines that say
// how to replay it.
func (f *Failure) Report(how ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", firstLines(f.Message, 4))
	fmt.Fprintf(&b, "schedule: %s", f.differs())
	if f.ShrinkRuns > 0 {
		fmt.Fprintf(&b, " (shrunk from %d in %d runs; schedule %d, by %s%s)", f.From, f.ShrinkRuns, f.Schedule, f.Strategy, f.seedText())
	}
	b.WriteByte('\n')
	if len(f.Plan.Without) > 0 {
		fmt.Fprintf(&b, "  without %s\n", firstNames(f.Plan.Without, 6))
	}
	for i, d := range f.Plan.Deviations {
		if i == 8 {
			fmt.Fprintf(&b, "  ... and %d more\n", len(f.Plan.Deviations)-i)
			break
		}
		fmt.Fprintf(&b, "  [%d] %s\n", i+1, d)
	}
	b.WriteByte('\n')
	for _, line := range timeline(f.Events, f.Plan) {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	b.WriteByte('\n')
	if f.Plan.Hostile() {
		b.WriteString("legal on Linux: no, the plan uses hostile operations\n")
	} else {
		b.WriteString("legal on Linux: yes\n")
	}
	if moment := f.Moment.String(); moment != "" {
		b.WriteString(moment + "\n")
	}
	if len(f.Open) > 0 {
		fmt.Fprintf(&b, "open at the end: %s\n", openList(f.Open))
	}
	for _, d := range f.Missed {
		fmt.Fprintf(&b, "not met: %s\n", d)
	}
	if f.Unrepeatable != "" {
		fmt.Fprintf(&b, "NOT REPEATABLE: %s. Usual causes: map order, select, time.Now, a goroutine, math/rand.\n", f.Unrepeatable)
	}
	for _, line := range how {
		b.WriteString(line + "\n")
	}
	return b.String()
}

func (f *Failure) differs() string {
	switch n := len(f.Plan.Deviations); n {
	case 0:
		return "calm; nothing has to go wrong"
	case 1:
		return "1 deviation from the calm one"
	default:
		return fmt.Sprintf("%d deviations from the calm one", n)
	}
}

func firstNames(names []string, n int) string {
	if len(names) > n {
		names = append(names[:n:n], fmt.Sprintf("and %d more", len(names)-n))
	}
	return strings.Join(names, ", ")
}

func (f *Failure) seedText() string {
	if f.Seed == 0 {
		return ""
	}
	return fmt.Sprintf(", seed %d", f.Seed)
}

// openList names a few sockets and when they were made.
func openList(open []fakepoller.Open) string {
	var parts []string
	for i, o := range open {
		if i == 3 {
			parts = append(parts, fmt.Sprintf("and %d more", len(open)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("fd %d (%s, since %.3f)", o.FD, o.About, o.Since.Seconds()))
	}
	return strings.Join(parts, ", ")
}

func firstLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) > n {
		lines = append(lines[:n], fmt.Sprintf("(%d more lines)", len(lines)-n))
	}
	return strings.Join(lines, "\n")
}

// Summary says in one line what a passing search covered.
func (r Result) Summary() string {
	s := fmt.Sprintf("%d schedules in %.1fs: the calm one with %d choices", r.Schedules, r.Elapsed.Seconds(), r.Choices)
	if r.Single > 0 {
		s += fmt.Sprintf(", %s%d with one deviation", all(r.AllSingle), r.Single)
	}
	if r.Pairs > 0 {
		s += fmt.Sprintf(", %s%d with two", all(r.AllPairs), r.Pairs)
		if r.PairsLeft > 0 {
			s += fmt.Sprintf(" (of about %d)", r.Pairs+r.PairsLeft)
		}
		if r.Alike > 0 {
			s += fmt.Sprintf(" (none behind %d that nobody sees)", r.Alike)
		}
	}
	if r.Random > 0 {
		s += fmt.Sprintf(", %d at random", r.Random)
	}
	s += fmt.Sprintf("; %d kinds of transitions", r.Covered)
	if len(r.Missed) > 0 {
		s += "\nnever saw: " + strings.Join(r.Missed, "; ")
	}
	return s
}

func all(complete bool) string {
	if complete {
		return "all "
	}
	return ""
}
