package poller

// Splicer is an optional power of a Kernel, found by assertion: it moves bytes from
// one stream to another without a copy in the memory of the process.
type Splicer interface {
	// Splice takes at most len(rest) bytes from the queue of one stream and
	// writes them to another. moved of them were taken there; what was not,
	// because its buffer is full or it is broken, is in rest[:kept] and the
	// caller's to write. An error of to is not told: the next Write says it.
	//
	// 0, 0, nil is the end of the stream, as of Read; EAGAIN means that nothing is
	// queued. Less than len(rest) does not mean that the queue is empty.
	Splice(to, from FD, rest []byte) (moved, kept int, err error)
}
