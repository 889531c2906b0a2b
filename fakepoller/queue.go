package fakepoller

// queue is a growable ring of bytes. The zero value is empty.
type queue struct {
	buf  []byte // length is zero or a power of two
	head int
	n    int
}

const minQueue = 512

func (q *queue) write(p []byte) {
	if need := q.n + len(p); need > len(q.buf) {
		q.grow(need)
	}
	tail := (q.head + q.n) & (len(q.buf) - 1)
	copied := copy(q.buf[tail:], p)
	copy(q.buf, p[copied:])
	q.n += len(p)
}

func (q *queue) grow(need int) {
	size := minQueue
	for size < need {
		size *= 2
	}
	buf := make([]byte, size)
	q.peek(buf[:q.n])
	q.buf, q.head = buf, 0
}

// peek copies the oldest len(p) bytes; there must be that many.
func (q *queue) peek(p []byte) {
	if len(p) == 0 {
		return
	}
	copied := copy(p, q.buf[q.head:])
	copy(p[copied:], q.buf)
}

func (q *queue) discard(n int) {
	q.n -= n
	if q.n == 0 {
		q.head = 0
		return
	}
	q.head = (q.head + n) & (len(q.buf) - 1)
}

// truncate keeps the oldest n bytes.
func (q *queue) truncate(n int) { q.n = n }
