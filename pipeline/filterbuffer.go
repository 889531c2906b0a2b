package pipeline

import (
	"math/bits"

	"edgewise.test/poller"
)

// ListenerFilterBuffer shows the head of a stream to the listener filters. What they
// do not drain the connection gets, as the first that it reads. One buffer serves all
// filters of a socket.
//
// The bytes are out of the kernel: reading is one call, where peeking is one for each
// look and another in the end, at which all that was seen is copied again, and a
// reset or the end of the stream hides behind bytes that stay. Envoy does so
// where it has to (win32_socket_handle_impl.cc), and peeks elsewhere. Whoever gives
// the descriptor away gives these bytes, too.
type ListenerFilterBuffer struct {
	data   Buffer // what was read and is not drained
	own    bool   // its storage is not a chunk of the loop
	parked []byte // such storage, for later; nil while it is in use
	short  bool   // the last read had room left: it took all that there was
}

// Bytes is what no filter has drained. It is valid until the filter returns or drains.
func (b *ListenerFilterBuffer) Bytes() []byte { return b.data.Bytes() }

// Drain drops the first n bytes, at most len(Bytes()), so that neither later filters
// nor the connection see them.
func (b *ListenerFilterBuffer) Drain(n int) { b.data.Drain(n) }

// read reads once, until there are want bytes at most. Where that is much it begins
// with the room for a hello, and takes more when that was full.
func (b *ListenerFilterBuffer) read(kernel poller.Kernel, fd poller.FD, want int) (n int, err error) {
	have := b.data.Len()
	want = min(want, max(smallChunk, 2*have))
	if b.own {
		kept := b.data
		b.data = Buffer{pool: kept.pool}
		copy(b.data.Reserve(want), kept.Bytes())
		b.data.w = have
		b.parked, b.own = kept.b, false
	}
	n, err = kernel.Read(fd, b.data.Reserve(want - have)[:want-have])
	n = max(n, 0)
	b.data.Commit(n)
	b.short = n < want-have
	return n, err
}

// park gives a chunk of the loop back while the socket waits, unless it is well filled:
// with many slow clients the bytes are few and the chunks would be many.
func (b *ListenerFilterBuffer) park() {
	have := b.data.Len()
	if have == 0 || b.own || 2*have > len(b.data.b) {
		return
	}
	if len(b.parked) < have {
		b.parked = make([]byte, 1<<bits.Len(uint(have-1)))
	}
	copy(b.parked, b.data.Bytes())
	b.data.release()
	b.data.b, b.data.w = b.parked, have
	b.parked, b.own = nil, true
}

// end gives the storage back, unless a connection has it by now.
func (b *ListenerFilterBuffer) end() {
	b.data.release()
	b.own, b.short = false, false
	if len(b.parked) > smallChunk {
		b.parked = nil
	}
}
