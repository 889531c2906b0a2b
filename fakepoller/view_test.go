package fakepoller

import (
	"testing"

	"edgewise.test/faults"
)

// Orders that somebody can tell have views of their own; others only digests.
func TestViews(t *testing.T) {
	var results []error // one memory for two workers
	for _, c := range []struct {
		name  string
		build func(w *World)
		alike bool
	}{
		{"two processes", func(w *World) {
			for range 2 {
				k := w.NewProcess().NewWorker()
				k.Go(func() { k.Socket(1); k.Socket(1) })
			}
		}, true},
		{"two workers of a process", func(w *World) {
			for range 2 {
				k := w.NewWorker()
				k.Go(func() { _, err := k.Socket(1); results = append(results, err) })
			}
		}, false},
		{"one after the other connects to a listener", func(w *World) {
			w.Hand("server").Listen(addr)
			for _, name := range []string{"alice", "bob"} {
				w.Peer(name, func(p *Peer) { p.Dial(addr) })
			}
		}, false},
		{"a peer that wakes a worker, and the worker", func(w *World) {
			k := w.NewWorker()
			k.Go(func() { k.Socket(1); k.Socket(1) })
			w.Peer("alice", func(*Peer) { k.Wake() })
		}, false},
	} {
		var views, digests []uint64
		for _, outcome := range []int{0, 1} {
			recorder := &faults.Recorder{Source: firstRun(outcome)}
			w := New(Config{Source: recorder})
			c.build(w)
			w.Run()
			views, digests = append(views, w.Views()), append(digests, w.Digest())
			w.Close()
		}
		if digests[0] == digests[1] {
			t.Errorf("%s: got one digest, want that the order was changed", c.name)
		}
		if alike := views[0] == views[1]; alike != c.alike {
			t.Errorf("%s: got views alike %t, want %t", c.name, alike, c.alike)
		}
	}
}

// firstRun picks another actor where there is a choice for the first time.
type firstRun int

func (f firstRun) Choose(p faults.Point, n int) int {
	if p.Op == faults.Run && p.Seq == 1 && n > int(f) {
		return int(f)
	}
	return 0
}
