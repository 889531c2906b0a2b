package fakepoller

import (
	"time"

	"edgewise.test/faults"
	"edgewise.test/poller"
)

// Adapter gives a scheduler outside of the world what it needs to put another
// kind of program on top of it: package fakenet does that for goroutines. The
// adapter's owner calls workers only where they do not block, decides who is next
// and moves the world's time.
type Adapter struct{ w *World }

// Adapter hands the world's time over: from now on only [Adapter.AdvanceTo] moves
// it, and a call never pauses.
func (w *World) Adapter() *Adapter {
	w.driven = true
	return &Adapter{w}
}

// World returns the world.
func (a *Adapter) World() *World { return a.w }

// NewWorker adds a process with one worker that stands in traces and plans under
// that name, which must be unique in the world.
func (a *Adapter) NewWorker(name string) *Worker {
	w := a.w
	w.peers = append(w.peers, &Peer{w: w, name: name})
	k := w.NewProcess().NewWorker()
	k.kind, k.index = kindPeer, int32(len(w.peers))
	return k
}

// Next is the instant at which something happens by itself; false when nothing
// is on its way.
func (a *Adapter) Next() (time.Duration, bool) {
	if len(a.w.timers.heap) == 0 {
		return 0, false
	}
	return a.w.timers.heap[0].at, true
}

// AdvanceTo moves time to an instant and lets happen what is due until then.
func (a *Adapter) AdvanceTo(at time.Duration) {
	if next, ok := a.Next(); at > a.w.now || ok && next <= at {
		a.w.RunFor(max(at-a.w.now, 0))
	}
}

// Over tells whether Config.MaxSteps is used up.
func (a *Adapter) Over() bool { return a.w.over }

// Calm tells whether no source is asked.
func (a *Adapter) Calm() bool { return a.w.calm }

// Choose asks the source about a point of the adapter's own.
func (a *Adapter) Choose(p faults.Point, n int) int {
	if a.w.calm || n < 2 {
		return 0
	}
	return a.w.taken(p, n, a.w.cfg.Source.Choose(p, n))
}

// ChooseRun is Choose of who goes next: a source that is a [faults.Scheduler]
// gets to know who can.
func (a *Adapter) ChooseRun(p faults.Point, names []string) int {
	if a.w.scheduler == nil || a.w.calm || len(names) < 2 {
		return a.Choose(p, len(names))
	}
	return a.w.taken(p, len(names), a.w.scheduler.ChooseRun(p, names))
}

// Fold puts x into the digest.
func (a *Adapter) Fold(x uint64) { a.w.trace.fold(x) }

// Find adds a finding.
func (a *Adapter) Find(f Finding) { a.w.find(f) }

// Readable tells whether a read of fd, or an accept, has something to say.
func (a *Adapter) Readable(k *Worker, fd poller.FD) bool {
	s, ok := k.p.get(fd).(*sock)
	if !ok {
		return true
	}
	if s.state == tcpListen {
		return s.pending() > 0
	}
	return s.visible > 0 || s.shut&rcvShut != 0 || s.err != nil || s.state == tcpClose
}

// Writable tells whether a write to fd, or a connect, has something to say. As
// with epoll_wait, false asks for the edge.
func (a *Adapter) Writable(k *Worker, fd poller.FD) bool {
	s, ok := k.p.get(fd).(*sock)
	return !ok || s.poll()&(poller.Out|poller.Err|poller.Hup) != 0
}

// Conn returns the number that stands in the name of fd's connection, which both
// ends share.
func (a *Adapter) Conn(k *Worker, fd poller.FD) int {
	if s, ok := k.p.get(fd).(*sock); ok {
		return int(s.index)
	}
	return 0
}
