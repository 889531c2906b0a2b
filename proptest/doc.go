// Package proptest searches the schedules of a scenario for one that breaks it.
//
// A scenario is a function that builds a world (workers, peers), runs it and says
// what must hold. [Check] runs it calm, then with every single deviation that the
// kernel and the network may make, then with pairs of them (but for those behind an
// order of calls that none of those who made them can tell), then at random until
// the budget ends. A failure is shrunk to a plan from which no deviation can be
// dropped and no peer left out, replayed, and reported with a timeline and the line that replays it.
//
//	func TestEcho(t *testing.T) {
//		proptest.Check(t, func(w *proptest.World) {
//			k := w.NewWorker()
//			k.Go(func() { serve(k) }) // the code under test, on a poller.Kernel
//			w.Peer("client", func(p *fakepoller.Peer) { ... })
//			w.Run()
//			if got != want {
//				w.Errorf("echo: got %q, want %q", got, want)
//			}
//		})
//	}
//
// The same scenario runs under rapid ([Rapid]), under go test -fuzz ([Fuzz]) and
// from a plan ([Replay]). Failing plans are kept in testdata/edgewise and run
// first from then on.
package proptest
