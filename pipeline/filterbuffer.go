package pipeline

import (
	"fmt"
	"io"
	"syscall"

	"edgewise.test/poller"
)

// ListenerFilterBuffer holds what was peeked from a socket: the bytes are still in
// the kernel. One buffer serves all filters of a socket. It grows to the greatest
// wish and never shrinks.
type ListenerFilterBuffer struct {
	kernel poller.Kernel
	fd     poller.FD
	data   []byte
	base   int  // where Bytes begins; the bytes before were drained
	length int  // of Bytes
	short  bool // the last peek had room left: it took all that there was
}

// Bytes is the head of the stream. It is valid until the filter returns or drains.
func (b *ListenerFilterBuffer) Bytes() []byte { return b.data[b.base : b.base+b.length] }

// Drain takes the first n bytes, at most len(Bytes()), out of the kernel, so that
// neither later filters nor the connection see them. After an error the socket is
// of no use, since some of the bytes may be gone.
func (b *ListenerFilterBuffer) Drain(n int) error {
	if n < 0 || n > b.length {
		return fmt.Errorf("listener filter: drain %d of %d bytes: %w", n, b.length, syscall.EINVAL)
	}
	for interrupts := 0; n > 0; {
		// What is read was peeked before, so its storage may be written again.
		got, err := b.kernel.Read(b.fd, b.data[b.base:b.base+n])
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

// peek looks again at the whole queue, with room for want bytes or more. grown says
// that there is more than before. n is 0 at the end of the stream.
func (b *ListenerFilterBuffer) peek(want int) (n int, grown bool, err error) {
	room := max(want, b.length)
	if len(b.data) < room {
		data := make([]byte, room)
		copy(data, b.Bytes())
		b.data, b.base = data, 0
	} else if b.base > 0 {
		copy(b.data, b.Bytes())
		b.base = 0
	}
	n, err = b.kernel.Peek(b.fd, b.data)
	if err != nil {
		return 0, false, err
	}
	grown = n > b.length
	b.length = max(n, b.length)
	b.short = n < len(b.data)
	return n, grown, nil
}

// reset starts a new life on another socket.
func (b *ListenerFilterBuffer) reset(kernel poller.Kernel, fd poller.FD) {
	b.kernel, b.fd = kernel, fd
	b.base, b.length, b.short = 0, 0, false
}
