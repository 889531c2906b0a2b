package fakenet

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"edgewise.test/poller"
)

// Conn is one end of a connection. Results and errors are those of a
// [*net.TCPConn].
type Conn struct {
	s             *socket
	local, remote net.Addr
}

var _ net.Conn = (*Conn)(nil)

func newConn(s *socket) *Conn {
	local, remote := s.addrs()
	return &Conn{s, local, remote}
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.s.read(p)
	if err == io.EOF {
		return n, err
	}
	return n, c.fail("read", "read", err)
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.s.write(p)
	return n, c.fail("write", "write", err)
}

// Close implements [net.Conn]. Bytes that are unread make it a reset, as does
// SetLinger(0).
func (c *Conn) Close() error { return c.fail("close", "close", c.s.close()) }

// CloseWrite sends a FIN; reading goes on.
func (c *Conn) CloseWrite() error { return c.fail("close", "shutdown", c.s.simple(kindCloseWrite)) }

// CloseRead shuts the reading side, of which the peer does not hear.
func (c *Conn) CloseRead() error { return c.fail("close", "shutdown", c.s.simple(kindCloseRead)) }

// LocalAddr implements [net.Conn]. It is a [*net.TCPAddr].
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements [net.Conn]. It is a [*net.TCPAddr].
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	return c.failSet(c.s.setDeadline(t, &c.s.readUntil, &c.s.writeUntil))
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.failSet(c.s.setDeadline(t, &c.s.readUntil))
}

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.failSet(c.s.setDeadline(t, &c.s.writeUntil))
}

// SetLinger says what Close does: 0 resets the connection.
func (c *Conn) SetLinger(seconds int) error {
	return c.fail("set", "", c.s.set(poller.SOLinger, seconds))
}

// SetNoDelay sets TCP_NODELAY, which changes nothing here.
func (c *Conn) SetNoDelay(on bool) error {
	return c.fail("set", "", c.s.set(poller.TCPNoDelay, number(on)))
}

// SetKeepAlive sets SO_KEEPALIVE, which changes nothing here.
func (c *Conn) SetKeepAlive(on bool) error {
	return c.fail("set", "", c.s.set(poller.SOKeepAlive, number(on)))
}

// SetKeepAlivePeriod is accepted and changes nothing here.
func (c *Conn) SetKeepAlivePeriod(time.Duration) error { return c.SetKeepAlive(true) }

// SetReadBuffer sets SO_RCVBUF.
func (c *Conn) SetReadBuffer(bytes int) error { return c.failSet(c.s.set(poller.SORcvBuf, bytes)) }

// SetWriteBuffer sets SO_SNDBUF.
func (c *Conn) SetWriteBuffer(bytes int) error { return c.failSet(c.s.set(poller.SOSndBuf, bytes)) }

func number(on bool) int {
	if on {
		return 1
	}
	return 0
}

// fail makes err what package net makes of it.
func (c *Conn) fail(op, call string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: systemError(call, err)}
}

func (c *Conn) failSet(err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: "set", Net: "tcp", Addr: c.local, Err: err}
}

func systemError(call string, err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		return os.NewSyscallError(call, errno)
	}
	return err
}
