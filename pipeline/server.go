package pipeline

import (
	"time"

	"edgewise.test/poller"
)

// newConnection makes a connection of an inspected socket, whose descriptor it
// takes over, with its registration if there is one, and what was read of it (Envoy
// active_stream_listener_base.cc newConnection).
func (l *Listener) newConnection(fd poller.FD, info *ConnectionInfo, global *Limit, r Registration, preread []byte) {
	if info.transportProtocol == "" {
		info.transportProtocol = TransportProtocolRawBuffer
	}
	leaf := l.matcher.find(info)
	if leaf == nil {
		l.stats.NoFilterChainMatch++
		l.note(fd, "no filter chain match")
		r.forget()
		closeDescriptor(l.kernel, fd, len(preread) > 0)
		l.loop.chunks.put(preread[:cap(preread)])
		l.release()
		global.Release()
		return
	}
	chain := leaf.chain
	l.stats.CxTotal++
	l.stats.CxActive++
	l.note(fd, leaf.note)
	info.filterChain = chain.Name
	leaf.group.active++
	c := &Connection{listener: l, group: leaf.group, global: global, created: l.loop.now, fd: fd, info: *info}
	c.init(l.loop, chain.TransportSocket, l.config.PerConnectionBufferLimitBytes)
	c.registration = r
	c.preread = preread
	push(&l.connections, c)
	if timeout := chain.TransportSocketConnectTimeout; timeout > 0 {
		c.connectTimer = l.loop.NewTimer(c.onTransportConnectTimeout)
		c.connectTimer.Enable(timeout)
	}
	for _, add := range chain.Filters {
		add(c)
	}
	if len(c.chain.read) == 0 {
		l.stats.NetworkExtensionConfigMissing++
		c.Close(NoFlush)
		return
	}
	c.onNewConnection()
	if c.state != Closed {
		c.transport.OnConnected()
	}
	if c.unread() > 0 && c.mayRead() {
		c.onReadReady()
	}
	if c.state != Closed {
		c.register()
	}
}

// register takes the registration of the listener filters over, or makes one. It
// comes last, so that a connection that is refused does without. What the filters
// have asked for meanwhile is not lost: the first event comes at once, with Out, and
// with In if there is more than was read.
func (c *Connection) register() {
	var err error
	if c.registration.Valid() {
		err = c.registration.rebind(connectionMask, (*connectionEvents)(c))
	} else {
		c.registration, err = c.loop.Register(c.fd, connectionMask, (*connectionEvents)(c))
	}
	if err != nil {
		c.fail("register", err)
		c.closeSocket(LocalClose)
		return
	}
	c.activateRead()
}

func (c *Connection) onTransportConnectTimeout() {
	c.listener.stats.TransportConnectTimeout++
	c.closeSocket(LocalClose)
}

// onConnectionClosed is called once for each connection.
func (l *Listener) onConnectionClosed(c *Connection) {
	unlink(&l.connections, c)
	l.stats.CxActive--
	l.stats.CxDestroy++
	l.cxLength.Record(float64(l.loop.now-c.created) / float64(time.Millisecond))
	l.release()
	c.global.Release()
	c.group.leave()
	l.checkDrained()
}

func (c *Connection) node() *links[Connection] { return &c.links }
