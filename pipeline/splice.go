package pipeline

import (
	"syscall"

	"edgewise.test/poller"
)

// SplicingFilter is a [ReadFilter] that does nothing with the bytes but write them to
// another connection. While there are many, and none in a buffer, they go there
// without it, inside the kernel, where that can do so ([poller.Splicer]). Envoy
// always copies.
//
// It has to be the only read filter of a raw connection, and the other one has to be
// raw and without write filters. The end of the stream, and everything else, comes
// to OnData as always.
type SplicingFilter interface {
	ReadFilter
	// SpliceTo is where the bytes go. nil is nowhere yet.
	SpliceTo() *Connection
	// OnSplice tells how many have gone there past the filter.
	OnSplice(bytes int)
}

// spliceBudget is what one turn moves at most. It is more than a read takes, because
// nothing is copied.
const spliceBudget = 4 * chunkSize

// splice reads in place of the transport socket. ok is false when it has done nothing.
func (c *Connection) splice() (result IoResult, ok bool) {
	filter, to := c.spliceTarget()
	if to == nil {
		return result, false
	}
	again := (*transportCallbacks)(c).SetTransportSocketIsReadable
	if to.out.Len() > 0 { // it is written in this iteration: to read now would add to it, by a copy
		again()
		return result, true
	}
	total := 0
	for done := false; !done; {
		moved, kept, err := c.kernel.(poller.Splicer).Splice(to.fd, c.fd, to.out.Reserve(chunkSize)[:chunkSize])
		to.out.Commit(kept)
		total += moved + kept
		switch {
		case err == syscall.EMFILE || err == syscall.ENFILE || err == syscall.ENOMEM: // for the pipe
			return result, false
		case err == syscall.EAGAIN:
			c.told = false
			done = true
		case err != nil && err != syscall.EINTR:
			result.Close, result.Err = true, err
			done = true
		case err == nil && moved+kept == 0:
			result.EndStreamRead = true
			done = true
		case kept > 0 || total >= spliceBudget || c.state != Open || to.state != Open:
			again()
			done = true
		}
		if kept > 0 {
			to.registration.Activate(poller.Out)
		}
	}
	c.in.busy = total >= smallChunk
	if total > 0 && c.state == Open {
		filter.OnSplice(total)
	}
	return result, true
}

// spliceTarget is nil when the bytes have to go through the buffers. Reads that fill
// theirs say that there are many.
func (c *Connection) spliceTarget() (SplicingFilter, *Connection) {
	if !c.in.busy || c.in.Len() > 0 || c.state != Open || !c.raw || len(c.chain.read) != 1 {
		return nil, nil
	}
	filter, ok := c.chain.read[0].(SplicingFilter)
	if !ok {
		return nil, nil
	}
	if _, ok := c.kernel.(poller.Splicer); !ok {
		return nil, nil
	}
	to := filter.SpliceTo()
	if to == nil || to.state != Open || to.connecting || to.writeEnded || to.writeBlocked || !to.raw || len(to.chain.write) > 0 {
		return nil, nil
	}
	return filter, to
}
