package pipeline

import "edgewise.test/poller"

// Close ends the connection from our side. Callbacks hear LocalClose, once; inside
// this call if nothing has to be flushed: TLS always has its close_notify. While a
// close flushes nothing is read, so no filter hears of what the peer still sends;
// another Close may change how it ends.
func (c *Connection) Close(how CloseType) {
	if c.state == Closed {
		return
	}
	switch how {
	case Abort:
		c.closeSocket(LocalClose)
	case NoFlush, AbortReset:
		c.resetOnClose = how == AbortReset
		c.state = Closing
		c.out.mute()
		if c.out.Len() > 0 && !c.connecting {
			c.transport.DoWrite(&c.out, c.writeEnded)
		}
		c.closeSocket(LocalClose)
	default:
		c.closeFlushing(how)
	}
}

func (c *Connection) closeFlushing(how CloseType) {
	c.closeType = how
	if c.delayedClose <= 0 {
		c.closeType = FlushWrite
	}
	canFlush := !c.connecting && c.transport.CanFlushClose()
	if !canFlush || c.flushed() && (c.closeType == FlushWrite || c.peerEnded) {
		c.closeSocket(LocalClose)
		return
	}
	if c.state == Closing {
		return
	}
	c.state = Closing
	c.note("closing")
	c.out.mute()
	if !c.raw && !c.writeEnded {
		c.writeEnded = true
		c.registration.Activate(poller.Out)
	}
	if c.delayedClose > 0 {
		c.delayTimer = c.loop.NewTimer(c.onDelayedClose)
		c.delayTimer.Enable(c.delayedClose)
	}
}

func (c *Connection) onDelayedClose() { c.closeSocket(LocalClose) }

// closeSocket is the only way to Closed. The descriptor is closed before anybody
// is told, so that whoever opens one in a callback may get the number.
func (c *Connection) closeSocket(event ConnectionEvent) {
	if c.state == Closed {
		return
	}
	c.note(event.String())
	c.state = Closed
	c.connecting = false
	for _, t := range [...]*Timer{c.connectTimer, c.delayTimer} {
		if t != nil {
			t.Disable()
		}
	}
	c.in.mute()
	c.out.mute()
	if c.fd >= 0 {
		c.transport.CloseSocket(event)
		c.registration.forget()
		fd := c.fd
		c.fd, c.info.kernel = -1, nil
		closeDescriptor(c.kernel, fd, c.resetOnClose || c.unread() > 0)
	}
	if c.listener != nil {
		c.listener.onConnectionClosed(c)
	}
	c.loop.DeferredDelete((*connectionStorage)(c))
	c.raise(event)
}

// connectionStorage gives the buffers back once no filter on the stack can hold
// their bytes.
type connectionStorage Connection

func (d *connectionStorage) DeferredDelete() {
	(*Connection)(d).dropPreread()
	d.in.release()
	d.out.release()
}
