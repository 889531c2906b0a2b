package pipeline

import (
	"fmt"
	"net/netip"
	"time"

	"edgewise.test/poller"
)

// Listener accepts from one listening socket on one loop, and owns what comes of
// it: sockets in listener filters, then connections. Each worker has its own.
type Listener struct {
	loop    *Loop
	kernel  poller.Kernel
	notes   poller.Annotator // nil: nobody reads them
	fd      poller.FD        // -1: none, or stopped
	shared  *sharedSocket    // nil: fd is this listener's alone
	address netip.AddrPort
	config  ListenerConfig // defaults filled in
	matcher *chainMatcher
	limit   *Limit

	stats            ListenerStats
	acceptedPerEvent Histogram
	cxLength         Histogram // in milliseconds

	manager  *managedWorker // nil: nobody's
	tag      uint64         // in manager
	balancer *balancer      // nil: keep what is accepted
	target   int            // in balancer

	registration Registration
	batch        int    // accept calls at the last event
	batchTurn    uint64 // the iteration of that event
	disabled     bool
	stopped      bool
	backoff      time.Duration // the last pause; 0: the last accept was good
	retry        *Timer        // enabled: accepting is paused

	sockets     list[activeSocket]
	connections list[Connection]
	pool        []*activeSocket

	drainDeadline *Timer
	drained       *Callback // nil: not draining
}

// NewListener starts to accept from fd, a listening socket (see
// [poller.ListenTCP]). With a nil error fd is the listener's to close. The config
// is copied, but not what it points to.
func NewListener(loop *Loop, fd poller.FD, cfg *ListenerConfig) (*Listener, error) {
	address, err := loop.kernel.LocalAddr(fd)
	if err != nil {
		return nil, fmt.Errorf("listener fd %d: local address: %w", fd, err)
	}
	l, err := newListener(loop, fd, address, cfg)
	if err != nil {
		return nil, err
	}
	if l.registration, err = loop.Register(fd, poller.In, (*acceptor)(l)); err != nil {
		return nil, fmt.Errorf("listener %v: register: %w", address, err)
	}
	return l, nil
}

// newListener returns a listener that does not accept yet.
func newListener(loop *Loop, fd poller.FD, address netip.AddrPort, cfg *ListenerConfig) (*Listener, error) {
	matcher, err := newChainMatcher(cfg)
	if err != nil {
		return nil, fmt.Errorf("listener %v: %w", address, err)
	}
	l := &Listener{loop: loop, kernel: loop.kernel, fd: fd, address: address, config: cfg.withDefaults(address), matcher: matcher}
	if limit := l.config.ConnectionLimit; limit > 0 {
		l.limit = NewLimit(limit)
	}
	l.notes, _ = loop.kernel.(poller.Annotator)
	if fd >= 0 {
		noDelay(loop.kernel, fd)
	}
	l.retry = loop.NewTimer(l.arm)
	return l, nil
}

// noDelay sets TCP_NODELAY for all connections of a listening socket, which inherit
// it (Linux sk_clone_lock). It is a wish; Envoy sets it on each connection, and dies
// of a refusal.
func noDelay(k poller.Kernel, fd poller.FD) { k.SetSockOpt(fd, poller.TCPNoDelay, 1) }

// Address is where the listener listens.
func (l *Listener) Address() netip.AddrPort { return l.address }

// Stats are the counters, live.
func (l *Listener) Stats() *ListenerStats { return &l.stats }

// Snapshot is a copy of the counters, by name.
func (l *Listener) Snapshot() Snapshot { return l.stats.Snapshot(l.config.StatPrefix) }

// Histograms are copies of connections_accepted_per_socket_event and
// downstream_cx_length_ms.
func (l *Listener) Histograms() []NamedHistogram {
	p := "listener." + l.config.StatPrefix + "."
	return []NamedHistogram{{p + "connections_accepted_per_socket_event", l.acceptedPerEvent}, {p + "downstream_cx_length_ms", l.cxLength}}
}

// Disable stops accepting until Enable. The kernel goes on queueing connections.
func (l *Listener) Disable() {
	l.disabled = true
	l.disarm()
}

// Enable undoes Disable.
func (l *Listener) Enable() {
	l.disabled = false
	if !l.retry.Enabled() {
		l.arm()
	}
}

// Stop stops accepting for good and closes the listening socket, which resets
// connections in its queue. What was accepted goes on.
func (l *Listener) Stop() {
	l.stopped = true
	l.retry.Disable()
	l.disarm()
	if l.fd < 0 {
		return
	}
	fd := l.fd
	l.fd = -1
	if l.shared.leave() {
		l.kernel.Close(fd)
	}
}

// Drain accepts what is in the queue, as far as the config says, stops, and waits for what was accepted to end. When deadline has passed
// the rest is closed. done, if not nil, is called once after that, never inside
// Drain. A second Drain replaces deadline and done of the first.
func (l *Listener) Drain(deadline time.Duration, done func()) {
	l.acceptQueued()
	l.Stop()
	if l.drained != nil {
		l.drained.Cancel()
		l.drainDeadline.Disable()
	}
	if done == nil {
		done = func() {}
	}
	l.drained = l.loop.NewCallback(done)
	l.drainDeadline = l.loop.NewTimer(l.closeAccepted)
	l.drainDeadline.Enable(deadline)
	l.checkDrained()
}

// Close stops and closes everything that was accepted: sockets in listener filters
// at once, connections with [NoFlush]. Filters and callbacks are told.
func (l *Listener) Close() {
	l.Stop()
	l.closeAccepted()
}

func (l *Listener) disarm() {
	l.registration.Unregister()
	l.registration = Registration{}
}

// arm undoes disarm, unless there is a reason not to accept.
func (l *Listener) arm() {
	if l.fd < 0 || l.disabled || l.registration.Valid() {
		return
	}
	r, err := l.loop.Register(l.fd, poller.In, (*acceptor)(l))
	if err != nil {
		l.stats.AcceptError++
		l.pause()
		return
	}
	l.registration = r
	l.note(l.fd, "listening")
}

func (l *Listener) closeAccepted() {
	for l.sockets.first != nil {
		l.sockets.first.finish(endRemoved)
	}
	for l.connections.first != nil {
		l.connections.first.Close(NoFlush)
	}
}

// checkDrained is called whenever something has ended.
func (l *Listener) checkDrained() {
	if l.drained != nil && l.sockets.first == nil && l.connections.first == nil {
		l.drainDeadline.Disable()
		l.drained.ScheduleNextIteration()
	}
}

func (l *Listener) note(fd poller.FD, state string) {
	if l.notes != nil && fd >= 0 {
		l.notes.Annotate(fd, state)
	}
}

// Validate says what is wrong with the config, as NewListener would.
func (cfg *ListenerConfig) Validate() error {
	_, err := newChainMatcher(cfg)
	return err
}

func (cfg *ListenerConfig) withDefaults(address netip.AddrPort) ListenerConfig {
	c := *cfg
	if c.StatPrefix == "" {
		c.StatPrefix = address.String()
	}
	if c.ListenerFiltersTimeout == 0 {
		c.ListenerFiltersTimeout = DefaultListenerFiltersTimeout
	}
	if c.MaxConnectionsToAcceptPerSocketEvent <= 0 {
		c.MaxConnectionsToAcceptPerSocketEvent = DefaultMaxConnectionsToAcceptPerSocketEvent
	}
	switch {
	case c.PerConnectionBufferLimitBytes == 0:
		c.PerConnectionBufferLimitBytes = DefaultPerConnectionBufferLimitBytes
	case c.PerConnectionBufferLimitBytes < 0:
		c.PerConnectionBufferLimitBytes = 0
	}
	return c
}
