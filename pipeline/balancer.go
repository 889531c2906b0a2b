package pipeline

import "sync"

// balancer places the connections of one listener on the worker that has the
// fewest of them (Envoy connection_balancer_impl.cc ExactConnectionBalancerImpl).
// One balancer serves the listener on all its workers. A nil balancer leaves every
// connection where it was accepted (NopConnectionBalancerImpl).
//
// A socket is posted while the mutex is held, so that whoever leaves the balancer
// finds what was sent to it in its own queue, in front of what it posts itself. The
// wake-up comes after: a call of the kernel may stop for others, who want the mutex.
type balancer struct {
	mu      sync.Mutex
	targets []balanceTarget // by worker

	inFlight, dropped uint64
}

type balanceTarget struct {
	worker      *managedWorker // nil: not to be given more
	connections int
}

// add makes worker i a target.
func (b *balancer) add(i int, w *managedWorker) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets[i].worker = w
}

// remove makes worker i no target. What it was sent before is in its queue.
func (b *balancer) remove(i int) { b.add(i, nil) }

// place says that l keeps the socket, or posts it to another worker.
func (b *balancer) place(l *Listener, s *acceptedSocket) (keep bool) {
	if b == nil {
		return true
	}
	b.mu.Lock()
	target := b.pick(l.target)
	b.targets[target].connections++
	if target == l.target {
		b.mu.Unlock()
		return true
	}
	l.stats.CxRebalanced++
	l.note(s.fd, "rebalanced")
	b.inFlight++
	w := b.targets[target].worker
	first := b.post(w, l, target, *s)
	b.mu.Unlock()
	if first {
		w.loop.kernel.Wake()
	}
	return false
}

// post is on its own because its function makes the socket escape.
func (b *balancer) post(w *managedWorker, l *Listener, target int, s acceptedSocket) (first bool) {
	return w.loop.enqueue(func() { b.arrive(w, l, target, &s) })
}

// pick returns the target with the fewest connections, the first of several; own
// when there is no target.
func (b *balancer) pick(own int) int {
	best := -1
	for i, t := range b.targets {
		if t.worker != nil && (best < 0 || t.connections < b.targets[best].connections) {
			best = i
		}
	}
	if best < 0 {
		return own
	}
	return best
}

// arrive runs on the target's loop. sender is only read: it lives elsewhere. The
// listener may have been removed meanwhile; then nobody wants the socket, and its
// units go back (Envoy keeps the balancer's, see PR 8422).
func (b *balancer) arrive(w *managedWorker, sender *Listener, target int, s *acceptedSocket) {
	l := w.find(sender.tag)
	b.mu.Lock()
	b.inFlight--
	if l == nil {
		b.dropped++
		b.targets[target].connections--
	}
	b.mu.Unlock()
	if l == nil {
		sender.limit.Release()
		s.global.Release()
		closeDescriptor(w.loop.kernel, s.fd, len(s.preread) > 0)
		return
	}
	l.stats.CxTakenOver++
	l.inspect(s)
}

// leave takes a connection off the count of target.
func (b *balancer) leave(target int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets[target].connections--
}

func (b *balancer) snapshot(prefix string) Snapshot {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p := "listener." + prefix + "."
	return MakeSnapshot(
		Stat{p + "downstream_cx_rebalance_dropped", b.dropped},
		Stat{p + "downstream_cx_rebalance_in_flight", b.inFlight},
	)
}
