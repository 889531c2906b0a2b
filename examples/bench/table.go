package main

import (
	"fmt"
	"math"
	"strings"
)

// table is what came out of a work.
type table struct {
	work *work
	rows [][]cell // by metric, then by subject
}

// cell is one metric of one subject.
type cell struct {
	subject      *subject
	value, ratio spread
}

func newTable(w *work, all []round) *table {
	t := &table{work: w}
	for i, m := range w.metrics {
		var row []cell
		for _, s := range w.subjects {
			v, r := values(all, s, m.reference, i)
			row = append(row, cell{s, spreadOf(v), spreadOf(r)})
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// ours says whether the goals are for this subject.
func (w *work) ours(s *subject) bool {
	return s == edgewiseClose || s == edgewiseRoute || s == w.own
}

// String is Markdown.
func (t *table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n", t.work.name)
	for i, m := range t.work.metrics {
		unit := m.unit
		if unit != "" {
			unit = ", " + unit
		}
		fmt.Fprintf(&b, "\n| | %s%s [quartiles] | ratio to %s [quartiles] | rounds | goal |\n|---|---|---|---|---|\n", m.name, unit, m.reference.name)
		for _, c := range t.rows[i] {
			name, verdict := c.subject.name, ""
			if t.work.ours(c.subject) {
				name = "**" + name + "**"
				verdict = m.goal.verdict(c)
			}
			ratio := c.ratio.String()
			if c.subject == m.reference {
				ratio = "1"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %d | %s |\n", name, c.value, ratio, c.value.n, verdict)
		}
	}
	for _, note := range t.work.notes {
		fmt.Fprintf(&b, "\n%s  ", note)
	}
	if len(t.work.notes) > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}

// verdict says what the goal is and whether c has reached it.
func (g *goal) verdict(c cell) string {
	if g == nil {
		return ""
	}
	got, what, sign := c.ratio.median, "ratio", "≤"
	if g.value {
		got, what = c.value.median, "value"
	}
	reached := got <= g.bound
	if g.atLeast {
		reached, sign = got >= g.bound, "≥"
	}
	word := "reached"
	if !reached {
		word = "missed"
	}
	return fmt.Sprintf("%s %s %v: %s", what, sign, g.bound, word)
}

// String has three digits that count. One value has no quartiles.
func (s spread) String() string {
	switch s.n {
	case 0:
		return "-"
	case 1:
		return digits(s.median)
	}
	return fmt.Sprintf("%s [%s–%s]", digits(s.median), digits(s.low), digits(s.high))
}

func digits(x float64) string {
	before := 1
	if x != 0 {
		before = int(math.Floor(math.Log10(math.Abs(x)))) + 1
	}
	return fmt.Sprintf("%.*f", min(max(0, 3-before), 3), x)
}
