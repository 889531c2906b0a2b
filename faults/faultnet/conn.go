package faultnet

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"edgewise.test/faults"
)

// Conn is a connection with faults.
type Conn struct {
	net.Conn
	n    *Net
	name string

	reading sync.Mutex // over Read
	left    []byte     // has come, and the reader does not know yet
	leftAt  time.Time  // when it may
	leftErr error      // what comes behind it

	mu       sync.Mutex
	deadline time.Time     // of reads
	changed  chan struct{} // closed when the deadline changes
	closed   chan struct{}
	once     sync.Once
}

func (n *Net) conn(c net.Conn, name string) *Conn {
	return &Conn{Conn: c, n: n, name: name, changed: make(chan struct{}), closed: make(chan struct{})}
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if len(p) == 0 {
		return c.Conn.Read(p)
	}
	if len(c.left) == 0 && c.leftErr == nil {
		if err := c.fetch(len(p)); err != nil {
			return 0, err
		}
	}
	if err := c.waitUntil(c.leftAt); err != nil {
		return 0, err
	}
	if len(c.left) == 0 {
		err := c.leftErr
		c.leftErr = nil
		return 0, err
	}
	take := len(c.left)
	if k := c.n.choose(c.name, faults.Segment, take); k > 0 {
		take, c.leftAt = k, time.Now().Add(pause)
	}
	n := copy(p, c.left[:take])
	c.left = c.left[n:]
	return n, nil
}

// fetch reads what has come, and decides what becomes of it. It returns an error
// that the reader is to see at once.
func (c *Conn) fetch(limit int) error {
	buf := make([]byte, limit)
	n, err := c.Conn.Read(buf)
	if n == 0 && err != nil && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)) {
		return err
	}
	if n == 0 {
		c.leftErr, c.leftAt = err, time.Now().Add(c.n.time(c.name, faults.Fin))
		return nil
	}
	c.left, c.leftErr, c.leftAt = buf[:n], err, time.Now().Add(c.n.time(c.name, faults.Delay))
	switch c.n.choose(c.name, faults.Reset, faults.Reset.Range()) {
	case 1:
		c.left = nil
		fallthrough
	case 2:
		c.reset()
		c.leftErr = &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return nil
}

// reset ends the connection below, for both sides.
func (c *Conn) reset() {
	if l, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		l.SetLinger(0)
	}
	c.Conn.Close()
}

// waitUntil waits for an instant, the read deadline or Close.
func (c *Conn) waitUntil(at time.Time) error {
	for {
		c.mu.Lock()
		deadline, changed := c.deadline, c.changed
		c.mu.Unlock()
		late := !deadline.IsZero() && deadline.Before(at)
		until := at
		if late {
			until = deadline
		}
		select {
		case <-c.closed:
			return &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: net.ErrClosed}
		default:
		}
		d := time.Until(until)
		if d <= 0 {
			if late {
				return &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.ErrDeadlineExceeded}
			}
			return nil
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-changed:
		case <-c.closed:
		}
		timer.Stop()
	}
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	k := c.n.choose(c.name, faults.Room, len(p)+1)
	if k == 0 {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:k-1])
	if err != nil {
		return n, err
	}
	time.Sleep(pause)
	m, err := c.Conn.Write(p[k-1:])
	return n + m, err
}

// Close implements [net.Conn].
func (c *Conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// CloseWrite is that of the connection below.
func (c *Conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// SetLinger is that of the connection below.
func (c *Conn) SetLinger(seconds int) error {
	if l, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		return l.SetLinger(seconds)
	}
	return errors.ErrUnsupported
}

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	c.setRead(t)
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.setRead(t)
	return c.Conn.SetReadDeadline(t)
}

func (c *Conn) setRead(t time.Time) {
	c.mu.Lock()
	c.deadline = t
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
}
