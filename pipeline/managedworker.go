package pipeline

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"

	"edgewise.test/poller"
)

// managedWorker is the listeners of a manager on one worker. It belongs to its loop.
type managedWorker struct {
	index     int
	loop      *Loop
	listeners []*Listener // also those that drain
	disabled  bool

	retired           Snapshot // counters of listeners that are gone
	retiredHistograms []NamedHistogram
}

// find returns nil when the listener is gone.
func (w *managedWorker) find(tag uint64) *Listener {
	for _, l := range w.listeners {
		if l.tag == tag {
			return l
		}
	}
	return nil
}

// retire forgets l, but not what it has counted.
func (w *managedWorker) retire(l *Listener) {
	w.retired = MergeSnapshots(w.retired, l.Snapshot())
	w.retiredHistograms = MergeHistograms(w.retiredHistograms, l.Histograms())
	if i := slices.Index(w.listeners, l); i >= 0 {
		w.listeners = slices.Delete(w.listeners, i, i+1)
	}
}

// listenerFor returns the listener for a connection to addr: the one with exactly
// this address, else the wildcard of its family, else for IPv4 the wildcard of IPv6,
// which takes both. Those that have stopped do not count (Envoy
// connection_handler_impl.cc getBalancedHandlerByAddress).
func (w *managedWorker) listenerFor(addr netip.AddrPort) *Listener {
	ip := addr.Addr().Unmap()
	wildcard := netip.IPv6Unspecified()
	if ip.Is4() {
		wildcard = netip.IPv4Unspecified()
	}
	for _, want := range [...]netip.Addr{ip, wildcard, netip.IPv6Unspecified()} {
		for _, l := range w.listeners {
			if !l.stopped && l.address.Port() == addr.Port() && l.address.Addr().Unmap() == want {
				return l
			}
		}
	}
	return nil
}

func (w *managedWorker) setDisabled(disabled bool) {
	w.disabled = disabled
	for _, l := range slices.Clone(w.listeners) {
		switch {
		case l.config.BypassOverloadManager:
		case disabled:
			l.Disable()
		default:
			l.Enable()
		}
	}
}

// preparation takes a listener to all workers: first all listen, then all accept,
// so that a failure leaves nothing behind that clients have seen. Its fields are
// the next worker's when a worker is done.
type preparation struct {
	*managed
	manager  *ListenerManager
	replaces *managed // nil: nobody
	fd       poller.FD
	shared   *sharedSocket
	prepared []*Listener
}

// listen makes the listener of one worker, and its listening socket unless it goes
// on with that of another.
func (p *preparation) listen(w *managedWorker) error {
	config := *p.Config(w.index)
	config.StatPrefix = p.statPrefix()
	if p.limit.max > int64(config.ConnectionLimit) && config.ConnectionLimit > 0 {
		p.limit.max = int64(config.ConnectionLimit)
	}
	l, err := newListener(w.loop, -1, p.Address, &config)
	if err != nil {
		return err
	}
	l.limit, l.balancer, l.target, l.manager, l.tag = p.limit, p.balancer, w.index, w, p.tag
	p.prepared = append(p.prepared, l)
	if p.NoBind || p.inherits() {
		return nil
	}
	if p.SharedSocket && p.fd >= 0 {
		l.fd, l.shared = p.fd, p.shared.join()
		return nil
	}
	binder, ok := w.loop.kernel.(interface {
		poller.Sockets
		poller.Binder
	})
	if !ok {
		return syscall.EOPNOTSUPP
	}
	if l.fd, err = poller.ListenTCP(binder, p.Address, poller.ListenConfig{Backlog: p.Backlog, ReusePort: !p.SharedSocket}); err != nil {
		return fmt.Errorf("listen on %v: %w", p.Address, err)
	}
	noDelay(w.loop.kernel, l.fd)
	if p.SharedSocket {
		p.shared = &sharedSocket{}
		l.shared = p.shared.join()
	}
	p.fd = l.fd
	if p.Address.Port() != 0 {
		return nil
	}
	address, err := w.loop.kernel.LocalAddr(l.fd)
	l.address = address
	p.manager.setAddress(p.managed, address)
	return err
}

// inherits says that the listener goes on with the sockets of the one before.
func (p *preparation) inherits() bool {
	return p.replaces != nil && p.Address == p.replaces.Address && p.NoBind == p.replaces.NoBind && p.SharedSocket == p.replaces.SharedSocket
}

// start begins to accept on one worker.
func (p *preparation) start(w *managedWorker) error {
	l := p.prepared[w.index]
	if p.inherits() {
		l.inherit(w.find(p.replaces.tag))
	}
	w.listeners = append(w.listeners, l)
	l.balancer.add(w.index, w)
	l.disabled = w.disabled && !l.config.BypassOverloadManager
	l.arm()
	return nil
}

// undo closes what listen has opened.
func (p *preparation) undo(w *managedWorker) error {
	if w.index < len(p.prepared) {
		p.prepared[w.index].Close()
	}
	return nil
}

// inherit takes the listening socket from old, which stops without closing it.
func (l *Listener) inherit(old *Listener) {
	if old == nil {
		l.stopped = true
		return
	}
	l.fd, l.shared = old.fd, old.shared
	old.fd = -1
	old.Stop()
}

// sharedSocket counts the listeners that accept from one listening socket. The last
// one to leave closes it.
type sharedSocket struct{ users atomic.Int32 }

func (s *sharedSocket) join() *sharedSocket {
	s.users.Add(1)
	return s
}

// leave says whether the caller has to close the socket. A nil sharedSocket has one
// user.
func (s *sharedSocket) leave() bool { return s == nil || s.users.Add(-1) == 0 }
