package pipeline

import (
	"fmt"
	"net/netip"
	"slices"
)

// inTurn runs step on each worker, from worker i on, each after the one before. It
// stops at the first error. done is called on the loop of the last.
func (m *ListenerManager) inTurn(i int, step func(w *managedWorker) error, done func(error)) {
	if i == len(m.workers) {
		orNothing(done)(nil)
		return
	}
	w := m.workers[i]
	w.loop.Post(func() {
		if err := step(w); err != nil {
			orNothing(done)(err)
			return
		}
		m.inTurn(i+1, step, done)
	})
}

// countdown returns a function that calls done when each worker has called it.
func (m *ListenerManager) countdown(done func()) func() {
	left := len(m.workers)
	return func() {
		m.mu.Lock()
		left--
		last := left == 0
		m.mu.Unlock()
		if last {
			done()
		}
	}
}

// create enters spec, in the place of old if that is not nil.
func (m *ListenerManager) create(spec ManagedListener, old *managed) (*managed, error) {
	l := &managed{ManagedListener: spec, limit: newUnlimited()}
	if spec.ExactBalance {
		l.balancer = &balancer{targets: make([]balanceTarget, len(m.workers))}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tags++
	l.tag = m.tags
	i := slices.IndexFunc(m.listeners, func(other *managed) bool { return other.Name == spec.Name })
	switch {
	case old == nil && i >= 0:
		m.stats.ListenerCreateFailure++
		return nil, fmt.Errorf("listener %s: add: there is one of this name", spec.Name)
	case old != nil && (i < 0 || m.listeners[i] != old):
		m.stats.ListenerCreateFailure++
		return nil, fmt.Errorf("listener %s: replace: it was removed", spec.Name)
	case old != nil:
		m.listeners[i] = l
	default:
		m.listeners = append(m.listeners, l)
		m.stats.ListenerAdded++
		m.stats.TotalListenersActive++
	}
	m.known = append(m.known, l)
	return l, nil
}

func (l *managed) statPrefix() string {
	if l.StatPrefix != "" {
		return l.StatPrefix
	}
	return l.Name
}

func (m *ListenerManager) lookup(name string) *managed {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.listeners {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// forget makes the name free. It says no when somebody has done that before.
func (m *ListenerManager) forget(l *managed) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.Index(m.listeners, l)
	if i < 0 {
		return false
	}
	m.listeners = slices.Delete(m.listeners, i, i+1)
	m.stats.TotalListenersActive--
	return true
}

func (m *ListenerManager) setAddress(l *managed, address netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l.Address = address
}

func (m *ListenerManager) count(f func(s *ManagerStats)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.stats)
}

// retire keeps what the balancer of l has counted, when no worker has l any more.
func (m *ListenerManager) retire(l *managed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.TotalListenersDraining--
	m.retired = MergeSnapshots(m.retired, l.balancer.snapshot(l.statPrefix()))
	m.unknow(l)
}

func (m *ListenerManager) unknow(l *managed) {
	m.known = slices.DeleteFunc(m.known, func(other *managed) bool { return other == l })
}

// discard undoes create for a listener that never was.
func (m *ListenerManager) discard(l, old *managed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.ListenerCreateFailure++
	m.unknow(l)
	i := slices.Index(m.listeners, l)
	switch {
	case i < 0: // removed meanwhile
	case old != nil:
		m.listeners[i] = old
	default:
		m.listeners = slices.Delete(m.listeners, i, i+1)
		m.stats.TotalListenersActive--
	}
}

func orNothing(done func(error)) func(error) {
	if done == nil {
		return func(error) {}
	}
	return done
}

func call(f func()) {
	if f != nil {
		f()
	}
}
