package traceview

import (
	"io"
	"strings"
	"testing"

	"edgewise.test/faults"
)

// Property: whatever the schedule, a capture's streams have no holes, no packet
// follows a handshake that is not there, and every row of a page stays inside of
// it. The other views take the same traces.
func TestViewsOfAnySchedule(t *testing.T) {
	seeds := uint64(400)
	if testing.Short() {
		seeds = 40
	}
	for seed := range seeds {
		events := proxiedBy(t, faults.Seed(seed, faults.Profile{Hostile: seed%2 == 0}), 3)
		next := map[route]uint32{}
		for i, p := range capture(events) {
			switch want := next[p.route]; {
			case p.flags == flagSYN:
				delete(next, p.route.back())
			case p.flags&flagRST != 0 && next[p.route] == 0: // refused
				continue
			case p.flags&flagSYN == 0 && (p.seq != want || p.ack != next[p.route.back()]):
				t.Fatalf("seed %d: packet %d: got seq %d, ack %d, want %d, %d\n%s", seed, i, p.seq, p.ack, want, next[p.route.back()], traceText(events))
			}
			next[p.route] = p.seq + uint32(len(p.data)) + uint32(p.flags&flagFIN) + uint32(p.flags&flagSYN)>>1
		}
		page := newTimeline(events, HTMLOptions{})
		for _, r := range page.Rows {
			if r.Mark > page.Width || r.Flag > page.Width || r.Mark < 0 || r.Flag < 0 {
				t.Fatalf("seed %d: %q: got a mark at %d and a flag at %d, want them within %d", seed, r.Full, r.Mark, r.Flag, page.Width)
			}
			for _, s := range r.Spans {
				if s.X > page.Width || s.Y+s.Height > rowHeight {
					t.Fatalf("seed %d: %q: got a bar at %d from %d, %d high, want it within %d and %d", seed, r.Full, s.X, s.Y, s.Height, page.Width, rowHeight)
				}
			}
		}
		if err := ChromeTrace(io.Discard, events); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if seed%20 == 0 {
			if err := HTML(io.Discard, events, HTMLOptions{}); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	}
}

// With resets, refusals and late packets there is still nothing malformed, and
// nothing that looks lost or out of order.
func TestTsharkReadsAnySchedule(t *testing.T) {
	for seed := range uint64(6) {
		file := saved(t, proxiedBy(t, faults.Seed(seed, faults.Profile{}), 4))
		got := tshark(t, file, "-Y", "_ws.malformed || tcp.checksum.status == 0 || tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || tcp.analysis.retransmission || tcp.analysis.out_of_order || tcp.analysis.duplicate_ack || tcp.analysis.window_full")
		if strings.TrimSpace(got) != "" {
			t.Errorf("seed %d: got %s\nwant no complaint", seed, got)
		}
	}
}
