package main

import (
	"strings"
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
	entries, err := chosen("B19")
	if err != nil {
		t.Fatal(err)
	}
	if wrong := playReal(entries[0], "B19", time.Second); wrong == "" {
		t.Errorf("got nothing wrong with a listener that accepts nobody, want a spin")
	}
}

func TestLoopbackEndsALoopThatReadsForEver(t *testing.T) {
	r := &real{}
	k := r.NewWorker()
	defer k.Release()
	for i := 0; i < manyWaits && r.wrong == ""; i++ {
		k.Read(-1, make([]byte, 1))
	}
	if !strings.HasPrefix(r.wrong, "spin") {
		t.Errorf("got %q after %d reads, want a spin", r.wrong, manyWaits)
	}
}
