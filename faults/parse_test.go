package faults

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// dev is a deviation at one point.
func dev(actor string, op Op, seq, outcome int) Deviation {
	return Deviation{Actor: actor, Op: op, From: seq, To: seq, Outcome: outcome}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		text string
		want Plan
	}{
		{"an empty plan is calm", "edgewise plan v1\n", Plan{}},
		{"the last line need not end", "edgewise plan v1\nconn 1 segment 1: 3 bytes", Plan{Deviations: []Deviation{dev("conn 1", Segment, 1, 3)}}},
		{"lines may end in CRLF", "edgewise plan v1\r\nconn 1 segment 1: 3 bytes\r\n# end\r\n", Plan{Deviations: []Deviation{dev("conn 1", Segment, 1, 3)}, Notes: []string{"end"}}},
		{"empty lines and indentation do not count", "\n  edgewise plan v1\n\n\t conn  1\tsegment 1 :  3   bytes \n\n", Plan{Deviations: []Deviation{dev("conn 1", Segment, 1, 3)}}},
		{"a time may be told in any unit", "edgewise plan v1\nconn 1 delay 1: 1.5s\nconn 1 delay 2: 1500ms", Plan{Deviations: []Deviation{dev("conn 1", Delay, 1, 1500), dev("conn 1", Delay, 2, 1500)}}},
		{"nouns need not agree with their number", "edgewise plan v1\nconn 1 segment 1: 1 bytes\nworker 1 wait 1: 2 event", Plan{Deviations: []Deviation{dev("conn 1", Segment, 1, 1), dev("worker 1", Wait, 1, 2)}}},
		{"an actor is one word or several", "edgewise plan v1\nclient run 1: pick 1\nconn 2 server reset 1: after", Plan{Deviations: []Deviation{dev("client", Run, 1, 1), dev("conn 2 server", Reset, 1, 2)}}},
		{"a range has an end or none", "edgewise plan v1\nlistener 1 accept 4..6: EMFILE\nlistener 1 accept 9..: ENFILE\nlistener 1 accept 8..8: EMFILE", Plan{Deviations: []Deviation{
			{Actor: "listener 1", Op: Accept, From: 4, To: 6, Outcome: 1},
			{Actor: "listener 1", Op: Accept, From: 9, To: Onward, Outcome: 2},
			{Actor: "listener 1", Op: Accept, From: 8, To: 8, Outcome: 1},
		}}},
		{"peers may be left out", "edgewise plan v1\nwithout client 2\n without\tbob \nwithout x run 1: pick 1", Plan{
			Without: []string{"client 2", "bob"}, Deviations: []Deviation{dev("without x", Run, 1, 1)},
		}},
		{"notes go with what follows them", "# lost\nedgewise plan v1\n#one\n#  two\n#\nconn 1 fin 1: 1ms\n# last", Plan{
			Deviations: []Deviation{{Actor: "conn 1", Op: Fin, From: 1, To: 1, Outcome: 1, Notes: []string{"one", "two", ""}}},
			Notes:      []string{"last"},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse(test.text)
			if err != nil {
				t.Fatalf("Parse(%q): got %v, want no error", test.text, err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", test.text, diff)
			}
		})
	}
}

// TestEveryOperationRoundTrips states the text of every unit of every operation.
func TestEveryOperationRoundTrips(t *testing.T) {
	tests := []struct {
		line string
		want Deviation
	}{
		{"world run 1: pick 2", dev("world", Run, 1, 2)},
		{"worker 1 pause 2: 15.001s", dev("worker 1", Pause, 2, 15_001)},
		{"listener 1 accept 3: EMFILE", dev("listener 1", Accept, 3, 1)},
		{"listener 1 accept 3: ENFILE", dev("listener 1", Accept, 3, 2)},
		{"listener 1 accept 3: ECONNABORTED", dev("listener 1", Accept, 3, 3)},
		{"listener 1 accept 3: EINTR", dev("listener 1", Accept, 3, 4)},
		{"listener 1 accept 3: ENOBUFS", dev("listener 1", Accept, 3, 5)},
		{"listener 1 accept 3: ENOMEM", dev("listener 1", Accept, 3, 6)},
		{"listener 1 accept 3: EPROTO", dev("listener 1", Accept, 3, 7)},
		{"conn 1 connect 1: ECONNREFUSED", dev("conn 1", Connect, 1, 1)},
		{"conn 1 connect 1: ETIMEDOUT", dev("conn 1", Connect, 1, 2)},
		{"conn 1 connect 1: EHOSTUNREACH", dev("conn 1", Connect, 1, 3)},
		{"conn 1 handshake 1: 1s", dev("conn 1", Handshake, 1, 1000)},
		{"conn 1 segment 1: 1 byte", dev("conn 1", Segment, 1, 1)},
		{"conn 1 segment 1: 517 bytes", dev("conn 1", Segment, 1, 517)},
		{"conn 1 delay 1: 2m0s", dev("conn 1", Delay, 1, MaxTime)},
		{"conn 1 server fin 1: 1ms", dev("conn 1 server", Fin, 1, 1)},
		{"conn 1 reset 1: before", dev("conn 1", Reset, 1, 1)},
		{"conn 1 reset 1: after", dev("conn 1", Reset, 1, 2)},
		{"conn 1 server room 1: 0 bytes", dev("conn 1 server", Room, 1, 1)},
		{"conn 1 server room 1: 1 byte", dev("conn 1 server", Room, 1, 2)},
		{"worker 1 wait 9: 1 event", dev("worker 1", Wait, 9, 1)},
		{"worker 1 wait 9: 2 events", dev("worker 1", Wait, 9, 2)},
		{"worker 1 order 9: pick 1", dev("worker 1", Order, 9, 1)},
		{"worker 1 wake 9: 1ms", dev("worker 1", Wake, 9, 1)},
		{"worker 1 timer 9: 40ms", dev("worker 1", Timer, 9, 40)},
		{"worker 1 interrupt 9: EINTR", dev("worker 1", Interrupt, 9, 1)},
		{"worker 1 interrupt 1: later", dev("worker 1", Interrupt, 1, 2)},
		{"worker 1 spurious 9: IN", dev("worker 1", Spurious, 9, 1)},
		{"worker 1 resource 9: ENOMEM", dev("worker 1", Resource, 9, 1)},
		{"worker 1 resource 9: ENOBUFS", dev("worker 1", Resource, 9, 2)},
		{"worker 1 resource 9: ENFILE", dev("worker 1", Resource, 9, 3)},
		{"worker 1 resource 9: ENOSPC", dev("worker 1", Resource, 9, 4)},
		{"conn 1 queue 1: 200ms", dev("conn 1", Queue, 1, 200)},
		{"conn 1 share 1: pick 1", dev("conn 1", Share, 1, 1)},
		{"world waiter 1: pick 1", dev("world", Waiter, 1, 1)},
		{"conn 1 server space 1: 40ms", dev("conn 1 server", Space, 1, 40)},
		{"conn 1 server ack 1: 40ms", dev("conn 1 server", Ack, 1, 40)},
		{"worker 1 empty 9: nothing", dev("worker 1", Empty, 9, 1)},
		{"listener 1 accept 4..6: EMFILE", Deviation{Actor: "listener 1", Op: Accept, From: 4, To: 6, Outcome: 1}},
		{"listener 1 accept 4..: EMFILE", Deviation{Actor: "listener 1", Op: Accept, From: 4, To: Onward, Outcome: 1}},
	}
	seen := map[Op]bool{}
	for _, test := range tests {
		seen[test.want.Op] = true
		if got := test.want.String(); got != test.line {
			t.Errorf("%#v: got %q, want %q", test.want, got, test.line)
		}
		p, err := Parse(header + "\n" + test.line)
		if err != nil {
			t.Errorf("Parse(%q): %v", test.line, err)
			continue
		}
		if want := (Plan{Deviations: []Deviation{test.want}}); !reflect.DeepEqual(p, want) {
			t.Errorf("Parse(%q): got %#v, want %#v", test.line, p, want)
		}
	}
	for _, o := range Ops() {
		if !seen[o] {
			t.Errorf("operation %s: got no case here, want one", o)
		}
	}
}

func TestParseErrors(t *testing.T) {
	const opsWanted = "run, pause, accept, connect, handshake, segment, delay, fin, reset, room, wait, order, wake, timer, interrupt, spurious, resource, queue, share, waiter, space, ack, empty"
	const (
		timeWanted  = `a time in whole milliseconds up to 2m0s, as in "40ms" or "15.001s"`
		seqWanted   = `a number from 1, or a range as in "4..6" or "4.."`
		actorWanted = `an actor, an operation and a number, as in "conn 2 segment 1"`
	)
	tests := []struct {
		body string // after the header
		want string
	}{
		{" without ", `plan:2:9: got end of line, want the name of a peer, as in "without client 2"`},
		{"conn 1 segment 1", `plan:2:17: got end of line, want ":" and an outcome`},
		{"conn 1 segment 1  \r", `plan:2:17: got end of line, want ":" and an outcome`},
		{"\n# note\nsegment 1: 3 bytes", `plan:4:1: got "segment 1", want ` + actorWanted},
		{"  : 3 bytes", `plan:2:3: got "", want ` + actorWanted},
		{"conn 1 sgement 1: 3 bytes", `plan:2:8: got "sgement", want an operation: ` + opsWanted},
		{"conn 1 segment 0: 3 bytes", `plan:2:16: got "0", want ` + seqWanted},
		{"conn 1 segment 01: 3 bytes", `plan:2:16: got "01", want ` + seqWanted},
		{"conn 1 segment +1: 3 bytes", `plan:2:16: got "+1", want ` + seqWanted},
		{"conn 1 segment 6..4: 3 bytes", `plan:2:16: got "6..4", want ` + seqWanted},
		{"conn 1 segment ..4: 3 bytes", `plan:2:16: got "..4", want ` + seqWanted},
		{"conn 1 segment 4...: 3 bytes", `plan:2:16: got "4...", want ` + seqWanted},
		{"conn 1 segment 2147483647: 3 bytes", `plan:2:16: got "2147483647", want ` + seqWanted},
		{"conn 1 segment 99999999999999999999: 3 bytes", `plan:2:16: got "99999999999999999999", want ` + seqWanted},
		{"conn 1 segment one: 3 bytes", `plan:2:16: got "one", want ` + seqWanted},
		{"conn 1 segment 1:", `plan:2:18: got nothing, want a number of bytes from 1, as in "3 bytes"`},
		{"conn 1 segment 1: 0 bytes", `plan:2:19: got "0 bytes", want a number of bytes from 1, as in "3 bytes"`},
		{"conn 1 segment 1: 3", `plan:2:19: got "3", want a number of bytes from 1, as in "3 bytes"`},
		{"conn 1 segment 1: 3 bytes more", `plan:2:19: got "3 bytes more", want a number of bytes from 1, as in "3 bytes"`},
		{"conn 1 room 1: -1 bytes", `plan:2:16: got "-1 bytes", want a number of bytes, as in "0 bytes"`},
		{"worker 1 wait 1: 0 events", `plan:2:18: got "0 events", want a number of events from 1, as in "1 event"`},
		{"worker 1 wait 1: 1 byte", `plan:2:18: got "1 byte", want a number of events from 1, as in "1 event"`},
		{"conn 1 delay 1: 0s", `plan:2:17: got "0s", want ` + timeWanted},
		{"conn 1 delay 1: 1us", `plan:2:17: got "1us", want ` + timeWanted},
		{"conn 1 delay 1: 120.001s", `plan:2:17: got "120.001s", want ` + timeWanted},
		{"conn 1 delay 1: 1 s", `plan:2:17: got "1 s", want ` + timeWanted},
		{"conn 1 delay 1: later", `plan:2:17: got "later", want ` + timeWanted},
		{"conn 1 delay 1: 5ms:", `plan:2:17: got "5ms:", want ` + timeWanted},
		{"listener 1 accept 1: EPIPE", `plan:2:22: got "EPIPE", want one of EMFILE, ENFILE, ECONNABORTED, EINTR, ENOBUFS, ENOMEM, EPROTO`},
		{"listener 1 accept 1: ok", `plan:2:22: got "ok", want one of EMFILE, ENFILE, ECONNABORTED, EINTR, ENOBUFS, ENOMEM, EPROTO`},
		{"listener 1 accept 1: EMFILE EMFILE", `plan:2:22: got "EMFILE EMFILE", want one of EMFILE, ENFILE, ECONNABORTED, EINTR, ENOBUFS, ENOMEM, EPROTO`},
		{"conn 1 connect 1: EMFILE", `plan:2:19: got "EMFILE", want one of ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH`},
		{"conn 1 reset 1: during", `plan:2:17: got "during", want one of before, after`},
		{"worker 1 interrupt 1: EMFILE", `plan:2:23: got "EMFILE", want one of EINTR, later`},
		{"worker 1 spurious 1: OUT", `plan:2:22: got "OUT", want one of IN`},
		{"worker 1 resource 1: EMFILE", `plan:2:22: got "EMFILE", want one of ENOMEM, ENOBUFS, ENFILE, ENOSPC`},
		{"worker 1 order 1: 2", `plan:2:19: got "2", want "pick" and a number from 1`},
		{"worker 1 order 1: pick 0", `plan:2:19: got "pick 0", want "pick" and a number from 1`},
		{"conn 1 segment 1: " + strings.Repeat("x", 50), `plan:2:19: got "` + strings.Repeat("x", 40) + `...", want a number of bytes from 1, as in "3 bytes"`},
	}
	for _, test := range tests {
		t.Run(test.body, func(t *testing.T) { checkParseError(t, header+"\n"+test.body, test.want) })
	}
	for text, want := range map[string]string{
		"":                      `plan:1:1: got no header, want "edgewise plan v1"`,
		"\n# only notes\n":      `plan:1:1: got no header, want "edgewise plan v1"`,
		"\n  edgewise plan v2":  `plan:2:3: got "edgewise plan v2", want "edgewise plan v1"`,
		"conn 1 segment 1: 3 b": `plan:1:1: got "conn 1 segment 1: 3 b", want "edgewise plan v1"`,
	} {
		t.Run("header of "+text, func(t *testing.T) { checkParseError(t, text, want) })
	}
}

func checkParseError(t *testing.T, text, want string) {
	t.Helper()
	p, err := Parse(text)
	var e *ParseError
	if !errors.As(err, &e) {
		t.Fatalf("Parse(%q): got %v, %v, want a *ParseError", text, p, err)
	}
	if e.Error() != want {
		t.Errorf("Parse(%q):\n got %s\nwant %s", text, e, want)
	}
	if !reflect.DeepEqual(p, Plan{}) {
		t.Errorf("Parse(%q): got plan %v with an error, want the zero plan", text, p)
	}
}

// TestPlansRoundTrip: whatever a plan holds, Parse(p.String()) is p.
func TestPlansRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawPlan(t)
		got, err := Parse(want.String())
		if err != nil {
			t.Fatalf("Parse of\n%s: %v", want, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round trip of\n%s(-want +got):\n%s", want, diff)
		}
	})
}

func drawPlan(t *rapid.T) Plan {
	notes := rapid.SliceOfN(rapid.StringMatching(`([!-~]+( [!-~]+)*)?`), 1, 3)
	maybe := func(label string) []string {
		if rapid.Bool().Draw(t, label) {
			return notes.Draw(t, label)
		}
		return nil
	}
	var p Plan
	for range rapid.IntRange(0, 5).Draw(t, "deviations") {
		d := Deviation{
			Actor: rapid.StringMatching(`[a-z][a-z0-9_-]*( [a-z0-9]+)*`).Draw(t, "actor"),
			Op:    rapid.SampledFrom(Ops()).Draw(t, "op"),
			From:  rapid.IntRange(1, 1_000_000).Draw(t, "from"),
			Notes: maybe("notes"),
		}
		d.To = rapid.OneOf(rapid.Just(d.From), rapid.IntRange(d.From, Onward-1), rapid.Just(Onward)).Draw(t, "to")
		n := d.Op.Range()
		if n == 0 {
			n = 1 << 20
		}
		d.Outcome = rapid.IntRange(1, n-1).Draw(t, "outcome")
		p.Deviations = append(p.Deviations, d)
	}
	p.Notes = maybe("last notes")
	return p
}

func FuzzParse(f *testing.F) {
	f.Add("edgewise plan v1\n# a client that dribbles its hello\nconn 2 segment 1: 3 bytes\nconn 2 delay 2: 15.001s\nlistener 1 accept 4..6: EMFILE\n# end\n")
	f.Add("edgewise plan v1\r\nworker 1 wait 4..: 1 event\r\nconn 1 server room 1: 0 bytes\r\n")
	f.Add("edgewise plan v1\nworld run 1: pick 2\nconn 2 reset 1: before\nworker 1 interrupt 1: EINTR\nworker 1 spurious 3: IN")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			var e *ParseError
			if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || e.Line > 1+strings.Count(text, "\n") {
				t.Fatalf("Parse(%q): got error %v, want a position in the text", text, err)
			}
			return
		}
		again, err := Parse(p.String())
		if err != nil {
			t.Fatalf("Parse(%q) prints\n%s\nwhich does not parse: %v", text, p, err)
		}
		if !reflect.DeepEqual(p, again) {
			t.Fatalf("Parse(%q) prints\n%s\nwhich parses to\n%s\n got %#v\nwant %#v", text, p, again, again, p)
		}
		if p.String() != again.String() {
			t.Fatalf("second print: got\n%s\nwant\n%s", again, p)
		}
	})
}
