package pipeline

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"edgewise.test/poller"
)

// The pause after an accept error that will not go away by trying again at once.
const (
	minAcceptBackoff = 5 * time.Millisecond
	maxAcceptBackoff = time.Second
)

// Listener accepts from one listening socket on one loop, and owns what comes of
// it: sockets in listener filters, then connections. Each worker has its own.
type Listener struct {
	loop    *Loop
	kernel  poller.Kernel
	notes   poller.Annotator // nil: nobody reads them
	fd      poller.FD        // -1 once stopped
	address netip.AddrPort
	config  ListenerConfig // defaults filled in
	matcher *chainMatcher
	stats   ListenerStats

	registration Registration
	batch        int    // accept calls at the last event
	batchTurn    uint64 // the iteration of that event
	disabled     bool
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
	matcher, err := newChainMatcher(cfg)
	if err != nil {
		return nil, fmt.Errorf("listener %v: %w", address, err)
	}
	l := &Listener{loop: loop, kernel: loop.kernel, fd: fd, address: address, config: cfg.withDefaults(address), matcher: matcher}
	l.notes, _ = loop.kernel.(poller.Annotator)
	l.retry = loop.NewTimer(l.arm)
	if l.registration, err = loop.Register(fd, poller.In, (*acceptor)(l)); err != nil {
		return nil, fmt.Errorf("listener %v: register: %w", address, err)
	}
	return l, nil
}

// Address is where the listener listens.
func (l *Listener) Address() netip.AddrPort { return l.address }

// Stats are the counters, live.
func (l *Listener) Stats() *ListenerStats { return &l.stats }

// Snapshot is a copy of the counters, by name.
func (l *Listener) Snapshot() Snapshot { return l.stats.Snapshot(l.config.StatPrefix) }

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
	if l.fd < 0 {
		return
	}
	l.retry.Disable()
	l.disarm()
	fd := l.fd
	l.fd = -1
	l.kernel.Close(fd)
}

// Drain stops, and waits for what was accepted to end. When deadline has passed
// the rest is closed. done, if not nil, is called once after that, never inside
// Drain. A second Drain replaces deadline and done of the first.
func (l *Listener) Drain(deadline time.Duration, done func()) {
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

// acceptor keeps OnFileEvent out of the methods of Listener.
type acceptor Listener

// OnFileEvent accepts a few connections and gives each its first turn at once: its
// bytes are often there already, and the cache is warm. The listening socket is
// level-triggered, so what is left in the queue is told again.
func (a *acceptor) OnFileEvent(poller.Events) {
	l := (*Listener)(a)
	for range l.nextBatch() {
		fd, remote, err := l.kernel.Accept(l.fd)
		switch {
		case err == nil:
			l.backoff = 0
			l.onAccept(fd, remote)
		case !l.retryAccept(err):
			return
		}
		if !l.registration.Valid() {
			return // a filter has stopped, disabled or closed the listener
		}
	}
}

// nextBatch is how often to accept at this event: once, and twice as often as
// before for as long as events come without a break. At low load an accept that
// finds nothing would be the most expensive call of a connection; in a burst it is
// one of many.
func (l *Listener) nextBatch() int {
	turn := l.loop.stats.Turns
	if l.batch > 0 && turn == l.batchTurn+1 {
		l.batch = min(2*l.batch, l.config.MaxConnectionsToAcceptPerSocketEvent)
	} else {
		l.batch = 1
	}
	l.batchTurn = turn
	return l.batch
}

func (l *Listener) onAccept(fd poller.FD, remote netip.AddrPort) {
	l.stats.Accepted++
	if limit := l.config.ConnectionLimit; limit > 0 && l.stats.PreCxActive+l.stats.CxActive >= uint64(limit) {
		l.stats.CxOverflow++
		l.kernel.Close(fd)
		return
	}
	l.note(fd, "accepted")
	l.takeSocket().start(fd, remote)
}

// retryAccept says whether to call accept again after err. Envoy ends the loop
// without a counter at any error; level triggering then spins the worker for as
// long as descriptors are short (envoy #980) or the socket does not listen (#14784).
func (l *Listener) retryAccept(err error) bool {
	switch err {
	case syscall.EAGAIN:
		l.batch = 0
		return false
	case syscall.EINTR, syscall.ECONNABORTED, syscall.EPROTO, syscall.ENETDOWN, syscall.ENOPROTOOPT,
		syscall.EHOSTUNREACH, syscall.EOPNOTSUPP, syscall.ENETUNREACH, syscall.EPERM, syscall.ECONNRESET, syscall.ETIMEDOUT:
		// accept(2): errors of the new connection, "treat them like EAGAIN by retrying".
		l.stats.AcceptRetry++
		return true
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM:
		l.stats.AcceptResource++
	default:
		l.stats.AcceptError++
	}
	l.pause()
	return false
}

// pause takes the socket out of the poller for a while. An empty mask would not
// do: HUP of a socket that does not listen is reported with any mask.
func (l *Listener) pause() {
	l.disarm()
	l.backoff = min(max(2*l.backoff, minAcceptBackoff), maxAcceptBackoff)
	l.retry.Enable(l.backoff)
	l.note(l.fd, "accept paused")
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
