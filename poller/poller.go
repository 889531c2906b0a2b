// Package poller is the boundary between a proxy's worker and the outside world.
//
// A worker asks three things: which descriptors are ready ([Poller]), to do
// something to a stream ([Sockets]), and what time it is ([Clock]). [Kernel] is
// the three together. Code that talks to nothing but a Kernel runs on real epoll
// in production ([Open], Linux) and on a deterministic kernel in tests (package
// fakepoller), and can not tell the two apart.
//
// The vocabulary is Linux's on every operating system: event bits have the
// numeric values of epoll_ctl(2), and every error is a [syscall.Errno], returned
// bare so that both == and [errors.Is] work.
//
// A Kernel belongs to one goroutine. Only Wake may be called from another.
package poller

import (
	"net/netip"
	"time"
)

// FD is a file descriptor number as the kernel gave it out. The kernel gives the
// lowest free number, so a closed FD is soon somebody else's: name a
// registration by its [Token], never by its FD.
type FD int

// Token names one registration in a Poller: a slot in the caller's table and the
// generation of that slot. It is the user data of epoll_ctl(2); the Poller hands
// it back untouched. A caller that bumps the generation whenever it empties a
// slot recognises an event that was already in the batch when its registration
// went away. The value of all ones is the Poller's own: EINVAL.
type Token uint64

// MakeToken packs a slot and its generation.
func MakeToken(slot, generation uint32) Token {
	return Token(generation)<<32 | Token(slot)
}

// Slot returns the slot that t was made from.
func (t Token) Slot() uint32 { return uint32(t) }

// Generation returns the generation that t was made from.
func (t Token) Generation() uint32 { return uint32(t >> 32) }

// Event is one entry of a batch: what is ready now, sampled when Wait looked and
// not when it became so (epoll_wait(2)).
type Event struct {
	Events Events
	Token  Token
}

// Poller waits for readiness: epoll_ctl(2) and epoll_wait(2) on one epoll
// instance, and a way to end a wait from outside.
type Poller interface {
	// Add registers fd. The same open file can be registered once per number
	// (EEXIST otherwise). A masked bit that is already set makes an event.
	Add(fd FD, events Events, token Token) error

	// Modify replaces mask and token. It re-arms OneShot, and makes an event
	// when a masked bit is set, also with EdgeTriggered and an unchanged mask.
	Modify(fd FD, events Events, token Token) error

	// Remove ends a registration. Events that Wait has already returned stay in
	// the caller's slice.
	Remove(fd FD) error

	// Wait fills events with what is ready, at most len(events) of them (EINVAL
	// when that is zero), and returns how many. A negative timeout waits until
	// something happens, zero looks once, and a positive one never ends early.
	// 0, nil means that the timeout passed or that Wake was called.
	// EINTR is returned, not retried. The slice is the caller's; nothing of it
	// is kept.
	Wait(events []Event, timeout time.Duration) (int, error)

	// Wake makes the current Wait, or else the next one, return early. Calls
	// may be merged. It is safe from any goroutine, also after Close (EBADF).
	Wake() error
}

// Sockets is what a proxy does to a stream. All sockets are nonblocking and
// close-on-exec.
type Sockets interface {
	// Accept takes the oldest connection from the queue of a listening socket.
	// EMFILE comes before EAGAIN (accept(2), measured), and a connection that
	// was reset while it queued is accepted all the same.
	Accept(fd FD) (FD, netip.AddrPort, error)

	// Read returns 0, nil at the end of the stream, and EAGAIN when nothing is
	// queued. A count below len(p) means that the queue is empty (epoll(7)).
	Read(fd FD, p []byte) (int, error)

	// Peek is Read with MSG_PEEK: the bytes stay queued. A FIN behind queued
	// bytes can not be seen by peeking, and a pending error is taken by it. Unlike
	// Read it says EAGAIN and the pending error also when p is empty.
	Peek(fd FD, p []byte) (int, error)

	// Write returns how many bytes were taken; less than len(p) means that the
	// buffer is full. It never raises SIGPIPE (MSG_NOSIGNAL).
	Write(fd FD, p []byte) (int, error)

	// Writev is Write of several slices in order, at most 1024 (EINVAL).
	Writev(fd FD, bufs [][]byte) (int, error)

	// Shutdown ends one or both directions (shutdown(2)).
	Shutdown(fd FD, how How) error

	// Close releases the number. It sends a FIN after queued output, or a reset
	// when unread bytes are queued or SOLinger is 0.
	Close(fd FD) error

	// Socket makes a TCP socket.
	Socket(domain Domain) (FD, error)

	// Connect starts a connection: EINPROGRESS, then EventOut, then SocketError.
	Connect(fd FD, to netip.AddrPort) error

	// SocketError takes the pending error (SO_ERROR): nil when there is none.
	// err is about the call itself (EBADF, ENOTSOCK).
	SocketError(fd FD) (pending, err error)

	// LocalAddr is getsockname(2).
	LocalAddr(fd FD) (netip.AddrPort, error)

	// PeerAddr is getpeername(2): ENOTCONN once the connection is dead.
	PeerAddr(fd FD) (netip.AddrPort, error)

	// SetSockOpt and SockOpt are setsockopt(2) and getsockopt(2) for the
	// options that matter to a proxy.
	SetSockOpt(fd FD, opt SockOpt, value int) error
	SockOpt(fd FD, opt SockOpt) (int, error)
}

// Clock tells the time. A loop samples it once per turn.
type Clock interface {
	// Now is the time since a fixed but arbitrary origin. It never goes back.
	Now() time.Duration
}

// Kernel is everything that a worker asks of the outside world.
type Kernel interface {
	Poller
	Sockets
	Clock
}

// Binder makes listening sockets. It is apart from [Sockets] because a worker is
// given its listeners; whoever starts the worker makes them.
type Binder interface {
	Bind(fd FD, addr netip.AddrPort) error
	// Listen makes fd a listening socket, or resizes its queue. A backlog of n
	// holds n+1 connections; negative means the system's maximum.
	Listen(fd FD, backlog int) error
}

// System is a whole kernel, with what the owner of a worker needs besides.
type System interface {
	Kernel
	Binder
	// Dup is dup(2): a second number for the same open file.
	Dup(fd FD) (FD, error)
	// Release closes the poller's own descriptors. Sockets stay open: they are the caller's.
	Release() error
}
