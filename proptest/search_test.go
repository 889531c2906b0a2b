package proptest_test

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/pipeline"
	"edgewise.test/poller"
	"edgewise.test/proptest"
	"pgregory.net/rapid"
)

// wholeLine is serve without the mistake: it waits for the end of the line. When
// accept fails it lets the listener rest, or a hundred failures in a row are a spin.
func wholeLine(k poller.Kernel, listener poller.FD) {
	var events [8]poller.Event
	lines := map[poller.FD][]byte{}
	k.Add(listener, poller.In, 0)
	rested := time.Duration(-1) // when the listener has
	for {
		timeout := time.Duration(-1)
		if rested >= 0 {
			timeout = max(rested-k.Now(), 0)
		}
		n, _ := k.Wait(events[:], timeout)
		if rested >= 0 && k.Now() >= rested { // an interrupted wait is no rest
			k.Modify(listener, poller.In, 0)
			rested = -1
		}
		for _, e := range events[:n] {
			if e.Token == 0 {
				if fd, _, err := k.Accept(listener); err == nil {
					k.Add(fd, poller.In, poller.Token(fd))
				} else {
					k.Modify(listener, 0, 0)
					rested = k.Now() + time.Millisecond
				}
				continue
			}
			fd := poller.FD(e.Token)
			buffer := make([]byte, 64)
			n, err := k.Read(fd, buffer)
			lines[fd] = append(lines[fd], buffer[:n]...)
			line := string(lines[fd])
			if n > 0 && !strings.Contains(line, "\n") {
				continue
			}
			if err == nil && line == "PING\n" {
				writeAll(k, fd, "PONG\n")
			}
			k.Close(fd)
			delete(lines, fd)
		}
	}
}

// writeAll waits for room for the rest, or for the end of the connection, and lets
// everybody else wait too.
func writeAll(k poller.Kernel, fd poller.FD, text string) {
	for {
		n, err := k.Write(fd, []byte(text))
		if text = text[n:]; text == "" || err != nil && err != syscall.EAGAIN {
			return
		}
		k.Modify(fd, poller.Out, 0)
		for woken := false; !woken; {
			var events [8]poller.Event
			n, _ := k.Wait(events[:], -1)
			for _, e := range events[:n] {
				woken = woken || e.Events&poller.Out != 0
			}
		}
	}
}

// line is pingpong with any server.
func line(serve func(poller.Kernel, poller.FD)) func(*proptest.World) {
	return func(w *proptest.World) {
		k := w.NewWorker()
		listener, _ := poller.ListenTCP(k, addr, poller.ListenConfig{})
		k.Go(func() { serve(k, listener) })
		w.Peer("client", func(p *fakepoller.Peer) {
			c, err := p.Dial(addr)
			if err != nil {
				return
			}
			io.WriteString(c, "PING\n")
			answer, err := io.ReadAll(c)
			w.Delivered("the answer", []byte("PONG\n"), answer, err == nil && w.Injected(faults.Reset) == 0 && w.Injected(faults.Pause) == 0)
		})
		w.Run()
	}
}

func TestSearchFindsNothingInAGoodServer(t *testing.T) {
	r := proptest.Search(proptest.Config{Scenario: line(wholeLine), Schedules: 3000})
	if r.Failure != nil {
		t.Fatalf("got a failure, want none:\n%s", r.Failure.Report())
	}
	if !r.AllSingle || r.Single == 0 || r.Random == 0 {
		t.Errorf("got %+v, want all single deviations and some random runs", r.Stats)
	}
}

// The counts are what they say: every alternative of every choice, once.
func TestSearchTriesEverySingleDeviation(t *testing.T) {
	var recorder faults.Recorder
	proptest.Run(proptest.Config{Scenario: line(wholeLine)}, &recorder)
	want := 0
	for _, c := range recorder.Choices {
		want += len(c.Point.Op.Alternatives(nil, c.N))
	}
	r := proptest.Search(proptest.Config{Scenario: line(wholeLine), Schedules: 3000})
	if r.Choices != len(recorder.Choices) || r.Single != want || !r.AllSingle {
		t.Errorf("got %d choices and %d single deviations, all %t, want %d and %d, all", r.Choices, r.Single, r.AllSingle, len(recorder.Choices), want)
	}
}

// The same search on any number of cores finds the same.
func TestSearchDoesNotDependOnCores(t *testing.T) {
	search := func(cores int) proptest.Result {
		r := proptest.Search(proptest.Config{Scenario: threeRefusals, Seed: 7, Cores: cores, Schedules: 20_000})
		r.Elapsed = 0
		return r
	}
	want := search(1)
	if want.Failure == nil {
		t.Fatal("got no failure")
	}
	for _, cores := range []int{2, 3, 8} {
		if got := search(cores); got.Stats != want.Stats || got.Failure.Plan.String() != want.Failure.Plan.String() || got.Failure.Schedule != want.Failure.Schedule {
			t.Errorf("%d cores: got %+v\n%s\nwant %+v\n%s", cores, got.Stats, got.Failure.Plan, want.Stats, want.Failure.Plan)
		}
	}
}

// Shards do each piece once: together they run what one search runs.
func TestShardsAddUp(t *testing.T) {
	whole := proptest.Search(proptest.Config{Scenario: line(wholeLine), Schedules: 100_000, Strategies: []string{"single", "pairs", "swarm"}})
	single, pairs := 0, 0
	for i := range 3 {
		r := proptest.Search(proptest.Config{Scenario: line(wholeLine), Schedules: 100_000, Shard: i, Shards: 3})
		if !r.AllSingle || !r.AllPairs {
			t.Fatalf("shard %d: got %+v, want all of its share", i, r.Stats)
		}
		single += r.Single
		pairs += r.Pairs
	}
	if single != whole.Single || pairs != whole.Pairs {
		t.Errorf("got %d single and %d pairs in three shards, want %d and %d", single, pairs, whole.Single, whole.Pairs)
	}
}

// A small budget is not overrun by what was begun for nothing.
func TestSearchKeepsToItsBudget(t *testing.T) {
	for _, budget := range []int{3, 50, 500, 2000} {
		var runs atomic.Int64
		r := proptest.Search(proptest.Config{Schedules: budget, Cores: 2, Scenario: func(w *proptest.World) {
			runs.Add(1)
			line(wholeLine)(w)
		}})
		if got := int(runs.Load()); got > 2*budget+400 {
			t.Errorf("budget %d: the scenario ran %d times, and %d were counted", budget, got, r.Schedules)
		}
	}
}

func TestGoals(t *testing.T) {
	r := proptest.Search(proptest.Config{Schedules: 2000, Goals: []string{"answered", "the impossible"}, Scenario: func(w *proptest.World) {
		line(wholeLine)(w)
		w.Sometimes("answered")
	}})
	if !slices.Contains(r.Reached, "answered") || !slices.Contains(r.Missed, "the impossible") || !slices.Contains(r.Reached, "a reset behind unread bytes") {
		t.Errorf("got reached %q and missed %q", r.Reached, r.Missed)
	}
}

// threeRefusals fails when three of six accepts do.
func threeRefusals(w *proptest.World) {
	k := w.NewWorker()
	listener, _ := poller.ListenTCP(k, addr, poller.ListenConfig{})
	k.Add(listener, poller.In, 0)
	var events [8]poller.Event
	refused := 0
	for range 6 {
		w.Hand("client").Dial(addr)
		k.Wait(events[:], 0)
		if fd, _, err := k.Accept(listener); err != nil {
			refused++
		} else {
			k.Close(fd)
		}
	}
	if refused >= 3 {
		w.Errorf("three accepts failed")
	}
}

// A failure that takes three deviations is found at random and shrunk to three.
func TestShrinkToThree(t *testing.T) {
	scenario := threeRefusals
	r := proptest.Search(proptest.Config{Scenario: scenario, Seed: 7, Schedules: 20_000})
	if r.Failure == nil {
		t.Fatalf("got no failure in %s", r.Summary())
	}
	if n := len(r.Failure.Plan.Deviations); n != 3 {
		t.Errorf("got %d deviations, want 3:\n%s", n, r.Failure.Plan)
	}
	for i := range r.Failure.Plan.Deviations {
		less := faults.Plan{Deviations: append(append([]faults.Deviation(nil), r.Failure.Plan.Deviations[:i]...), r.Failure.Plan.Deviations[i+1:]...)}
		if f := proptest.Replay(proptest.Config{Scenario: scenario}, less); f != nil {
			t.Errorf("without deviation %d it fails too: the plan is not minimal", i+1)
		}
	}
}

// Peers that a failure does not need are left out, and what is named after the
// number of a connection is renamed; a peer whose absence is a failure stays.
func TestShrinkLeavesPeersOut(t *testing.T) {
	scenario := func(w *proptest.World) {
		l, _ := w.Hand("server").Listen(addr)
		answered := 0
		w.Peer("host", func(*fakepoller.Peer) { answered++ })
		for _, name := range []string{"alice", "bob", "carol"} {
			w.Peer(name, func(p *fakepoller.Peer) {
				if _, err := p.Dial(addr); name == "bob" && err != nil {
					w.Errorf("wrong: %d", 2)
				}
			})
		}
		w.Run()
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			c.Reset()
		}
		if answered != 1 {
			w.Errorf("wrong: %d", -1)
		}
	}
	plan, err := faults.Parse("edgewise plan v1\nconn 2 connect 1: ECONNREFUSED\n")
	if err != nil {
		t.Fatal(err)
	}
	if f := proptest.Replay(proptest.Config{Scenario: scenario}, plan); f == nil {
		t.Fatal("the plan: got no failure, want one")
	}
	f := proptest.Search(proptest.Config{Scenario: scenario, Strategies: []string{"single"}}).Failure
	if f == nil {
		t.Fatal("got no failure, want one")
	}
	for _, line := range []string{"without carol\n", "without alice\n", "conn 1 "} {
		if !strings.Contains(f.Plan.String(), line) {
			t.Errorf("got plan\n%swant a line with %q", f.Plan, line)
		}
	}
	if again := proptest.Replay(proptest.Config{Scenario: scenario}, f.Plan); again == nil || again.Digest != f.Digest {
		t.Errorf("replay: got %+v, want the same failure", again)
	}
	if strings.Contains(f.Plan.String(), "host") {
		t.Errorf("got plan\n%swant the host, whose absence is another failure", f.Plan)
	}
}

// The moment names the deviation that matters: the second of two here.
func TestMoment(t *testing.T) {
	r := proptest.Search(proptest.Config{Seed: 3, Scenario: func(w *proptest.World) {
		k := w.NewWorker()
		listener, _ := poller.ListenTCP(k, addr, poller.ListenConfig{})
		failed := 0
		for range 2 {
			w.Hand("client").Dial(addr)
			fd, _, err := k.Accept(listener)
			if err == syscall.EMFILE {
				failed++
			}
			if err == nil {
				k.Close(fd)
			}
		}
		if failed == 2 {
			w.Errorf("both failed")
		}
	}})
	m := r.Failure.Moment
	if len(m.Failed) != 3 || m.Failed[2] != m.Runs || m.Failed[1] >= m.Runs {
		t.Errorf("got %v of %d, want it to be inevitable after the second deviation only", m.Failed, m.Runs)
	}
	if got := m.String(); !strings.Contains(got, "inevitable at [2]") {
		t.Errorf("got %q", got)
	}
}

func TestReplayRepeats(t *testing.T) {
	c := proptest.Config{Scenario: pingpong}
	f := proptest.Search(c).Failure
	for i := range 100 {
		again := proptest.Replay(c, f.Plan)
		if again == nil || again.Message != f.Message || again.Digest != f.Digest || again.Unrepeatable != "" {
			t.Fatalf("replay %d: got %+v, want digest %x and %q", i, again, f.Digest, f.Message)
		}
	}
}

func TestReplayNamesWhatDoesNotRepeat(t *testing.T) {
	runs := 0
	f := proptest.Replay(proptest.Config{Scenario: func(w *proptest.World) {
		runs++
		w.Peer("client", func(p *fakepoller.Peer) { p.Sleep(time.Duration(runs) * time.Second) })
		w.Run()
	}}, faults.Plan{})
	if f == nil || f.Unrepeatable == "" {
		t.Fatalf("got %+v, want it to be unrepeatable", f)
	}
	if report := f.Report(); !strings.Contains(report, "NOT REPEATABLE") {
		t.Errorf("got report\n%s\nwant it to say so", report)
	}
}

func TestReplayTellsWhatWasNotMet(t *testing.T) {
	plan, err := faults.Parse("edgewise plan v1\nconn 1 segment 1: 1 byte\nconn 9 segment 1: 1 byte\n")
	if err != nil {
		t.Fatal(err)
	}
	f := proptest.Replay(proptest.Config{Scenario: pingpong}, plan)
	if f == nil || len(f.Missed) != 1 || f.Missed[0].Actor != "conn 9" {
		t.Fatalf("got %+v, want conn 9 to be missed", f)
	}
}

func TestFailuresOfEveryKind(t *testing.T) {
	for _, c := range []struct {
		name, class string
		scenario    func(*proptest.World)
	}{
		{"an assertion", "got %d", func(w *proptest.World) { w.Errorf("got %d", 3) }},
		{"the end of an actor", "gone", func(w *proptest.World) {
			w.Peer("client", func(*fakepoller.Peer) { w.Fatalf("gone"); panic("it went on") })
			w.Run()
		}},
		{"a panic of the scenario", "panic", func(w *proptest.World) { panic("oops") }},
		{"a panic of an actor", "panic", func(w *proptest.World) {
			w.Peer("client", func(*fakepoller.Peer) { panic("oops") })
			w.Run()
		}},
		{"a finding", "deadlock", func(w *proptest.World) {
			w.Peer("server", func(p *fakepoller.Peer) {
				l, _ := p.Listen(addr)
				c, _ := l.Accept()
				c.Read(make([]byte, 1))
			})
			w.Peer("client", func(p *fakepoller.Peer) {
				c, _ := p.Dial(addr)
				c.Read(make([]byte, 1))
			})
			w.Run()
		}},
		{"a hang", "hang: %s waits in %s since %v (step %d), %v after faults have stopped", func(w *proptest.World) {
			w.Peer("sleeper", func(p *fakepoller.Peer) { p.Sleep(time.Hour) })
			w.Finishes(time.Minute)
		}},
		{"counters that do not add up", "counters: %v", func(w *proptest.World) {
			w.Counted(pipeline.Snapshot{{Name: "listener.x.downstream_cx_accepted", Value: 1}})
		}},
		{"bytes out of order", "bytes: %s: got %d bytes, which differ from the %d sent at offset %d", func(w *proptest.World) {
			w.Delivered("x", []byte("abc"), []byte("ac"), false)
		}},
		{"bytes made up", "bytes: %s: got %d bytes, which differ from the %d sent at offset %d", func(w *proptest.World) {
			w.Delivered("x", []byte("abc"), []byte("abcd"), false)
		}},
		{"bytes missing", "bytes: %s: the stream ended in order after %d of %d bytes", func(w *proptest.World) {
			w.Delivered("x", []byte("abc"), []byte("ab"), true)
		}},
		{"a late end", "too late: it ended at %v, want by %v", func(w *proptest.World) {
			w.RunFor(time.Minute)
			w.EndedBy(time.Second)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := proptest.Search(proptest.Config{Scenario: c.scenario, Schedules: 10})
			if r.Failure == nil || r.Failure.Class != c.class {
				t.Errorf("got %+v, want class %q", r.Failure, c.class)
			}
		})
	}
}

// A search runs the strategies that it was told, and nothing else.
func TestStrategies(t *testing.T) {
	for _, c := range []struct {
		strategies            []string
		single, pairs, random bool
	}{
		{nil, true, true, true},
		{[]string{"single"}, true, false, false},
		{[]string{"pairs"}, false, true, false},
		{[]string{"pct", "pos"}, false, false, true},
	} {
		r := proptest.Search(proptest.Config{Scenario: line(wholeLine), Schedules: 1000, Strategies: c.strategies})
		if got := [3]bool{r.Single > 0, r.Pairs > 0, r.Random > 0}; got != [3]bool{c.single, c.pairs, c.random} {
			t.Errorf("%q: got single, pairs, random %v in %+v, want %v", c.strategies, got, r.Stats, c)
		}
	}
}

// Behind an order that nobody can tell there are no pairs; behind one that two
// workers of a process can tell there are, since they may share memory.
func TestPairsLeaveOutWhatNobodyCanTell(t *testing.T) {
	search := func(apart bool) proptest.Result {
		r := proptest.Search(proptest.Config{Strategies: []string{"pairs"}, Schedules: 1000, Scenario: func(w *proptest.World) {
			for range 2 {
				k := w.NewWorker()
				if apart {
					k = w.NewProcess().NewWorker()
				}
				k.Go(func() { k.LocalAddr(1); k.LocalAddr(1) })
			}
			w.Run()
		}})
		if r.Failure != nil || !r.AllPairs {
			t.Fatalf("got %+v, want all pairs to pass", r)
		}
		return r
	}
	apart, together := search(true), search(false)
	if apart.Alike <= together.Alike || apart.Pairs >= together.Pairs {
		t.Errorf("got %d left out and %d pairs in two processes, %d and %d in one; want more left out, and fewer pairs",
			apart.Alike, apart.Pairs, together.Alike, together.Pairs)
	}
}

// The world that a rapid property or a fuzz target asks for is the one it gets.
func TestRapidInAWorld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		proptest.Config{World: fakepoller.Config{NoFile: 4}, Scenario: func(w *proptest.World) {
			if _, err := poller.ListenTCP(w.NewWorker(), addr, poller.ListenConfig{}); err != syscall.EMFILE {
				w.Errorf("listen: got %v, want EMFILE", err)
			}
		}}.Rapid(t)
	})
}

func TestRapid(t *testing.T) {
	deviated := false
	rapid.Check(t, func(t *rapid.T) {
		proptest.Rapid(t, func(w *proptest.World) {
			line(wholeLine)(w)
			for _, op := range faults.Ops() {
				deviated = deviated || w.Injected(op) > 0
			}
		})
	})
	if !deviated {
		t.Error("rapid never deviated, want it to")
	}
}

func FuzzLine(f *testing.F) { proptest.Fuzz(f, line(wholeLine)) }

func TestReportIsShort(t *testing.T) {
	f := proptest.Search(proptest.Config{Scenario: func(w *proptest.World) {
		pingpong(w)
		w.Peer("noise", func(p *fakepoller.Peer) {
			for range 50 {
				p.Dial(addr)
				p.Sleep(time.Second)
			}
		})
		w.Run()
	}}).Failure
	report := f.Report("replay: x", "keep: y", "look: z")
	if n := bytes.Count([]byte(report), []byte("\n")); n > 40 {
		t.Errorf("got %d lines, want at most 40:\n%s", n, report)
	}
}

// The README shows this package's example; it must be what runs.
func TestReadmeShowsTheExample(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"func serve(k poller.Kernel", "func pingpong(w"} {
		start := bytes.Index(example, []byte(part))
		end := start + bytes.Index(example[start:], []byte("\n}\n"))
		if !bytes.Contains(readme, example[start:end]) {
			t.Errorf("README.md does not show %q as it stands in example_test.go", part)
		}
	}
	_, output, _ := strings.Cut(string(example), "// Output:\n")
	for _, line := range strings.Split(strings.TrimSuffix(output, "}\n"), "\n") {
		line = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(line), "//"), " ")
		if !strings.Contains(string(readme), line) {
			t.Errorf("README.md does not show the line of the report %q", line)
		}
	}
}
