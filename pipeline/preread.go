package pipeline

import (
	"syscall"

	"edgewise.test/poller"
)

// unread is how much is left of what the listener filters have read.
func (c *Connection) unread() int { return len(c.preread) - int(c.prereadAt) }

// dropPreread gives its storage back.
func (c *Connection) dropPreread() {
	if c.preread != nil {
		c.loop.chunks.put(c.preread[:cap(c.preread)])
		c.preread, c.prereadAt = nil, 0
	}
}

// readKernel reads, and forgets what the kernel has told of when there is no more of
// it. epoll(7): a short read has emptied the queue. Behind it may be the end of the
// stream, of which the poller has told then. n is never negative.
func (c *Connection) readKernel(p []byte) (n int, err error) {
	n, err = c.kernel.Read(c.fd, p)
	n = max(n, 0)
	c.told = err == syscall.EINTR || n > 0 && (n == len(p) || c.peerEnded)
	return n, err
}

// closeDescriptor closes fd, and with a reset if that is asked for. Bytes that were read
// and that nobody has taken ask for it: a close with bytes in the kernel is one, so
// that the peer does not believe that somebody has them (RFC 1122 4.2.2.13).
func closeDescriptor(kernel poller.Kernel, fd poller.FD, reset bool) {
	if reset {
		kernel.SetSockOpt(fd, poller.SOLinger, 0)
	}
	kernel.Close(fd)
}
