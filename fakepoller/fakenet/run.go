package fakenet

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"

	"edgewise.test/fakepoller"
)

// Run runs a scenario in a bubble on top of w, until all that it has begun is over.
// What is left over, a hang and a panic of the scenario are findings of w; panics
// of other goroutines end the process, as they do. A goroutine of the scenario may
// call runtime.Goexit. The error, if not nil, says where the run has stalled: the
// process then still holds its goroutines, and w is not to be used.
func Run(t *testing.T, w *fakepoller.World, cfg Config, scenario func(*Net)) error {
	if cfg.Quiesce == Metrics { // which takes twenty times as long with more
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	}
	b := &bubble{ended: make(chan struct{})}
	go b.run(t, w, cfg, scenario)
	return b.watch(cfg.Stall)
}

type bubble struct {
	n      watched
	header string
	ended  chan struct{}
}

// run is everything but the watchdog.
func (b *bubble) run(t *testing.T, w *fakepoller.World, cfg Config, scenario func(*Net)) {
	defer close(b.ended)
	defer func() {
		if r := recover(); r != nil { // synctest: goroutines are left that nobody can wake
			b.leftovers(w, fmt.Sprint(r))
		}
	}()
	synctest.Test(t, func(*testing.T) {
		n := newNet(w, cfg)
		n.sched.quiesce = synctest.Wait
		if cfg.Quiesce == Metrics {
			n.sched.quiesce = metricsQuiesce()
		}
		n.header = bubbleOf(ownHeader())
		b.header = n.header
		b.n.net.Store(n)
		returned := make(chan *fakepoller.Finding, 1)
		go n.sched.run()
		go body(n, scenario, returned)
		<-n.done
		if f := <-returned; f != nil {
			w.Adapter().Find(*f)
		}
	})
}

// body runs the scenario.
func body(n *Net, scenario func(*Net), returned chan<- *fakepoller.Finding) {
	defer func() {
		var f *fakepoller.Finding
		if r := recover(); r != nil {
			f = &fakepoller.Finding{Kind: fakepoller.Panic, Text: fmt.Sprintf("scenario: %v", r), Value: r, Stack: string(debug.Stack())}
		}
		returned <- f
		n.end()
	}()
	scenario(n)
}

// Start runs a network outside of any bubble, in real time and without choices
// of who goes next: not repeatable, but good for looking at a program with the
// faults of w's source. stop ends it.
func Start(w *fakepoller.World, cfg Config) (n *Net, stop func()) {
	n = newNet(w, cfg)
	n.sched.quiesce, n.sched.free = func() {}, true
	go n.sched.run()
	return n, func() {
		n.end()
		<-n.done
	}
}
