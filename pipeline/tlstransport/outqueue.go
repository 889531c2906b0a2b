package tlstransport

import (
	"syscall"

	"edgewise.test/poller"
)

// outQueue is what goes to the kernel. It has storage only while it is not empty.
type outQueue struct {
	factory *Factory
	b       []byte // b[r:] is queued
	r       int
}

// outHighWater is how many bytes are queued before no more are encrypted: four
// records, for one system call.
const outHighWater = 64 << 10

// outStorage has room for outHighWater, another record, and a few alerts.
const outStorage = outHighWater + 18<<10

func (q *outQueue) len() int { return len(q.b) - q.r }

func (q *outQueue) append(p []byte) {
	if q.b == nil {
		if n := len(q.factory.storage); n > 0 {
			q.b = q.factory.storage[n-1]
			q.factory.storage = q.factory.storage[:n-1]
		} else {
			q.b = make([]byte, 0, outStorage)
		}
	}
	q.b = append(q.b, p...)
}

// flush writes until the kernel takes no more. EINTR is an error like others.
func (q *outQueue) flush(kernel poller.Kernel, fd poller.FD) error {
	for q.len() > 0 {
		n, err := kernel.Write(fd, q.b[q.r:])
		if err == syscall.EAGAIN {
			return nil
		}
		if err != nil {
			return err
		}
		short := n < q.len()
		q.r += n
		if short {
			return nil
		}
	}
	q.clear()
	return nil
}

// maxStorage bounds what a factory keeps: about 2 MB.
const maxStorage = 24

func (q *outQueue) clear() {
	if f := q.factory; cap(q.b) == outStorage && len(f.storage) < maxStorage {
		f.storage = append(f.storage, q.b[:0])
	}
	q.b, q.r = nil, 0
}
