package pipeline

import (
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

// acceptor keeps OnFileEvent out of the methods of Listener.
type acceptor Listener

// OnFileEvent accepts a few connections and gives each its first turn at once: its
// bytes are often there already, and the cache is warm. The listening socket is
// level-triggered, so what is left in the queue is told again.
func (a *acceptor) OnFileEvent(poller.Events) {
	l := (*Listener)(a)
	before := l.stats.Accepted
	// A filter may stop, disable or close the listener.
	for left := l.nextBatch(); left > 0 && l.acceptOne() && l.registration.Valid(); left-- {
	}
	l.acceptedPerEvent.Record(float64(l.stats.Accepted - before))
}

// acceptOne says whether to go on.
func (l *Listener) acceptOne() bool {
	fd, remote, err := l.kernel.Accept(l.fd)
	if err != nil {
		return l.retryAccept(err)
	}
	l.backoff = 0
	l.onAccept(fd, remote)
	return true
}

// acceptQueued empties the queue of the listening socket, up to a bound, before it
// is closed: the kernel resets what is in it then.
func (l *Listener) acceptQueued() {
	for left := l.config.MaxConnectionsToAcceptOnDrain; left > 0 && l.fd >= 0 && l.acceptOne(); left-- {
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

// onAccept asks the limits, in Envoy's order (tcp_listener_impl.cc, then
// active_tcp_listener.cc onAccept). What one has given is given back when another
// refuses: Envoy keeps the global unit of a socket that it sheds (envoy #41867).
func (l *Listener) onAccept(fd poller.FD, remote netip.AddrPort) {
	l.stats.Accepted++
	s := acceptedSocket{fd: fd, info: ConnectionInfo{local: l.address, remote: remote}, handOff: l.config.UseOriginalDst}
	if !l.config.IgnoreGlobalConnLimit {
		s.global = l.config.GlobalConnectionLimit
	}
	if !s.global.Allocate() {
		l.stats.GlobalCxOverflow++
		l.kernel.Close(fd)
		return
	}
	if !l.config.BypassOverloadManager && l.config.Overload.reject() {
		l.stats.CxOverloadReject++
		s.global.Release()
		l.kernel.Close(fd)
		return
	}
	l.admit(&s)
}

// acceptedSocket is on its way to the listener filters, maybe those of another
// listener or worker. Its descriptor is open.
type acceptedSocket struct {
	fd      poller.FD
	info    ConnectionInfo
	global  *Limit // that has a unit for it
	handOff bool   // a restored local address may choose another listener
	preread []byte // what the filters of another listener have left
}

// admit takes a socket that this listener has accepted, or was handed by another one.
func (l *Listener) admit(s *acceptedSocket) {
	if !l.limit.Allocate() {
		l.stats.CxOverflow++
		s.global.Release()
		closeDescriptor(l.kernel, s.fd, len(s.preread) > 0)
		return
	}
	if l.balancer.place(l, s) {
		l.inspect(s)
	}
}

// inspect starts the listener filters. The units of the socket are the listener's
// to give back from here on.
func (l *Listener) inspect(s *acceptedSocket) {
	l.note(s.fd, "accepted")
	l.takeSocket().start(s)
}

// release gives back what admit has taken.
func (l *Listener) release() {
	l.limit.Release()
	l.balancer.leave(l.target)
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
