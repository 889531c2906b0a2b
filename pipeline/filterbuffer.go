package pipeline

import (
	"fmt"
	"io"
	"syscall"

	"edgewise.test/poller"
)

// ListenerFilterBuffer shows what was peeked from a socket: the bytes are still in
// the kernel. One buffer serves all filters of a socket.
//
// All sockets of a loop share the storage, so that those that wait for a slow client
// cost none: what another socket has peeked over is peeked again when a filter is to
// see it. Envoy has storage for each socket.
type ListenerFilterBuffer struct {
	kernel poller.Kernel
	fd     poller.FD
	store  *peekStore
	base   int  // where Bytes begins; the bytes before were drained
	length int  // of Bytes
	short  bool // the last peek had room left: it took all that there was
}

// peekStore is the storage of a loop. It grows to the greatest wish and never shrinks.
type peekStore struct {
	data  []byte
	owner *ListenerFilterBuffer // whose bytes they are
}

// Bytes is the head of the stream. It is valid until the filter returns or drains, or
// lets another socket go on.
func (b *ListenerFilterBuffer) Bytes() []byte { return b.store.data[b.base : b.base+b.length] }

// lost says that there were bytes, and that others have the storage now.
func (b *ListenerFilterBuffer) lost() bool { return b.length > 0 && b.store.owner != b }

// Drain takes the first n bytes, at most len(Bytes()), out of the kernel, so that
// neither later filters nor the connection see them. After an error the socket is
// of no use, since some of the bytes may be gone.
func (b *ListenerFilterBuffer) Drain(n int) error {
	if n < 0 || n > b.length {
		return fmt.Errorf("listener filter: drain %d of %d bytes: %w", n, b.length, syscall.EINVAL)
	}
	if b.lost() {
		b.store.owner = nil // whoever has it peeks again, too
	}
	for interrupts := 0; n > 0; {
		// What is read was peeked before, so its storage may be written again.
		got, err := b.kernel.Read(b.fd, b.store.data[b.base:b.base+n])
		switch {
		case err == syscall.EINTR && interrupts < maxInterrupts:
			interrupts++
			continue
		case err != nil:
			return fmt.Errorf("listener filter: drain: %w", err)
		case got == 0: // Envoy loops here for ever
			return fmt.Errorf("listener filter: drain: %w", io.ErrUnexpectedEOF)
		}
		b.base += got
		b.length -= got
		n -= got
	}
	return nil
}

// maxInterrupts bounds a retry within one callback.
const maxInterrupts = 16

// peek looks again at the whole queue. Where want is much it starts with the room for
// a hello, and takes more when that is full. grown says that there is more than before.
// n is 0 at the end of the stream.
func (b *ListenerFilterBuffer) peek(want int) (n int, grown bool, err error) {
	s := b.store
	if room := max(min(want, max(smallChunk, 2*b.length)), b.length); len(s.data) < room {
		s.data = make([]byte, room)
	}
	s.owner, b.base = b, 0
	n, err = b.kernel.Peek(b.fd, s.data)
	if err != nil {
		b.length = 0
		return 0, false, err
	}
	grown = n > b.length
	b.length = n
	b.short = n < len(s.data)
	return n, grown, nil
}

// reset starts a new life on another socket.
func (b *ListenerFilterBuffer) reset(kernel poller.Kernel, fd poller.FD, store *peekStore) {
	b.kernel, b.fd, b.store = kernel, fd, store
	b.base, b.length, b.short = 0, 0, false
}
