package pipeline

import (
	"bytes"
	"fmt"
	"math"
)

// chunkSize is what one read takes at most, and the storage of a buffer that is
// busy (speed: throughput doubles from 16 to 64 KiB). A buffer begins with
// smallChunk, which holds a ClientHello, until a read has filled it.
const (
	chunkSize  = 64 << 10
	smallChunk = 4 << 10
)

// Buffer is a queue of bytes in one piece, with watermarks. Buffers of connections
// take their storage from a pool of their loop while they are not empty, so an
// idle connection has none. The zero value is empty, unlimited and unpooled.
type Buffer struct {
	b     []byte // b[r:w] is queued
	r, w  int
	pool  *chunkPool // nil: the garbage collector
	limit int32      // high watermark; 0: no watermarks
	busy  bool       // a read has filled what there was
	above bool       // over the high watermark and not yet down at the low one
	watch bufferWatcher
}

// bufferWatcher is told when a buffer crosses its watermarks.
type bufferWatcher interface {
	onAboveHighWatermark(b *Buffer)
	onBelowLowWatermark(b *Buffer)
}

// Len is the number of bytes queued.
func (b *Buffer) Len() int { return b.w - b.r }

// Bytes is everything queued. It is the buffer's, and valid until the buffer
// changes.
func (b *Buffer) Bytes() []byte { return b.b[b.r:b.w] }

// Write appends a copy of p. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	if len(p) > 0 {
		copy(b.Reserve(len(p)), p)
		b.Commit(len(p))
	}
	return len(p), nil
}

// WriteString appends s. It never fails.
func (b *Buffer) WriteString(s string) (int, error) {
	if len(s) > 0 {
		copy(b.Reserve(len(s)), s)
		b.Commit(len(s))
	}
	return len(s), nil
}

// Drain drops the first n bytes, at most Len.
func (b *Buffer) Drain(n int) {
	if n < 0 || n > b.Len() {
		panic(fmt.Sprintf("pipeline: drain %d of %d bytes", n, b.Len()))
	}
	b.r += n
	if b.r == b.w {
		b.release()
	}
	b.checkLow()
}

// Move takes everything from src and leaves it empty. It copies only when there is
// something in b.
func (b *Buffer) Move(src *Buffer) {
	if src.Len() == 0 || src == b {
		return
	}
	if b.Len() > 0 {
		copy(b.Reserve(src.Len()), src.Bytes())
		b.w += src.Len()
		src.release()
	} else {
		b.release()
		b.b, b.r, b.w = src.b, src.r, src.w
		src.b, src.r, src.w = nil, 0, 0
	}
	b.checkHigh()
	src.checkLow()
}

// detach takes everything out, at the beginning of its storage, which goes along if it
// is small or well filled: it may have to wait for a reader.
func (b *Buffer) detach() []byte {
	if len(b.b) > smallChunk && 2*b.Len() <= len(b.b) {
		p := bytes.Clone(b.Bytes())
		b.release()
		return p
	}
	p := b.b[:copy(b.b, b.Bytes())]
	b.b, b.r, b.w = nil, 0, 0
	return p
}

// attach puts what was detached behind what is there, without a copy if that is nothing.
func (b *Buffer) attach(p []byte) {
	if b.Len() > 0 {
		b.Write(p)
		return
	}
	b.release()
	b.b, b.w = p[:cap(p)], len(p)
	b.checkHigh()
}

// Reserve returns room for at least n bytes behind what is queued. Commit appends
// what was filled of it.
func (b *Buffer) Reserve(n int) []byte {
	if len(b.b)-b.w < n {
		b.makeRoom(n)
	}
	return b.b[b.w:]
}

// Commit appends the first n bytes of what Reserve returned.
func (b *Buffer) Commit(n int) {
	if n < 0 || n > len(b.b)-b.w {
		panic(fmt.Sprintf("pipeline: commit %d of %d bytes", n, len(b.b)-b.w))
	}
	b.w += n
	if b.r == b.w {
		b.release()
	}
	b.checkHigh()
}

// setWatermarks sets the high watermark to limit and the low one to half of it.
// 0 is none (Envoy watermark_buffer.cc: above is more than the limit, below is
// half of it or less).
func (b *Buffer) setWatermarks(limit int, watch bufferWatcher) {
	b.limit, b.watch = int32(min(max(limit, 0), math.MaxInt32)), watch
	b.checkHigh()
	b.checkLow()
}

// mute ends the watermark callbacks.
func (b *Buffer) mute() { b.watch, b.limit = nil, 0 }

func (b *Buffer) checkHigh() {
	if b.watch != nil && b.limit > 0 && !b.above && b.Len() > int(b.limit) {
		b.above = true
		b.watch.onAboveHighWatermark(b)
	}
}

func (b *Buffer) checkLow() {
	if b.watch != nil && b.above && (b.limit == 0 || b.Len() <= int(b.limit/2)) {
		b.above = false
		b.watch.onBelowLowWatermark(b)
	}
}

// makeRoom moves the queue to the front when that frees at least half of the
// storage, and doubles the storage otherwise: either way a byte is copied a
// bounded number of times.
func (b *Buffer) makeRoom(n int) {
	have := b.Len()
	if len(b.b)-have >= n && b.r >= have {
		copy(b.b, b.b[b.r:b.w])
		b.r, b.w = 0, have
		return
	}
	old := *b
	switch size := max(have+n, 2*len(b.b)); {
	case size > chunkSize || b.pool == nil:
		b.b = make([]byte, size)
	case size > smallChunk:
		b.b = b.pool.large.get(chunkSize)
	default:
		b.b = b.pool.small.get(smallChunk)
	}
	b.r, b.w = 0, copy(b.b, old.Bytes())
	old.release()
}

func (b *Buffer) release() {
	if b.pool != nil {
		b.pool.put(b.b)
	}
	b.b, b.r, b.w = nil, 0, 0
}

// readInto reads once from c to the end of b: at most a chunk, at least a
// quarter of one, which is a small one until a read has filled it. full says that there may be more.
func (b *Buffer) readInto(c *Connection) (n int, err error) {
	atLeast := smallChunk / 4
	if b.busy {
		atLeast = chunkSize / 4
	}
	room := b.Reserve(atLeast)
	room = room[:min(len(room), chunkSize)]
	n, err = c.readKernel(room)
	b.busy = n == len(room) || b.busy && n >= smallChunk
	b.Commit(n)
	return n, err
}

// maxPooledChunks bounds what an idle loop keeps: 8 MiB.
const maxPooledChunks = 128

// chunkPool keeps storage of the two standard sizes.
type chunkPool struct{ small, large chunks }

func (p *chunkPool) put(b []byte) {
	switch len(b) {
	case smallChunk:
		p.small.put(b)
	case chunkSize:
		p.large.put(b)
	}
}

// chunks are free pieces of one size.
type chunks struct{ free [][]byte }

func (c *chunks) get(size int) []byte {
	n := len(c.free)
	if n == 0 {
		return make([]byte, size)
	}
	b := c.free[n-1]
	c.free = c.free[:n-1]
	return b
}

func (c *chunks) put(b []byte) {
	if len(c.free) < maxPooledChunks {
		c.free = append(c.free, b)
	}
}
