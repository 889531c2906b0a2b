package pipeline

import (
	"net/netip"
	"syscall"
	"time"

	"edgewise.test/poller"
)

// ClientConfig says how a client connection is made. The zero value is a raw
// connection without limits.
type ClientConfig struct {
	// ConnectTimeout bounds the time from Connect to Connected. 0 is no bound.
	ConnectTimeout time.Duration
	// BufferLimitBytes is the high watermark of each buffer. 0 is no limit.
	BufferLimitBytes int
	// TransportSocket makes the transport socket. nil means the raw one.
	TransportSocket TransportSocketFactory
	// SmartConnect is for a caller that writes as soon as it is connected: the last ACK
	// of the handshake is left to those bytes (TCP_QUICKACK in tcp(7); HAProxy, option
	// tcp-smart-connect), which spares both ends a packet. Until then, 200 ms at most,
	// the peer does not know of the connection.
	SmartConnect bool
	// SocketOptions is how the socket is made. What the kernel can not do is an
	// error of the connection.
	SocketOptions UpstreamSocketOptions
}

// NewClientConnection returns a connection to addr, which Connect starts. Whatever
// is written before it is connected is kept.
func NewClientConnection(loop *Loop, addr netip.AddrPort, cfg ClientConfig) *Connection {
	c := &Connection{fd: -1, connecting: true}
	c.info.remote = addr
	c.init(loop, cfg.TransportSocket, cfg.BufferLimitBytes)
	c.connectTimeout, c.smartConnect = cfg.ConnectTimeout, cfg.SmartConnect
	if cfg.SocketOptions != (UpstreamSocketOptions{}) {
		c.info.SetUpstreamSocketOptions(cfg.SocketOptions)
	}
	return c
}

// Connect starts to connect. How it ends is told by an event in a later iteration:
// Connected; RemoteClose, with the reason in [Connection.Failure]; or LocalClose
// when the timeout has passed, with ETIMEDOUT.
func (c *Connection) Connect() {
	if c.state != Open || c.fd >= 0 {
		return
	}
	fd, err := c.kernel.Socket(poller.DomainOf(c.info.remote.Addr()))
	if err != nil {
		c.connectFailed("socket", err)
		return
	}
	c.fd = fd
	c.info.kernel, c.info.fd = c.kernel, fd
	c.nagle = true
	if operation, err := c.setSocketOptions(); err != nil {
		c.connectFailed(operation, err)
		return
	}
	if c.smartConnect {
		c.kernel.SetSockOpt(fd, poller.TCPQuickAck, 0) // a wish
	}
	// An interrupted connect(2) goes on by itself.
	if err := c.kernel.Connect(fd, c.info.remote); err != nil && err != syscall.EINPROGRESS && err != syscall.EINTR {
		c.connectFailed("connect", err)
		return
	}
	c.note("connecting")
	if c.registration, err = c.loop.Register(fd, connectionMask, (*connectionEvents)(c)); err != nil {
		c.connectFailed("register", err)
		return
	}
	if c.connectTimeout > 0 {
		c.connectTimer = c.loop.NewTimer(c.onConnectTimeout)
		c.connectTimer.Enable(c.connectTimeout)
	}
}

// setSocketOptions does what the configuration wants before connect(2). Unlike
// Envoy's, the socket is not made transparent (IP_TRANSPARENT, ip(7)): the source
// has to be an address of this machine, or the machine has to allow others
// (ip_nonlocal_bind).
func (c *Connection) setSocketOptions() (operation string, err error) {
	options := c.info.UpstreamSocketOptions()
	if options.Mark != 0 {
		marker, ok := c.kernel.(poller.Marker)
		if !ok {
			return "set mark", syscall.EOPNOTSUPP
		}
		if err := marker.SetMark(c.fd, options.Mark); err != nil {
			return "set mark", err
		}
	}
	if options.SourceAddress.IsValid() {
		binder, ok := c.kernel.(poller.Binder)
		if !ok {
			return "bind", syscall.EOPNOTSUPP
		}
		if err := binder.Bind(c.fd, netip.AddrPortFrom(options.SourceAddress, 0)); err != nil {
			return "bind", err
		}
	}
	return "", nil
}

// connectFailed closes later: the caller of Connect has not returned yet.
func (c *Connection) connectFailed(operation string, err error) {
	c.fail(operation, err)
	c.loop.NewCallback(func() { c.closeSocket(RemoteClose) }).ScheduleNextIteration()
}

func (c *Connection) onConnectTimeout() {
	c.fail("connect", syscall.ETIMEDOUT)
	c.closeSocket(LocalClose)
}

// onConnectEvent does not trust the event: a bit may be stray (golang/go #14548),
// and so may HUP be while connecting. Who has a peer is connected; who has none
// and no error waits on.
func (c *Connection) onConnectEvent(events poller.Events) {
	if events&(poller.Out|poller.Err|poller.Hup) == 0 {
		return
	}
	if events&(poller.Err|poller.Hup) == 0 {
		// Writable alone: a socket in SYN_SENT is not (Linux tcp_poll).
	} else if _, noPeer := c.kernel.PeerAddr(c.fd); noPeer != nil {
		pending, err := c.kernel.SocketError(c.fd)
		if events&poller.Err != 0 { // there was an error, though somebody may have taken it
			err = firstError(pending, err, noPeer)
		} else {
			err = firstError(pending, err)
		}
		if err != nil {
			c.fail("connect", err)
			c.closeSocket(RemoteClose)
		}
		return
	}
	c.connecting = false
	c.onNewConnection()
	if c.state != Closed {
		c.transport.OnConnected()
	}
}
