package pipeline

import (
	"strings"
	"testing"
)

func TestEachLawIsTrippedByABadSnapshot(t *testing.T) {
	good := ListenerStats{
		Accepted: 20, CxOverflow: 2, PreCxTotal: 18, PreCxActive: 1, PreCxConnected: 11, PreCxTimeout: 3, PreCxTimeoutContinued: 1,
		PreCxRemoved: 1, FilterReject: 1, FilterRemoteClose: 1, FilterError: 1, NoFilterChainMatch: 2, CxTotal: 9, CxActive: 4, CxDestroy: 5,
	}
	if err := CheckConservation(good.Snapshot("x")); err != nil {
		t.Fatalf("a good snapshot: %v", err)
	}
	for _, c := range []struct {
		want  string
		spoil func(s *ListenerStats)
	}{
		{"each accepted socket is refused or inspected", func(s *ListenerStats) { s.CxOverflow++ }},
		{"each inspected socket ends in one way", func(s *ListenerStats) { s.FilterReject++ }},
		{"each socket that leaves the listener filters finds a filter chain or is counted", func(s *ListenerStats) { s.NoFilterChainMatch++ }},
		{"each downstream connection is active or destroyed", func(s *ListenerStats) { s.CxDestroy++ }},
	} {
		bad := good
		c.spoil(&bad)
		err := CheckConservation(MergeSnapshots(good.Snapshot("w"), bad.Snapshot("x")))
		if err == nil || !strings.HasPrefix(err.Error(), "listener.x: "+c.want+": ") {
			t.Errorf("got %v, want listener.x: %s", err, c.want)
		}
	}

	upstream := MakeSnapshot(Stat{"cluster.c.upstream_cx_total", 2}, Stat{"cluster.c.upstream_cx_active", 1}, Stat{"cluster.c.upstream_cx_destroy", 2})
	want := "cluster.c: each upstream connection is active or destroyed: upstream_cx_total = 2, but upstream_cx_active + upstream_cx_destroy = 3"
	if err := CheckConservation(upstream); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAGaugeThatIsLeftTripsCheckEnded(t *testing.T) {
	for _, s := range []ListenerStats{
		{Accepted: 1, PreCxTotal: 1, PreCxActive: 1},
		{Accepted: 1, PreCxTotal: 1, PreCxConnected: 1, CxTotal: 1, CxActive: 1},
	} {
		snapshot := s.Snapshot("x")
		if err := CheckConservation(snapshot); err != nil {
			t.Errorf("while it goes on: %v", err)
		}
		if err := CheckEnded(snapshot); err == nil || !strings.HasSuffix(err.Error(), "got 1, want 0 at the end") {
			t.Errorf("at the end: got %v", err)
		}
	}
}

func TestSnapshotsAddUpAndPrintSorted(t *testing.T) {
	a := MakeSnapshot(Stat{"b", 2}, Stat{"a", 1})
	sum := MergeSnapshots(a, MakeSnapshot(Stat{"c", 3}, Stat{"b", 5}))
	if got, want := sum.String(), "a: 1\nb: 7\nc: 3\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if a.Get("b") != 2 || sum.Get("b") != 7 || sum.Get("x") != 0 {
		t.Errorf("Get: got %d %d %d, want 2 7 0", a.Get("b"), sum.Get("b"), sum.Get("x"))
	}
}

func TestSumIsThatOfTheWholeNames(t *testing.T) {
	names := []string{"", "a", "a.", "a.b", "a.b.c", "a-.b", "a-b", "ab.c", "ab", "b.a", "a.c", "a/b", "a.b/c"}
	var stats []Stat
	for i, name := range names {
		stats = append(stats, Stat{name, uint64(i + 1)})
	}
	s := MakeSnapshot(stats...)
	for _, prefix := range append(names, "x", "a.b.c.d") {
		for _, name := range append(names, "x", "c.d") {
			if got, want := s.under(prefix).sum(len(prefix)+1, []string{name}), s.Get(prefix+"."+name); got != want {
				t.Errorf("%q under %q: got %d, want %d", name, prefix, got, want)
			}
		}
	}
}
