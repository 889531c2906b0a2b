package pipeline

import "edgewise.test/poller"

// ReadDisable stops reading with true, until as many calls with false have come.
// Bytes that are buffered then reach the filters in the next iteration. A reset is
// noticed while reading is disabled, and a FIN with nothing before it, unless
// half-close is enabled. On a closed connection the calls do nothing.
func (c *Connection) ReadDisable(disable bool) {
	if c.state == Closed {
		return
	}
	if disable {
		c.readDisabled++
		return
	}
	if c.readDisabled == 0 {
		panic("pipeline: ReadDisable(false) without a ReadDisable(true)")
	}
	c.readDisabled--
	if c.connecting || !c.wantsData() {
		return
	}
	if c.in.Len() > 0 || c.readEnded && !c.readEndGiven {
		c.dispatchBuffer = true
	}
	c.activateRead()
}

// activateRead makes what waits for the read filters reach them.
func (c *Connection) activateRead() {
	switch {
	case (c.told || c.reread) && c.readDisabled == 0:
		c.registration.Activate(poller.In)
	case c.dispatchBuffer || c.unread() > 0 && c.readDisabled == 0:
		c.registration.Activate(bufferedIn)
	}
}

// ReadEnabled says whether no ReadDisable is in force.
func (c *Connection) ReadEnabled() bool { return c.readDisabled == 0 }

// wantsData says whether the filters may be given what is in the read buffer: also
// while it is over its high watermark, or it would never come down.
func (c *Connection) wantsData() bool {
	return c.readDisabled == 0 || c.readDisabled == 1 && c.inAbove
}

// connectionBuffers hears the watermarks of both buffers.
type connectionBuffers Connection

func (cb *connectionBuffers) onAboveHighWatermark(b *Buffer) {
	c := (*Connection)(cb)
	if b == &c.in {
		c.inAbove = true
		c.ReadDisable(true)
		return
	}
	for i := 0; i < len(c.callbacks) && c.state == Open; i++ {
		c.callbacks[i].OnAboveWriteBufferHighWatermark()
	}
}

func (cb *connectionBuffers) onBelowLowWatermark(b *Buffer) {
	c := (*Connection)(cb)
	if b == &c.in {
		c.inAbove = false
		c.ReadDisable(false)
		return
	}
	for i := 0; i < len(c.callbacks) && c.state == Open; i++ {
		c.callbacks[i].OnBelowWriteBufferLowWatermark()
	}
}
