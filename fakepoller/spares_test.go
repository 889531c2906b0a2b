package fakepoller

import (
	"testing"

	"edgewise.test/faults"
)

// Worlds that use what closed ones were made of behave as worlds with their own, and
// need no more coroutines than one world does.
func TestSparesAreUsedAgainUnseen(t *testing.T) {
	var kept Spares
	defer kept.Stop()
	most := 0
	for seed := range uint64(200) {
		own := busy(Config{Source: faults.Seed(seed, faults.Profile{})})
		own.Close()
		shared := busy(Config{Source: faults.Seed(seed, faults.Profile{}), Spares: &kept})
		most = max(most, len(shared.actors))
		shared.Close()
		if own.Digest() != shared.Digest() {
			t.Fatalf("seed %d: got digest %#x with used coroutines, want %#x", seed, shared.Digest(), own.Digest())
		}
		if got := len(kept.coroutines); got > most {
			t.Fatalf("seed %d: got %d coroutines kept, want at most %d, the actors of one world", seed, got, most)
		}
	}
}

// An actor that is cut off runs its deferred calls, also when one of them waits
// in the kernel once more.
func TestACoroutineThatWaitsWhileItUnwindsIsNotUsedAgain(t *testing.T) {
	var kept Spares
	defer kept.Stop()
	for range 3 {
		w := New(Config{Spares: &kept})
		k := w.NewWorker()
		var unwound bool
		k.Go(func() {
			defer func() { unwound = true }()
			defer k.Wait(nil, -1)
			k.Wait(nil, -1)
		})
		w.Run()
		w.Close()
		if !unwound {
			t.Error("got a deferred call that did not run, want it run by Close")
		}
		for _, co := range kept.coroutines {
			if co.run != nil || co.unwind {
				t.Error("got a coroutine kept that is still at work, want it idle or gone")
			}
		}
	}
}
