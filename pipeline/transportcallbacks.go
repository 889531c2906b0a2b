package pipeline

import "edgewise.test/poller"

// transportCallbacks keeps the methods for the transport socket out of those of
// Connection.
type transportCallbacks Connection

func (t *transportCallbacks) Loop() *Loop { return t.loop }

func (t *transportCallbacks) FD() poller.FD { return t.fd }

func (t *transportCallbacks) Info() *ConnectionInfo { return &t.info }

func (t *transportCallbacks) PeerEnded() bool { return t.peerEnded }

func (t *transportCallbacks) ShouldDrainReadBuffer() bool {
	return t.in.limit > 0 && t.in.Len() >= t.in.limit
}

func (t *transportCallbacks) SetTransportSocketIsReadable() {
	t.readable, t.reread = true, true
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
