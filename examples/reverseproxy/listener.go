// Package reverseproxy is net/http's ReverseProxy behind a listener for the PROXY
// protocol, and what proptest.CheckNet says about it.
package reverseproxy

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// Listener takes version 1 of the PROXY protocol from each connection:
// https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2.1.
type Listener struct {
	net.Listener
	// ReadOnce is the bug: it believes that the header comes in one piece.
	ReadOnce bool
}

// Accept does not wait for the header: a silent client must not keep others out.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, readOnce: l.ReadOnce}, nil
}

// conn reads its header with the first Read or RemoteAddr.
type conn struct {
	net.Conn
	readOnce bool
	once     sync.Once
	r        *bufio.Reader
	from     net.Addr
	err      error
}

// maxHeader is the longest line of version 1.
const maxHeader = 107

func (c *conn) header() {
	c.r, c.from = bufio.NewReaderSize(c.Conn, 4096), c.Conn.RemoteAddr()
	var line string
	if c.readOnce {
		if _, c.err = c.r.Peek(1); c.err != nil {
			return
		}
		all, _ := c.r.Peek(c.r.Buffered())
		line, _, _ = strings.Cut(string(all), "\n")
		c.r.Discard(min(len(line)+1, len(all)))
	} else {
		var raw []byte
		for len(raw) < maxHeader && !strings.HasSuffix(string(raw), "\n") {
			b, err := c.r.ReadByte()
			if err != nil {
				c.err = err
				return
			}
			raw = append(raw, b)
		}
		line = string(raw)
	}
	fields := strings.Fields(line)
	if len(fields) != 6 || fields[0] != "PROXY" {
		c.err = fmt.Errorf("PROXY protocol: got %q, want a header", line)
		return
	}
	from, err := netip.ParseAddrPort(net.JoinHostPort(fields[2], fields[4]))
	if err != nil {
		c.err = fmt.Errorf("PROXY protocol: %w", err)
		return
	}
	c.from = net.TCPAddrFromAddrPort(from)
}

// Read implements [net.Conn].
func (c *conn) Read(p []byte) (int, error) {
	c.once.Do(c.header)
	if c.err != nil {
		return 0, c.err
	}
	return c.r.Read(p)
}

// RemoteAddr is the client's address, once it is known: it waits for the header.
func (c *conn) RemoteAddr() net.Addr {
	c.once.Do(c.header)
	return c.from
}
