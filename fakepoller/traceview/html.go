package traceview

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
)

// HTMLOptions is what a page says besides the events. The zero value is good.
type HTMLOptions struct {
	Title   string      // "" is "edgewise timeline"
	Message string      // why the run failed; "" if it did not
	Plan    faults.Plan // numbers the deviations
}

// HTML writes the timeline of a trace as a page that needs no other file and no
// network. Time goes down, one row per event; each peer, connection, listener and
// worker has a lane. A connection's lane has both ends, the peer's on the left.
// Of more than 4,000 events, those in the middle that deviate from nothing are
// left out.
//
// Errors are those of w.
func HTML(w io.Writer, events []fakepoller.Event, opts HTMLOptions) error {
	return page.Execute(w, newTimeline(events, opts))
}

//go:embed page.tmpl
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// timeline is what the template shows.
type timeline struct {
	Title, Message string
	Summary        string
	Plan           []planLine
	Notes          []string
	Hostile        bool
	Lanes          []*lane
	Width, Height  int  // of a row's graph
	Upright        bool // names of lanes are written upwards
	States         []state
	Rows           []row
	Quiet          int // rows that are hidden at first
}

type planLine struct {
	Number int
	Text   string
	Notes  []string
	Row    int // its first event; -1: the run never came there
}

// row is one event, or, with Gap alone, what lies between two.
type row struct {
	Gap                   string
	ID                    int
	Class                 string
	Time, Actor, FD, What string
	Number                string // of a deviation
	State                 *state
	Full                  string // all that is known, in lines
	Lanes                 string // numbers of those it touches, each in spaces
	Ends                  string // path of the ends that are open
	Spans                 []span
	Link, Arrow           string // paths
	Mark                  int    // where the actor's dot is; 0: nowhere
	Flag                  int    // where the deviation's number is; 0: nowhere
	Text                  string // in the flag
	SameTime, Quiet       bool
}

// span is a piece of a state in one row.
type span struct {
	X, Y, Height int
	State        *state
	Whose        string
}

// state is a state of the code under test.
type state struct {
	Name  string
	Color int // of the palette
}

// Left is where the span's bar begins.
func (s span) Left() int { return s.X - 4 }

// Middle is where the row's marks are.
func (r row) Middle() int { return rowHeight / 2 }

// palette is how many colours the page has for states.
const palette = 10

// Palette has one element for each colour.
func (t *timeline) Palette() [palette]struct{} { return [palette]struct{}{} }

// maxRows is the most that a page shows of a trace, of which firstRows are its start.
const maxRows, firstRows = 4000, 1000

// gapLimit is the least silence that gets a row of its own.
const gapLimit = 10 * time.Millisecond

func newTimeline(events []fakepoller.Event, opts HTMLOptions) *timeline {
	t := &timeline{Title: opts.Title, Message: opts.Message, Notes: opts.Plan.Notes, Hostile: opts.Plan.Hostile(), Height: rowHeight}
	if t.Title == "" {
		t.Title = "edgewise timeline"
	}
	for i, d := range opts.Plan.Deviations {
		t.Plan = append(t.Plan, planLine{Number: i + 1, Text: d.String(), Notes: d.Notes, Row: -1})
	}
	subjects := findSubjects(events)
	shown := func(i int) bool { return !elided(i, len(events), &events[i]) }
	g := newGraph(events, subjects, shown)
	t.Lanes, t.Width, t.Upright = g.lanes, g.width, g.upright
	t.addRows(events, subjects, numbers(events, opts.Plan), g)
	t.States = make([]state, 0, len(g.states))
	for _, s := range g.states {
		t.States = append(t.States, *s)
	}
	t.Summary = summary(events, g)
	return t
}

func (t *timeline) addRows(events []fakepoller.Event, subjects []subject, numbers []int, g *graph) {
	before, shown, left := time.Duration(-1), time.Duration(-1), 0
	for i := range events {
		e := &events[i]
		if elided(i, len(events), e) {
			g.skip(e, subjects[i])
			before = e.At
			left++
			continue
		}
		if left > 0 {
			t.Rows = append(t.Rows, g.drawGap(fmt.Sprintf("(%d more)", left)))
			left = 0
		}
		if before >= 0 && e.At-before >= gapLimit {
			t.Rows = append(t.Rows, g.drawGap(length(e.At-before)))
		}
		before = e.At
		r := g.draw(e, subjects[i])
		if n := numbers[i]; n > 0 && t.Plan[n-1].Row < 0 {
			t.Plan[n-1].Row = i
		}
		r.describe(e, numbers[i])
		r.ID, r.SameTime = i, e.At == shown
		if r.Quiet {
			t.Quiet++
		} else {
			shown = e.At
		}
		t.Rows = append(t.Rows, r)
	}
}

// elided tells whether the i-th of n events is left out of a long page.
func elided(i, n int, e *fakepoller.Event) bool {
	if n <= maxRows || i < firstRows || i >= n-(maxRows-firstRows) {
		return false
	}
	return e.Call != fakepoller.CallDeviate && e.Call != fakepoller.CallFinding
}

// describe sets the words of a row.
func (r *row) describe(e *fakepoller.Event, number int) {
	r.Time, r.Actor, r.What = fmt.Sprintf("%.3f", e.At.Seconds()), e.Actor, e.What()
	if e.FD >= 0 {
		r.FD = fmt.Sprint(e.FD)
	}
	r.Quiet = quiet(e)
	switch e.Call {
	case fakepoller.CallDeviate:
		r.Number, r.What, r.Class = label(number), e.Text, "deviation"
		r.Text = strings.Trim(r.Number, "[]")
	case fakepoller.CallFinding:
		r.What, r.Class, r.Text = e.Text, "finding", "!"
	case fakepoller.CallNet:
		if e.Text == netRST {
			r.Class = "reset"
		}
	default:
		if alarming(e.Err) {
			r.Class = "error"
		}
	}
	r.Full = fullText(e)
}

// fullText is the line of the trace and what it leaves out.
func fullText(e *fakepoller.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nstep %d", e, e.Step)
	if e.From.IsValid() {
		fmt.Fprintf(&b, ", %s to %s", e.From, e.To)
	}
	if len(e.Data) > 0 {
		const most = 96
		fmt.Fprintf(&b, "\n%q", e.Data[:min(len(e.Data), most)])
		if len(e.Data) > most {
			fmt.Fprintf(&b, " and %d more bytes", len(e.Data)-most)
		}
	}
	return b.String()
}

func summary(events []fakepoller.Event, g *graph) string {
	if len(events) == 0 {
		return "nothing happened"
	}
	last := events[len(events)-1]
	text := count(len(events), "event")
	if n := g.counts[laneConn]; n > 0 {
		text += ", " + count(n, "connection")
	}
	if n := g.counts[laneWorker]; n > 0 {
		text += ", " + count(n, "worker")
	}
	return text + ", " + length(last.At) + " of virtual time"
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprint(n, " ", noun)
}

// length is a duration as a person says it.
func length(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%g s", d.Round(time.Millisecond).Seconds())
	case d > 0:
		return fmt.Sprintf("%g ms", float64(d.Round(time.Microsecond))/1e6)
	}
	return "0 s"
}
