package pipeline

import (
	"errors"
	"net/netip"
	"time"

	"edgewise.test/poller"
)

var errSkeleton = errors.New("pipeline: not here yet")

// Handler is told what is ready on a registered descriptor.
type Handler interface {
	// OnFileEvent may close anything, also its own registration.
	OnFileEvent(events poller.Events)
}

// Loop is the event loop of one worker.
type Loop struct{}

// NewLoop returns a loop over k. The caller keeps k, and releases it after the loop.
func NewLoop(k poller.Kernel) *Loop { return &Loop{} }

// Kernel returns what the loop runs on.
func (l *Loop) Kernel() poller.Kernel { return nil }

// Now is the time of the kernel's clock, sampled once per iteration, after the poll.
func (l *Loop) Now() time.Duration { return 0 }

// Turn runs one iteration. It waits at most max for something to do; negative
// means as long as it takes. The error is the poller's, and final.
func (l *Loop) Turn(max time.Duration) error { return errSkeleton }

// Run turns until Stop.
func (l *Loop) Run() error { return errSkeleton }

// Stop makes Run return at the end of the iteration. Any goroutine may call it.
func (l *Loop) Stop() {}

// Post runs f on the loop. Any goroutine may call it.
func (l *Loop) Post(f func()) {}

// NewTimer returns a disabled timer that calls f.
func (l *Loop) NewTimer(f func()) *Timer { return &Timer{} }

// Register adds fd to the poller.
func (l *Loop) Register(fd poller.FD, events poller.Events, h Handler) (Registration, error) {
	return Registration{}, errSkeleton
}

// DeferredDelete calls d.DeferredDelete later in this iteration, when nothing that runs now can still use d.
func (l *Loop) DeferredDelete(d DeferredDeletable) {}

// DeferredDeletable is an object with a last thing to do.
type DeferredDeletable interface{ DeferredDelete() }

// NewCallback returns a schedulable callback that calls f.
func (l *Loop) NewCallback(f func()) *Callback { return &Callback{} }

// Callback runs when it is scheduled, once per schedule.
type Callback struct{}

// ScheduleCurrentIteration runs the callback in this iteration, after all that is queued.
func (c *Callback) ScheduleCurrentIteration() {}

// ScheduleNextIteration runs the callback in the next iteration, after its file events.
func (c *Callback) ScheduleNextIteration() {}

// Cancel takes back what was scheduled.
func (c *Callback) Cancel() {}

// Enabled says whether the callback is scheduled.
func (c *Callback) Enabled() bool { return false }

// Timer calls a function once, some time after Enable.
type Timer struct{}

// Enable makes the timer fire in d, instead of when it would have.
func (t *Timer) Enable(d time.Duration) {}

// Disable makes the timer not fire, even if it has expired in this iteration.
func (t *Timer) Disable() {}

// Enabled says whether the timer will fire.
func (t *Timer) Enabled() bool { return false }

// Registration is one descriptor in the poller. The zero value, and one that was unregistered, do nothing.
type Registration struct{}

// SetEvents replaces the mask.
func (r Registration) SetEvents(events poller.Events) error { return errSkeleton }

// Activate injects events for the next iteration.
func (r Registration) Activate(events poller.Events) {}

// Unregister ends the registration. Call it before the descriptor is closed.
func (r Registration) Unregister() {}

// Listener accepts connections from one listening socket on one loop.
type Listener struct{}

// NewListener takes fd, a listening socket, and starts to accept.
func NewListener(loop *Loop, fd poller.FD, cfg *ListenerConfig) (*Listener, error) {
	return nil, errSkeleton
}

// Address is where the listener listens.
func (l *Listener) Address() netip.AddrPort { return netip.AddrPort{} }

// Stats are the counters of the listener.
func (l *Listener) Stats() *ListenerStats { return nil }

// Enable undoes Disable.
func (l *Listener) Enable() {}

// Disable stops accepting for a time. The kernel queues connections meanwhile.
func (l *Listener) Disable() {}

// Stop stops accepting for good and closes the listening socket. Sockets and connections stay.
func (l *Listener) Stop() {}

// Drain stops, and calls done once nothing is left; what is left after deadline is closed. done may be nil.
func (l *Listener) Drain(deadline time.Duration, done func()) {}

// Close closes the listening socket, all sockets under inspection and all connections.
func (l *Listener) Close() {}

// ListenerStats are the counters of one listener on one worker.
type ListenerStats struct{}

// Snapshot returns the counters by name.
func (s *ListenerStats) Snapshot() Snapshot { return nil }

// Stat is one counter or gauge.
type Stat struct {
	Name  string
	Value uint64
}

// Snapshot is a set of counters, sorted by name.
type Snapshot []Stat

// Get returns the value of name, 0 when it is not there.
func (s Snapshot) Get(name string) uint64 { return 0 }

// String has one line "name: value" per counter.
func (s Snapshot) String() string { return "" }

// MergeSnapshots adds up the counters with the same name.
func MergeSnapshots(snapshots ...Snapshot) Snapshot { return nil }

// CheckConservation returns the first law of counting that s breaks: each accepted connection is counted in exactly one place.
func CheckConservation(s Snapshot) error { return errSkeleton }

// CheckEnded is CheckConservation, and every gauge is 0.
func CheckEnded(s Snapshot) error { return errSkeleton }

// ConnectionSocket is an accepted socket on its way to be a connection.
type ConnectionSocket struct{}

// FD is the descriptor. The socket owns it.
func (s *ConnectionSocket) FD() poller.FD { return -1 }

// Info is what is known about the connection.
func (s *ConnectionSocket) Info() *ConnectionInfo { return nil }

// IsOpen says whether the descriptor is open.
func (s *ConnectionSocket) IsOpen() bool { return false }

// Close closes the descriptor.
func (s *ConnectionSocket) Close() {}

// ConnectionInfo is what is known about a connection.
type ConnectionInfo struct{}

// LocalAddress is where the client connected to.
func (i *ConnectionInfo) LocalAddress() netip.AddrPort { return netip.AddrPort{} }

// RemoteAddress is the client.
func (i *ConnectionInfo) RemoteAddress() netip.AddrPort { return netip.AddrPort{} }

// RequestedServerName is the SNI, lower case.
func (i *ConnectionInfo) RequestedServerName() string { return "" }

// SetRequestedServerName stores name in lower case.
func (i *ConnectionInfo) SetRequestedServerName(name []byte) {}

// DetectedTransportProtocol is "tls", "raw_buffer" or "".
func (i *ConnectionInfo) DetectedTransportProtocol() string { return "" }

// SetDetectedTransportProtocol stores a constant string.
func (i *ConnectionInfo) SetDetectedTransportProtocol(protocol string) {}

// RequestedApplicationProtocols is the client's ALPN list, in its order.
func (i *ConnectionInfo) RequestedApplicationProtocols() []string { return nil }

// AddRequestedApplicationProtocol appends to the list.
func (i *ConnectionInfo) AddRequestedApplicationProtocol(protocol []byte) {}

// FilterChainName is the chain that was chosen.
func (i *ConnectionInfo) FilterChainName() string { return "" }

// ListenerFilterBuffer holds the bytes that were peeked.
type ListenerFilterBuffer struct{}

// Bytes is valid until the filter returns.
func (b *ListenerFilterBuffer) Bytes() []byte { return nil }

// Drain consumes n bytes, at most len(Bytes()), from the kernel.
func (b *ListenerFilterBuffer) Drain(n int) error { return errSkeleton }

// Buffer is a queue of bytes with watermarks. The zero value is empty and has none.
type Buffer struct{}

// Len is the number of bytes queued.
func (b *Buffer) Len() int { return 0 }

// Bytes is everything queued, valid until the buffer changes.
func (b *Buffer) Bytes() []byte { return nil }

// Write appends a copy of p. It never fails.
func (b *Buffer) Write(p []byte) (int, error) { return 0, nil }

// Drain drops the first n bytes.
func (b *Buffer) Drain(n int) {}

// Move takes everything from src, without a copy when b is empty.
func (b *Buffer) Move(src *Buffer) {}

// Reserve returns room for n more bytes at the end. Commit what was filled.
func (b *Buffer) Reserve(n int) []byte { return nil }

// Commit appends the first n bytes of what Reserve returned.
func (b *Buffer) Commit(n int) {}

// CloseType says how a connection is closed by us.
type CloseType uint8

const (
	FlushWrite         CloseType = iota // when buffered output is written
	FlushWriteAndDelay                  // then wait for the peer to close, up to the delayed close timeout
	NoFlush                             // after one attempt to write
	Abort                               // at once
	AbortReset                          // at once, with a reset
)

// ConnectionState is how far a connection is.
type ConnectionState uint8

const (
	Open    ConnectionState = iota
	Closing                 // output is being flushed
	Closed
)

// ReadFilterCallbacks is what a read filter may do to its chain.
type ReadFilterCallbacks struct{}

// Connection is the connection of the filter.
func (cb ReadFilterCallbacks) Connection() *Connection { return nil }

// ContinueReading goes on with the next filter, after StopIteration.
func (cb ReadFilterCallbacks) ContinueReading() {}

// Connection is one TCP connection with its transport socket and filters.
type Connection struct{}

// ClientConfig says how a client connection is made. The zero value has no limits.
type ClientConfig struct {
	ConnectTimeout   time.Duration // 0: none
	BufferLimitBytes int           // 0: none
	TransportSocket  TransportSocketFactory
}

// NewClientConnection returns a connection to addr that Connect starts.
func NewClientConnection(loop *Loop, addr netip.AddrPort, cfg ClientConfig) *Connection {
	return nil
}

// Connect starts to connect. The outcome is an event, never inside this call.
func (c *Connection) Connect() {}

// Loop is the loop of the worker.
func (c *Connection) Loop() *Loop { return nil }

// Info is what is known about the connection.
func (c *Connection) Info() *ConnectionInfo { return nil }

// State is how far the connection is.
func (c *Connection) State() ConnectionState { return Closed }

// Failure is the error that ended the connection, nil for an orderly end or none.
func (c *Connection) Failure() error { return nil }

// AddReadFilter appends a read filter.
func (c *Connection) AddReadFilter(f ReadFilter) {}

// AddWriteFilter puts a write filter in front of those that are there.
func (c *Connection) AddWriteFilter(f WriteFilter) {}

// AddConnectionCallbacks registers cb.
func (c *Connection) AddConnectionCallbacks(cb ConnectionCallbacks) {}

// Write moves data to the peer, and ends our direction with endStream.
func (c *Connection) Write(data *Buffer, endStream bool) {}

// ReadDisable(true) stops reading until as many ReadDisable(false) have come.
func (c *Connection) ReadDisable(disable bool) {}

// ReadEnabled says whether no ReadDisable is in force.
func (c *Connection) ReadEnabled() bool { return false }

// EnableHalfClose makes a FIN the end of one direction, not of the connection.
func (c *Connection) EnableHalfClose(enabled bool) {}

// SetDelayedCloseTimeout bounds how long a flushing close waits without progress. 0 means no bound.
func (c *Connection) SetDelayedCloseTimeout(d time.Duration) {}

// Close closes the connection.
func (c *Connection) Close(how CloseType) {}
