// Package tlsterminator takes TLS off a stream and passes it on, and is what
// proptest.CheckNet says about one that waits for silent clients.
package tlsterminator

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Terminator serves TLS clients from a plain upstream.
type Terminator struct {
	Config   *tls.Config
	Dial     func(network, address string) (net.Conn, error)
	Upstream string
	// HandshakeTimeout is how long a client may take. 0, the bug, is for ever.
	HandshakeTimeout time.Duration
}

// Serve accepts until l is closed.
func (t *Terminator) Serve(l net.Listener) {
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(5 * time.Millisecond)
			continue
		}
		go t.handle(c)
	}
}

func (t *Terminator) handle(raw net.Conn) {
	defer raw.Close()
	client := tls.Server(raw, t.Config)
	if t.HandshakeTimeout > 0 {
		raw.SetDeadline(time.Now().Add(t.HandshakeTimeout))
	}
	if err := client.Handshake(); err != nil {
		return
	}
	raw.SetDeadline(time.Time{})
	upstream, err := t.Dial("tcp", t.Upstream)
	if err != nil {
		abort(raw)
		return
	}
	defer upstream.Close()
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := io.Copy(upstream, client); err != nil {
			abort(upstream)
			return
		}
		if w, ok := upstream.(interface{ CloseWrite() error }); ok {
			w.CloseWrite()
		}
	})
	both.Go(func() {
		if _, err := io.Copy(client, upstream); err != nil {
			abort(raw)
			return
		}
		client.CloseWrite()
	})
	both.Wait()
}

// abort resets c. A FIN alone does not say that something is missing: crypto/tls
// returns io.EOF for it, with or without a close_notify before.
func abort(c net.Conn) {
	if l, ok := c.(interface{ SetLinger(int) error }); ok {
		l.SetLinger(0)
	}
	c.Close()
}
