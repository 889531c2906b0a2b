package proptest

import (
	"bytes"
	"time"

	"edgewise.test/pipeline"
)

// Counted fails w unless the counters of a pipeline obey every law of counting
// and every gauge is back at 0: call it when all has ended
// ([pipeline.CheckEnded]).
func (w *World) Counted(s pipeline.Snapshot) {
	if err := pipeline.CheckEnded(s); err != nil {
		w.Errorf("counters: %v", err)
	}
}

// Delivered fails w unless got is a prefix of sent: nothing lost in the middle,
// reordered, or made up. With whole, got must be all of it, as after an orderly
// end of the stream. what names the direction.
func (w *World) Delivered(what string, sent, got []byte, whole bool) {
	switch {
	case !bytes.HasPrefix(sent, got):
		at := 0
		for at < len(sent) && at < len(got) && sent[at] == got[at] {
			at++
		}
		w.Errorf("bytes: %s: got %d bytes, which differ from the %d sent at offset %d", what, len(got), len(sent), at)
	case whole && len(got) < len(sent):
		w.Errorf("bytes: %s: the stream ended in order after %d of %d bytes", what, len(got), len(sent))
	}
}

// EndedBy fails w if the world's time is beyond limit: something was held longer
// than its timeouts allow. Times that the plan itself adds count too, so choose
// the limit for what the scenario lets happen.
func (w *World) EndedBy(limit time.Duration) {
	if now := w.Now(); now > limit {
		w.Errorf("too late: it ended at %v, want by %v", now, limit)
	}
}

// Finishes is the liveness check: faults stop, and within that much virtual time
// every peer must come to its end, but those that wait for somebody to connect.
// Whoever does not is a failure that names the call it stands in. Call it where
// the scenario would call Run.
func (w *World) Finishes(within time.Duration) {
	w.Heal()
	w.RunFor(within)
	for _, p := range w.WaitingPeers() {
		w.Errorf("hang: %s waits in %s since %v (step %d), %v after faults have stopped", p.Actor, p.Where, p.Since, p.Step, within)
	}
}
