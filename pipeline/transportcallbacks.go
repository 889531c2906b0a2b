package pipeline

import (
	"syscall"

	"edgewise.test/poller"
)

// transportCallbacks keeps the methods for the transport socket out of those of
// Connection.
type transportCallbacks Connection

func (t *transportCallbacks) Loop() *Loop { return t.loop }

func (t *transportCallbacks) FD() poller.FD { return t.fd }

func (t *transportCallbacks) Info() *ConnectionInfo { return &t.info }

func (t *transportCallbacks) Read(p []byte) (n int, more bool, err error) {
	c := (*Connection)(t)
	switch {
	case c.unread() > 0:
		n = copy(p, c.preread[c.prereadAt:])
		if c.prereadAt += int32(n); c.unread() == 0 {
			c.dropPreread()
		}
	case !c.told:
		err = syscall.EAGAIN
	default:
		n, err = c.readKernel(p)
	}
	return n, n > 0 && (c.unread() > 0 || c.told), err
}

func (t *transportCallbacks) ShouldDrainReadBuffer() bool {
	return t.in.limit > 0 && t.in.Len() >= int(t.in.limit)
}

func (t *transportCallbacks) SetTransportSocketIsReadable() {
	t.reread = true
	if t.readDisabled == 0 {
		t.registration.Activate(poller.In)
	}
}

func (t *transportCallbacks) Truncated() bool { return t.resetOnClose || t.out.Len() > 0 }

func (t *transportCallbacks) FlushWriteBuffer() { t.registration.Activate(poller.Out) }

func (t *transportCallbacks) RaiseEvent(event ConnectionEvent) {
	c := (*Connection)(t)
	if event != Connected || c.established || c.state == Closed {
		return
	}
	c.established = true
	if c.connectTimer != nil {
		c.connectTimer.Disable()
	}
	c.note("connected")
	c.raise(Connected)
	if c.state == Open && (c.out.Len() > 0 || c.writeEnded) {
		c.registration.Activate(poller.Out)
	}
}
