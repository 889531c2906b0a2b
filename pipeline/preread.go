package pipeline

import "edgewise.test/poller"

// unread is how much is left of what the listener filters have read.
func (c *Connection) unread() int { return len(c.preread) - int(c.prereadAt) }

// dropPreread gives its storage back.
func (c *Connection) dropPreread() {
	if c.preread != nil {
		c.loop.chunks.put(c.preread[:cap(c.preread)])
		c.preread, c.prereadAt = nil, 0
	}
}

// closeUnread closes fd like a close with those bytes in the kernel: with a reset, so
// that the peer does not believe that somebody has read them (RFC 1122 4.2.2.13).
func closeUnread(kernel poller.Kernel, fd poller.FD, unread int) {
	if unread > 0 {
		kernel.SetSockOpt(fd, poller.SOLinger, 0)
	}
	kernel.Close(fd)
}
