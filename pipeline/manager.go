package pipeline

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// ListenerManager owns the listeners of several workers and keeps them alike (Envoy
// listener_manager_impl.cc). Its methods may be called from any goroutine; what they
// do is posted to the workers, one after the other, and in the order of the calls on
// each. A done function is called once, on the loop of a worker, or inside the call
// when there is nothing to be done; nil is allowed. Wait for it before the next call
// about the same listener. The loops have to turn for as long as something is under
// way.
//
// Unlike Envoy's it drains a listener that is replaced only after its successor has
// its listening sockets, so no connection in a queue is reset.
type ListenerManager struct {
	workers []*managedWorker

	mu        sync.Mutex // guards the rest; not held while anything else is called
	listeners []*managed
	known     []*managed // and those that drain
	tags      uint64
	stats     ManagerStats
	retired   Snapshot // counters of the balancers of listeners that are gone
}

// ManagerStats are the counters of a listener manager; the comment is the name
// behind "listener_manager.".
type ManagerStats struct {
	ListenerAdded          uint64 // listener_added
	ListenerModified       uint64 // listener_modified
	ListenerRemoved        uint64 // listener_removed
	ListenerStopped        uint64 // listener_stopped
	ListenerCreateSuccess  uint64 // listener_create_success
	ListenerCreateFailure  uint64 // listener_create_failure
	ListenerInPlaceUpdated uint64 // listener_in_place_updated
	TotalListenersActive   uint64 // total_listeners_active, a gauge
	TotalListenersDraining uint64 // total_listeners_draining, a gauge
	TotalChainsDraining    uint64 // total_filter_chains_draining, a gauge: updates that wait for connections
}

// ManagedListener says where a listener of a [ListenerManager] listens and how its
// workers share the work.
type ManagedListener struct {
	// Name names it for the manager.
	Name string
	// StatPrefix names it in its counters. Empty means Name.
	StatPrefix string
	// Address is where it listens. With port 0 the first worker chooses; see
	// [ListenerManager.Address].
	Address netip.AddrPort
	// NoBind makes a listener without listening sockets, which gets only what
	// other listeners hand to it (bind_to_port false).
	NoBind bool
	// SharedSocket makes all workers accept from one listening socket. Otherwise
	// each has its own (SO_REUSEPORT).
	SharedSocket bool
	// Backlog is that of [poller.ListenConfig].
	Backlog int
	// ExactBalance gives each connection to the worker that has the fewest of
	// this listener; otherwise it stays where it was accepted.
	ExactBalance bool
	// Config returns the configuration on a worker, counted from 0. It is called
	// on the loop of the worker.
	Config func(worker int) *ListenerConfig
}

// managed is a listener as the manager knows it.
type managed struct {
	ManagedListener
	tag      uint64
	limit    *Limit
	balancer *balancer
}

// NewListenerManager returns a manager of the workers that turn loops. Their kernels
// are [poller.Binder]s, and share descriptors.
func NewListenerManager(loops ...*Loop) *ListenerManager {
	m := &ListenerManager{}
	for i, loop := range loops {
		m.workers = append(m.workers, &managedWorker{index: i, loop: loop})
	}
	return m
}

// Add listens on all workers, then starts to accept. When a worker fails none
// listens.
func (m *ListenerManager) Add(spec ManagedListener, done func(error)) {
	done = orNothing(done)
	l, err := m.create(spec, nil)
	if err != nil {
		done(err)
		return
	}
	p := &preparation{manager: m, managed: l, fd: -1}
	m.inTurn(0, p.listen, func(err error) {
		if err != nil {
			m.inTurn(0, p.undo, nil)
			m.discard(l, nil)
			done(fmt.Errorf("listener %s: %w", spec.Name, err))
			return
		}
		m.inTurn(0, p.start, func(error) {
			m.count(func(s *ManagerStats) { s.ListenerCreateSuccess++ })
			done(nil)
		})
	})
}

// Replace puts spec in the place of the listener of the same name: it goes on with
// its listening sockets, if the address is the same, and the old one drains. When a
// worker fails the old one stays.
func (m *ListenerManager) Replace(spec ManagedListener, drainTime time.Duration, done func(error)) {
	done = orNothing(done)
	old := m.lookup(spec.Name)
	if old == nil {
		done(fmt.Errorf("listener %s: replace: there is none of this name", spec.Name))
		return
	}
	l, err := m.create(spec, old)
	if err != nil {
		done(err)
		return
	}
	p := &preparation{manager: m, managed: l, fd: -1, replaces: old}
	m.inTurn(0, p.listen, func(err error) {
		if err != nil {
			m.inTurn(0, p.undo, nil)
			m.discard(l, old)
			done(fmt.Errorf("listener %s: %w", spec.Name, err))
			return
		}
		m.inTurn(0, p.start, func(error) {
			m.count(func(s *ManagerStats) { s.ListenerCreateSuccess++; s.ListenerModified++; s.TotalListenersDraining++ })
			m.end(old, drainTime, func() {})
			done(nil)
		})
	})
}

// UpdateFilterChains is [Listener.UpdateFilterChains] on all workers. chains returns
// those of a worker, and is called on its loop. done is called when all workers have
// the new chains, and drained when the connections of the old ones are gone.
func (m *ListenerManager) UpdateFilterChains(name string, chains func(worker int) (all []FilterChain, defaultChain *FilterChain), drainTime time.Duration, done func(error), drained func()) {
	done = orNothing(done)
	l := m.lookup(name)
	if l == nil {
		done(fmt.Errorf("listener %s: update: there is none of this name", name))
		return
	}
	m.count(func(s *ManagerStats) { s.TotalChainsDraining++ })
	left := m.countdown(func() {
		m.count(func(s *ManagerStats) { s.TotalChainsDraining-- })
		if drained != nil {
			drained()
		}
	})
	type update struct {
		all          []FilterChain
		defaultChain *FilterChain
	}
	updates := make([]update, len(m.workers))
	prepare := func(w *managedWorker) error {
		u := &updates[w.index]
		u.all, u.defaultChain = chains(w.index)
		return (&ListenerConfig{FilterChains: u.all, DefaultFilterChain: u.defaultChain}).Validate()
	}
	apply := func(w *managedWorker) error {
		on := w.find(l.tag)
		if on == nil {
			left()
			return nil // removed meanwhile
		}
		u := &updates[w.index]
		return on.UpdateFilterChains(u.all, u.defaultChain, drainTime, left) // valid, so there is no error
	}
	m.inTurn(0, prepare, func(err error) {
		if err != nil {
			m.count(func(s *ManagerStats) { s.TotalChainsDraining-- })
			done(fmt.Errorf("listener %s: %w", name, err))
			return
		}
		m.inTurn(0, apply, func(error) {
			m.count(func(s *ManagerStats) { s.ListenerInPlaceUpdated++ })
			done(nil)
		})
	})
}

// Stop stops accepting on all workers. What was accepted goes on, until Drain or
// Remove.
func (m *ListenerManager) Stop(name string, done func()) {
	l := m.lookup(name)
	if l == nil {
		call(done)
		return
	}
	m.inTurn(0, func(w *managedWorker) error {
		if on := w.find(l.tag); on != nil {
			on.Stop()
		}
		return nil
	}, func(error) {
		m.count(func(s *ManagerStats) { s.ListenerStopped++ })
		call(done)
	})
}

// Drain stops the listener on all workers, waits for what was accepted to end, as
// [Listener.Drain] does, and removes it. Its name is free at once.
func (m *ListenerManager) Drain(name string, drainTime time.Duration, done func()) {
	m.remove(name, drainTime, done)
}

// Remove closes the listener on all workers, with what was accepted.
func (m *ListenerManager) Remove(name string, done func()) { m.remove(name, -1, done) }

func (m *ListenerManager) remove(name string, drainTime time.Duration, done func()) {
	l := m.lookup(name)
	if l == nil || !m.forget(l) {
		call(done)
		return
	}
	m.count(func(s *ManagerStats) { s.TotalListenersDraining++ })
	m.end(l, drainTime, func() {
		m.count(func(s *ManagerStats) { s.ListenerRemoved++ })
		call(done)
	})
}

// end drains l, or with a negative drainTime closes it, on all workers.
func (m *ListenerManager) end(l *managed, drainTime time.Duration, done func()) {
	left := m.countdown(func() {
		m.retire(l)
		done()
	})
	m.inTurn(0, func(w *managedWorker) error {
		on := w.find(l.tag)
		if on == nil {
			left()
			return nil
		}
		l.balancer.remove(w.index)
		ended := func() {
			w.retire(on)
			// Behind the sockets that were sent here before the balancer knew.
			w.loop.Post(left)
		}
		if drainTime < 0 {
			on.Close()
			ended()
			return nil
		}
		w.loop.Post(func() { on.Drain(drainTime, ended) }) // behind them, so that they are served
		return nil
	}, nil)
}

// DisableListeners stops accepting on all workers, also of listeners that are added
// later, until EnableListeners (Envoy envoy.overload_actions.stop_accepting_connections).
func (m *ListenerManager) DisableListeners(done func()) { m.setDisabled(true, done) }

// EnableListeners undoes DisableListeners.
func (m *ListenerManager) EnableListeners(done func()) { m.setDisabled(false, done) }

func (m *ListenerManager) setDisabled(disabled bool, done func()) {
	m.inTurn(0, func(w *managedWorker) error { w.setDisabled(disabled); return nil }, func(error) { call(done) })
}

// Address returns where a listener listens, with the port that was chosen; not
// valid before Add is done.
func (m *ListenerManager) Address(name string) netip.AddrPort {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.listeners {
		if l.Name == name {
			return l.Address
		}
	}
	return netip.AddrPort{}
}

// Snapshot collects the counters of all workers, also of listeners that are gone,
// one worker after the other: a socket that goes from one to another meanwhile may be
// counted at one end only.
func (m *ListenerManager) Snapshot(done func(Snapshot, []NamedHistogram)) {
	var all []Snapshot
	var histograms [][]NamedHistogram
	m.inTurn(0, func(w *managedWorker) error {
		for _, l := range w.listeners {
			all = append(all, l.Snapshot())
			histograms = append(histograms, l.Histograms())
		}
		all = append(all, slices.Clone(w.retired))
		histograms = append(histograms, slices.Clone(w.retiredHistograms))
		return nil
	}, func(error) {
		m.mu.Lock()
		all = append(all, slices.Clone(m.retired), m.stats.Snapshot())
		for _, l := range m.known {
			all = append(all, l.balancer.snapshot(l.statPrefix()))
		}
		m.mu.Unlock()
		done(MergeSnapshots(all...), MergeHistograms(histograms...))
	})
}

// Snapshot returns the counters by name.
func (s *ManagerStats) Snapshot() Snapshot {
	const p = "listener_manager."
	return MakeSnapshot(
		Stat{p + "listener_added", s.ListenerAdded},
		Stat{p + "listener_modified", s.ListenerModified},
		Stat{p + "listener_removed", s.ListenerRemoved},
		Stat{p + "listener_stopped", s.ListenerStopped},
		Stat{p + "listener_create_success", s.ListenerCreateSuccess},
		Stat{p + "listener_create_failure", s.ListenerCreateFailure},
		Stat{p + "listener_in_place_updated", s.ListenerInPlaceUpdated},
		Stat{p + "total_listeners_active", s.TotalListenersActive},
		Stat{p + "total_listeners_draining", s.TotalListenersDraining},
		Stat{p + "total_filter_chains_draining", s.TotalChainsDraining},
	)
}
