package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// scoreboard prints a row per bug and keeps what the totals need.
type scoreboard struct {
	to      io.Writer
	columns []strategy
	scores  []score
}

func newScoreboard(to io.Writer, columns []strategy) *scoreboard {
	b := &scoreboard{to: to, columns: columns}
	fmt.Fprintf(to, "%-4s %4s  %-16s", "bug", "plan", "class")
	for _, c := range columns {
		fmt.Fprintf(to, " %16s", c.name)
	}
	fmt.Fprintf(to, "\n%-4s %4s  %-16s%s\n", "", "devs", "", strings.Repeat(fmt.Sprintf(" %16s", "runs       ms"), len(columns)))
	return b
}

func (b *scoreboard) add(s score) {
	b.scores = append(b.scores, s)
	plan, class := "-", "NOT FOUND"
	if s.failure != nil {
		plan, class = fmt.Sprint(len(s.failure.Plan.Deviations)), s.entry.class
	}
	fmt.Fprintf(b.to, "%-4s %4s  %-16s", s.entry.id, plan, class)
	for _, h := range s.hunts {
		fmt.Fprintf(b.to, " %16s", h)
	}
	fmt.Fprintln(b.to)
}

// String is the median, or in how many of the hunts it was found if in less than
// half, or nothing if there was no hunt.
func (h hunt) String() string {
	switch {
	case h.of == 0:
		return ""
	case 2*h.found <= h.of-1:
		return fmt.Sprintf("found %d of %d", h.found, h.of)
	}
	return fmt.Sprintf("%d %8s", h.runs, milliseconds(h.elapsed))
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()*1000) }

func (b *scoreboard) totals(m meter) {
	var plans []int
	schedules, elapsed := 0, time.Duration(0)
	for _, s := range b.scores {
		if s.failure != nil {
			plans = append(plans, len(s.failure.Plan.Deviations))
		}
		schedules += s.schedules
		elapsed += s.elapsed
	}
	fmt.Fprintf(b.to, "\nfound %d of %d within %d schedules and %v", len(plans), len(b.scores), m.budget, m.limit)
	if slices.Sort(plans); len(plans) > 0 {
		fmt.Fprintf(b.to, "; the median plan has %d, the longest %d deviations", plans[(len(plans)-1)/2], plans[len(plans)-1])
	}
	fmt.Fprintf(b.to, "\nsearch: %d schedules in %.1fs of one core, %.0f a second\n", schedules, elapsed.Seconds(), float64(schedules)/elapsed.Seconds())
	for i, c := range b.columns {
		found, of := 0, 0
		for _, s := range b.scores {
			if h := s.hunts[i]; h.of > 0 {
				of++
				if 2*h.found > h.of-1 {
					found++
				}
			}
		}
		fmt.Fprintf(b.to, "%-8s found %d of %d in at least half of its %d hunts\n", c.name, found, of, m.seeds)
	}
}
