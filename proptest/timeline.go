package proptest

import (
	"fmt"
	"strings"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
)

// timelineRows is the most that a report shows.
const timelineRows = 22

// timeline renders events as rows for a person: calls that say nothing are left
// out, states of the code under test stand beside what the kernel did, and
// deviations are numbered as in the plan.
func timeline(events []fakepoller.Event, plan faults.Plan) []string {
	rows := makeRows(events, plan)
	if len(rows) > timelineRows {
		rows = relevant(rows, plan)
	}
	if len(rows) > timelineRows {
		rows = elide(rows)
	}
	lines := make([]string, 0, len(rows)+1)
	lines = append(lines, fmt.Sprintf("%9s  %-14s %-5s %-38s %s", "time", "actor", "fd", "what happened", "your code"))
	for _, r := range rows {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%9s  %-14s %-5s %-38s %s", r.time, r.actor, r.fd, r.what, r.state), " "))
	}
	return lines
}

type row struct {
	time, actor, fd, what, state string
	about                        string
	important                    bool
}

func makeRows(events []fakepoller.Event, plan faults.Plan) []row {
	var rows []row
	states := map[string]string{} // by actor and fd; only looked up
	for _, e := range events {
		key := fmt.Sprint(e.Actor, " ", e.FD)
		switch {
		case e.Call == fakepoller.CallAnnotate:
			states[key] = e.Text
			if n := len(rows); n > 0 && rows[n-1].fd == fmt.Sprint(e.FD) && rows[n-1].actor == e.Actor {
				rows[n-1].state = e.Text
				continue
			}
		case dull(e):
			continue
		}
		r := row{time: fmt.Sprintf("%.3f", e.At.Seconds()), actor: e.Actor, what: e.What(), about: e.About, state: states[key]}
		if e.FD >= 0 {
			r.fd = fmt.Sprint(e.FD)
		}
		switch e.Call {
		case fakepoller.CallAnnotate:
			r.what, r.state = "", e.Text
		case fakepoller.CallDeviate:
			r.what, r.state, r.important = mark(e.Text, plan), "", true
		case fakepoller.CallFinding:
			r.important = true
		case fakepoller.CallClose:
			delete(states, key)
		}
		rows = append(rows, r)
	}
	return rows
}

// dull events say nothing about why a schedule fails.
func dull(e fakepoller.Event) bool {
	switch e.Call {
	case fakepoller.CallWait:
		return e.Err == nil
	case fakepoller.CallSocket, fakepoller.CallBind, fakepoller.CallListen, fakepoller.CallSetSockOpt, fakepoller.CallSockOpt,
		fakepoller.CallLocalAddr, fakepoller.CallPeerAddr, fakepoller.CallWake, fakepoller.CallSleep:
		return e.Err == nil
	case fakepoller.CallEvent:
		return e.FD < 0
	}
	return false
}

// mark gives a deviation the number that it has in the report.
func mark(text string, plan faults.Plan) string {
	for i, d := range plan.Deviations {
		if d.String() == text {
			return fmt.Sprintf("[%d] %s", i+1, text)
		}
	}
	return "[*] " + text
}

// relevant keeps rows about the connections that the plan names.
func relevant(rows []row, plan faults.Plan) []row {
	var conns []string
	for _, d := range plan.Deviations {
		if name, _, _ := strings.Cut(d.Actor, " server"); strings.HasPrefix(name, "conn ") {
			conns = append(conns, name)
		}
	}
	if len(conns) == 0 {
		return rows
	}
	var kept []row
	for _, r := range rows {
		if r.important || r.concerns(conns) {
			kept = append(kept, r)
		}
	}
	return kept
}

func (r row) concerns(conns []string) bool {
	for _, c := range conns {
		for _, s := range []string{r.about, r.actor} {
			if s == c || s == c+" server" {
				return true
			}
		}
	}
	return false
}

// elide keeps the end, where it fails, the important rows, and what comes right
// before each of them.
func elide(rows []row) []row {
	keep := make([]bool, len(rows))
	budget := timelineRows - 1
	take := func(i int) {
		if i >= 0 && i < len(rows) && !keep[i] && budget > 0 {
			keep[i] = true
			budget--
		}
	}
	for i := 1; i <= 3; i++ {
		take(len(rows) - i)
	}
	for i, r := range rows {
		if r.important && budget > 8 {
			take(i)
		}
	}
	for i, r := range rows {
		if r.important {
			take(i - 1)
			take(i + 1)
		}
	}
	for i := len(rows) - 1; i >= 0; i-- {
		take(i)
	}
	var kept []row
	skipped := 0
	for i, r := range rows {
		if !keep[i] {
			skipped++
			continue
		}
		if skipped > 0 && len(kept) > 0 {
			kept[len(kept)-1].state += fmt.Sprintf("  (+%d)", skipped)
		}
		skipped = 0
		kept = append(kept, r)
	}
	return kept
}
