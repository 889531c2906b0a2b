package faults

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mustParse returns the plan of lines without a header.
func mustParse(t *testing.T, body string) Plan {
	t.Helper()
	p, err := Parse(header + "\n" + body)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlanSource(t *testing.T) {
	s := mustParse(t, `
conn 1 segment 2: 3 bytes
listener 1 accept 2..3: EMFILE
listener 1 accept 3..: ENFILE
conn 1 segment 3: 100 bytes
conn 9 segment 1: 1 byte`).Source()
	tests := []struct {
		why   string
		point Point
		n     int
		want  int
	}{
		{"no deviation names it", Point{"conn 1", Segment, 1}, 10, 0},
		{"its deviation decides", Point{"conn 1", Segment, 2}, 10, 3},
		{"another operation of the actor", Point{"conn 1", Room, 2}, 10, 0},
		{"another actor", Point{"conn 2", Segment, 2}, 10, 0},
		{"before the range", Point{"listener 1", Accept, 1}, 8, 0},
		{"the range begins", Point{"listener 1", Accept, 2}, 8, 1},
		{"the first that names it wins", Point{"listener 1", Accept, 3}, 8, 1},
		{"then the next", Point{"listener 1", Accept, 4}, 8, 2},
		{"onward is for ever", Point{"listener 1", Accept, 1_000_000}, 8, 2},
		{"more than is offered is calm", Point{"conn 1", Segment, 3}, 100, 0},
	}
	for _, test := range tests {
		if got := s.Choose(test.point, test.n); got != test.want {
			t.Errorf("%s: %s of %d: got %d, want %d", test.why, test.point, test.n, got, test.want)
		}
	}
	var missed []string
	for _, d := range s.Missed() {
		missed = append(missed, d.String())
	}
	if diff := cmp.Diff([]string{"conn 1 segment 3: 100 bytes", "conn 9 segment 1: 1 byte"}, missed); diff != "" {
		t.Errorf("missed (-want +got):\n%s", diff)
	}
	if s.Choose(Point{"conn 1", Segment, 3}, 101) != 100 || len(s.Missed()) != 1 {
		t.Errorf("offered a range of 101 later: got missed %v, want only conn 9", s.Missed())
	}
}

func TestPlanSourcesShareNothing(t *testing.T) {
	p := mustParse(t, "conn 1 segment 1: 3 bytes")
	first, second := p.Source(), p.Source()
	first.Choose(Point{"conn 1", Segment, 1}, 10)
	if got := len(first.Missed()); got != 0 {
		t.Errorf("the source that was asked: got %d missed, want 0", got)
	}
	if got := len(second.Missed()); got != 1 {
		t.Errorf("the source that was not asked: got %d missed, want 1", got)
	}
}

func TestZeroPlanIsCalm(t *testing.T) {
	var p Plan
	if got := p.Source().Choose(Point{"conn 1", Segment, 1}, 10); got != 0 {
		t.Errorf("zero plan: got %d, want 0", got)
	}
	if got := p.Source().Missed(); got != nil {
		t.Errorf("zero plan: got missed %v, want none", got)
	}
	if got, want := p.String(), "edgewise plan v1\n"; got != want {
		t.Errorf("zero plan: got %q, want %q", got, want)
	}
}

func TestPlanIsHostileWhenADeviationIs(t *testing.T) {
	for body, want := range map[string]bool{
		"":                            false,
		"listener 1 accept 1: ENOMEM": false,
		"listener 1 accept 1: ENOMEM\nworker 1 resource 1: ENOMEM":  true,
		"worker 1 spurious 1: IN\nconn 1 segment 1: 1 byte":         true,
		"conn 1 reset 1: before\nworker 1 wait 1: 1 event\n# notes": false,
	} {
		if got := mustParse(t, body).Hostile(); got != want {
			t.Errorf("%q: got hostile %t, want %t", body, got, want)
		}
	}
}

func TestRecorderKeepsWhatWasAsked(t *testing.T) {
	r := Recorder{Source: mustParse(t, "conn 1 segment 2: 3 bytes\nlistener 1 accept 1..9: EMFILE").Source()}
	r.Choose(Point{"conn 1", Segment, 1}, 10)
	r.Choose(Point{"conn 1", Segment, 2}, 10)
	r.Choose(Point{"listener 1", Accept, 5}, 8)
	want := []Choice{
		{Point{"conn 1", Segment, 1}, 10, 0},
		{Point{"conn 1", Segment, 2}, 10, 3},
		{Point{"listener 1", Accept, 5}, 8, 1},
	}
	if !reflect.DeepEqual(r.Choices, want) {
		t.Errorf("choices: got %v, want %v", r.Choices, want)
	}
	if got, want := r.Plan().String(), "edgewise plan v1\nconn 1 segment 2: 3 bytes\nlistener 1 accept 5: EMFILE\n"; got != want {
		t.Errorf("plan: got\n%s want\n%s", got, want)
	}
}

func TestZeroRecorderIsCalm(t *testing.T) {
	var r Recorder
	if got := r.Choose(Point{"conn 1", Segment, 1}, 10); got != 0 || len(r.Choices) != 1 {
		t.Errorf("got %d and %d choices, want 0 and 1", got, len(r.Choices))
	}
	if got := r.Plan(); len(got.Deviations) != 0 {
		t.Errorf("got plan %v, want none", got)
	}
}

func TestCalm(t *testing.T) {
	for _, o := range Ops() {
		if got := Calm.Choose(Point{"conn 1", o, 1}, 100); got != 0 {
			t.Errorf("%s: got %d, want 0", o, got)
		}
	}
}
