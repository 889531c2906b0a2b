package traceview

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/poller"
)

func rendered(t testing.TB, events []fakepoller.Event, opts HTMLOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, events, opts); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// slow is a client that sends two bytes of its line, and the rest too late.
func slow(t testing.TB) ([]fakepoller.Event, faults.Plan) {
	plan := parsed(t, "conn 1 segment 1: 2 bytes\n# the rest\nconn 1 delay 2: 15.001s\n# that is all\n")
	return proxied(t, plan, 1), plan
}

func TestPageStays(t *testing.T) {
	events, plan := slow(t)
	checkGolden(t, "refused.html", rendered(t, refused(t), HTMLOptions{Title: "TestRefused", Message: "dial: got ECONNREFUSED, want a connection"}))
	checkGolden(t, "slow.html", rendered(t, events, HTMLOptions{Title: "TestSlow", Message: "client 1: got EOF, want an answer", Plan: plan}))
}

func TestPageOfEqualTracesIsEqual(t *testing.T) {
	a, plan := troubled(t)
	b, _ := troubled(t)
	if rendered(t, a, HTMLOptions{Plan: plan}) != rendered(t, b, HTMLOptions{Plan: plan}) {
		t.Error("two pages of one run: got a difference, want none")
	}
}

func TestPageOfNothing(t *testing.T) {
	if got := rendered(t, nil, HTMLOptions{}); !strings.Contains(got, "nothing happened") {
		t.Errorf("got %s\nwant it to say that nothing happened", got)
	}
}

// Whatever the code under test, a plan or a peer's bytes say is text.
func TestPageEscapesEverything(t *testing.T) {
	const evil = `</pre><script>alert(1)</script>"'<b>`
	events := said(t, addr, "", []byte(evil))
	for i := range events {
		if events[i].Call == fakepoller.CallAnnotate {
			events[i].Text = evil
		}
	}
	events = append(events, fakepoller.Event{Actor: evil, Call: fakepoller.CallSleep, FD: -1, N: -1})
	plan := faults.Plan{Notes: []string{evil}, Deviations: []faults.Deviation{{Actor: evil, Op: faults.Segment, From: 1, To: 1, Outcome: 1, Notes: []string{evil}}}}
	got := rendered(t, events, HTMLOptions{Title: evil, Message: evil, Plan: plan})
	if n := strings.Count(got, "<script"); n != 1 {
		t.Errorf("scripts: got %d, want the page's own", n)
	}
	if strings.Contains(got, "<b>") {
		t.Error("got a <b> that came from outside, want it escaped")
	}
}

func TestPageNeedsNothingFromOutside(t *testing.T) {
	events, plan := troubled(t)
	got := rendered(t, events, HTMLOptions{Plan: plan})
	if bad := regexp.MustCompile(`(src|href)="[^#]|url\(|@import|https?://`).FindString(got); bad != "" {
		t.Errorf("got %q in the page, want no address", bad)
	}
}

func TestPlanSaysWhereItWasMet(t *testing.T) {
	plan := parsed(t, "conn 1 segment 1..3: 2 bytes\nconn 7 segment 1: 3 bytes\nworker 1 wait 1: 1 event\n")
	events := proxied(t, plan, 1)
	page := newTimeline(events, HTMLOptions{Plan: plan})
	if row := page.Plan[0].Row; row < 0 || events[row].Call != fakepoller.CallDeviate || events[row].Text != "conn 1 segment 1: 2 bytes" {
		t.Errorf("deviation 1: got row %d, want the first that it covers", row)
	}
	if row := page.Plan[1].Row; row != -1 {
		t.Errorf("deviation 2: got row %d, want -1, because there is no conn 7", row)
	}
	for _, r := range page.Rows {
		if r.Class == "deviation" && r.Number != "[1]" {
			t.Errorf("%s: got number %s, want [1]", r.What, r.Number)
		}
	}
}

// A bar of a state is on the end that the descriptor is of, from the annotation to
// the next one or the close, without a hole.
func TestStatesLastUntilTheNextOrTheClose(t *testing.T) {
	events, plan := slow(t)
	page := newTimeline(events, HTMLOptions{Plan: plan})
	var got []string
	height := 0
	for _, r := range page.Rows {
		for _, s := range r.Spans {
			if text := s.Whose + ": " + s.State.Name; len(got) == 0 || got[len(got)-1] != text {
				got = append(got, text)
			}
			height += s.Height
		}
	}
	want := "[conn 1 server: inspecting conn 1 server: wants more conn 1 server: timed out]"
	if fmt.Sprint(got) != want {
		t.Errorf("states: got %v, want %v", got, want)
	}
	first, last := 0, 0
	for i, r := range page.Rows {
		if r.State != nil && first == 0 {
			first = i
		}
		if strings.HasPrefix(r.What, "close (conn 1 server") {
			last = i
		}
	}
	if want := (last - first) * rowHeight; height != want {
		t.Errorf("height of all bars: got %d, want %d, from row %d to row %d", height, want, first, last)
	}
}

// An annotation may be the first and the last that is ever said about a
// descriptor's life, and comes before its number is known to be a connection's.
func TestAnnotationsFindTheirConnection(t *testing.T) {
	events := said(t, addr, "", []byte("x"))
	subjects := findSubjects(events)
	for i, e := range events {
		switch e.Call {
		case fakepoller.CallAnnotate, fakepoller.CallRead:
			if got := subjects[i].end; got != "conn 1 server" {
				t.Errorf("%s: got %q, want conn 1 server", e, got)
			}
		case fakepoller.CallAccept:
			if got := subjects[i]; got != (subject{"listener 1", "conn 1"}) {
				t.Errorf("%s: got %v, want the listener and the connection", e, got)
			}
		case fakepoller.CallSocket, fakepoller.CallBind:
			if got := subjects[i].end; got != "listener 1" {
				t.Errorf("%s: got %q, want what it becomes", e, got)
			}
		}
	}
}

// A number is only ever what it is in one life: from the call that returned it to
// the close.
func TestSubjectsOfShortLives(t *testing.T) {
	accept := fakepoller.Event{Actor: "worker 1", Call: fakepoller.CallAccept, FD: 5, N: 6, About: "listener 1"}
	note := fakepoller.Event{Actor: "worker 1", Call: fakepoller.CallAnnotate, FD: 6, N: -1}
	read := func(about string) fakepoller.Event {
		return fakepoller.Event{Actor: "worker 1", Call: fakepoller.CallRead, FD: 6, About: about}
	}
	shut := fakepoller.Event{Actor: "worker 1", Call: fakepoller.CallClose, FD: 6, N: -1, About: "conn 1 server"}
	for _, c := range []struct {
		name   string
		events []fakepoller.Event
		want   string
	}{
		{"named later", []fakepoller.Event{accept, note, read("conn 1 server")}, "listener 1/conn 1, conn 1 server/conn 1, conn 1 server/conn 1"},
		{"named before", []fakepoller.Event{read("conn 1 server"), note}, "conn 1 server/conn 1, conn 1 server/conn 1"},
		{"a later life is another one's", []fakepoller.Event{accept, note, accept, read("conn 2 server")}, "listener 1/, /, listener 1/conn 2, conn 2 server/conn 2"},
		{"so is an earlier one", []fakepoller.Event{read("conn 1 server"), accept, note}, "conn 1 server/conn 1, listener 1/, /"},
		{"after the close", []fakepoller.Event{shut, note}, "conn 1 server/conn 1, /"},
	} {
		var got []string
		for _, s := range findSubjects(c.events) {
			got = append(got, s.end+"/"+s.conn)
		}
		if got := strings.Join(got, ", "); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// Peers hold the left end of a connection, whoever connected, and workers the right.
func TestPeersAreOnTheLeft(t *testing.T) {
	events := proxied(t, faults.Plan{}, 1)
	subjects := findSubjects(events)
	g := newGraph(events, subjects, func(int) bool { return true })
	looked := map[string]bool{}
	for i := range events {
		e, s := &events[i], subjects[i]
		r := g.draw(e, s)
		if connOf(s.end) == "" || r.Mark == 0 {
			continue
		}
		l := g.lane(s.end)
		looked[s.end] = true
		if got, want := l.end(s) > l.Middle(), isWorker(e.Actor); got != want {
			t.Errorf("%s: end on the right is %v, want %v", e, got, want)
		}
	}
	if len(looked) != 4 {
		t.Errorf("got %v, want both ends of two connections", looked)
	}
}

func TestWhatIsClosedCostsNothing(t *testing.T) {
	events := proxied(t, faults.Plan{}, 50)
	subjects := findSubjects(events)
	g := newGraph(events, subjects, func(int) bool { return true })
	for i := range events {
		if i%2 == 0 {
			g.draw(&events[i], subjects[i])
		} else {
			g.skip(&events[i], subjects[i])
		}
	}
	if got := len(g.tracks); got != 3 || len(g.byTrack) != got {
		t.Errorf("tracks at the end: got %d and %d by name, want those of 3 listeners", got, len(g.byTrack))
	}
}

func TestReusedNumbersAreWhatTheyWereThen(t *testing.T) {
	w := fakepoller.New(fakepoller.Config{Trace: true})
	defer w.Close()
	k := w.NewWorker()
	l, _ := poller.ListenTCP(k, addr, poller.ListenConfig{})
	client := w.Hand("client")
	for range 3 {
		c, _ := client.Dial(addr)
		fd, _, err := k.Accept(l)
		if err != nil {
			t.Fatal(err)
		}
		k.Annotate(fd, "accepted")
		k.Close(fd)
		c.Close()
	}
	var got []string
	events := w.Trace()
	for i, s := range findSubjects(events) {
		if events[i].Call == fakepoller.CallAnnotate {
			got = append(got, s.end)
		}
	}
	if want := "[conn 1 server conn 2 server conn 3 server]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestSilenceHasARow(t *testing.T) {
	events, plan := slow(t)
	var got []string
	for _, r := range newTimeline(events, HTMLOptions{Plan: plan}).Rows {
		if r.Gap != "" {
			got = append(got, r.Gap)
		}
	}
	if fmt.Sprint(got) != "[15 s]" {
		t.Errorf("got %v, want [15 s]", got)
	}
	for d, want := range map[time.Duration]string{15_001 * time.Millisecond: "15.001 s", 40 * time.Millisecond: "40 ms", 1500 * time.Microsecond: "1.5 ms", 0: "0 s"} {
		if got := length(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

func TestLongTracesAreCutInTheMiddle(t *testing.T) {
	events := make([]fakepoller.Event, 3*maxRows)
	for i := range events {
		events[i] = fakepoller.Event{Step: i, Actor: "client", Call: fakepoller.CallSleep, FD: -1, N: -1}
	}
	events[maxRows] = fakepoller.Event{Actor: "conn 1", Call: fakepoller.CallDeviate, FD: -1, N: -1, Text: "conn 1 segment 1: 1 byte"}
	page := newTimeline(events, HTMLOptions{})
	got := 0
	for _, r := range page.Rows {
		if r.Gap == "" {
			got++
		}
	}
	if want := maxRows + 1; got != want {
		t.Errorf("rows: got %d, want %d: start, end and the deviation", got, want)
	}
}

// What is left out still opens and closes sockets, and has no lane of its own.
func TestLongTracesKeepOnlyTheLanesThatTheyShow(t *testing.T) {
	events := proxied(t, faults.Plan{}, 400)
	page := newTimeline(events, HTMLOptions{})
	names := map[string]bool{}
	for _, l := range page.Lanes {
		names[l.Name] = true
	}
	all := map[string]bool{}
	for _, s := range findSubjects(events) {
		all[s.conn] = true
	}
	if len(events) < 2*maxRows || !names["conn 1"] || len(names) >= len(all) {
		t.Errorf("%d events: got %d lanes of %d connections, want those at the start and at the end", len(events), len(names), len(all))
	}
	last := page.Rows[len(page.Rows)-1]
	if got := strings.Count(last.Ends, "M"); got > 2*5 || len(last.Spans) > 0 { // listeners stay
		t.Errorf("last row: got %d halves of open sockets and %d states, want those of 5 listeners at most and none", got, len(last.Spans))
	}
}

// The page in a browser: lanes and marks are there, and the script has run
// without taking them away.
func TestChromiumShowsLanesAndMarks(t *testing.T) {
	events, plan := troubled(t)
	dom := dump(t, rendered(t, events, HTMLOptions{Title: "TestProxy", Message: "got < want", Plan: plan})+
		`<script>document.querySelector('[data-lane="9"]').click();document.getElementById("e7").click();</script>`)
	for _, want := range []string{
		`<pre class="message">got &lt; want</pre>`, `>client 1</button>`, `>conn 1</button>`, `>worker 2</button>`,
		`class="flagtext"`, `[5] conn 9 fin 1: 1ms`, `href="#e`,
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("dom: got no %q", want)
		}
	}
	if got := strings.Count(dom, `<div class="row`); got < len(events) {
		t.Errorf("rows: got %d, want at least %d", got, len(events))
	}
	if got := strings.Count(dom, " hide\""); got == 0 || got == len(events) {
		t.Errorf("rows hidden by a click on a lane: got %d of %d, want some", got, len(events))
	}
	_, detail, _ := strings.Cut(dom, `<pre id="detail">`)
	if want := strings.TrimSpace(events[7].String()); !strings.HasPrefix(strings.TrimSpace(detail), want) {
		t.Errorf("detail after a click: got %.80q, want %q", detail, want)
	}
}

// dump returns the document as Chromium has it after running its scripts.
func dump(t *testing.T, page string) string {
	t.Helper()
	path := ""
	for _, name := range [...]string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("SKIPPED: Chromium is not installed; only the golden page is compared")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	if err := os.WriteFile(file, []byte(page), 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir="+filepath.Join(dir, "profile"), "--dump-dom", "file://"+filepath.ToSlash(file)).Output()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(out)
}
