package main

import (
	"testing"
	"time"
)

// The hosts are programs for real sockets as well: without their bug they serve
// their clients on real epoll.
func TestHostsWorkOnLoopback(t *testing.T) {
	for i := range zoo {
		e := &zoo[i]
		if !e.portable {
			continue
		}
		t.Run(string(e.id), func(t *testing.T) {
			t.Parallel()
			for range 3 {
				if wrong := playReal(e, none, 20*time.Second); wrong != "" {
					t.Fatalf("got %q, want it to pass", wrong)
				}
			}
		})
	}
}

// What the stage of real sockets would notice, it does notice.
func TestLoopbackFindsWhatNeedsNoLuck(t *testing.T) {
	for _, bug := range []id{"B19", "D35"} { // a listener that accepts nobody, a reader that sees no end
		entries, err := chosen(string(bug))
		if err != nil {
			t.Fatal(err)
		}
		if wrong := playReal(entries[0], bug, time.Second); wrong == "" {
			t.Errorf("%s: got nothing wrong, want a spin", bug)
		}
	}
}
