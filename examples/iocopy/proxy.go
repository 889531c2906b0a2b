// Package iocopy is the proxy that everybody has written once, and what
// proptest.CheckNet says about it. It takes a net.Listener and a dial function,
// as programs do that have a test.
package iocopy

import (
	"errors"
	"io"
	"net"
	"time"
)

// Proxy copies bytes between its clients and an upstream.
type Proxy struct {
	Dial     func(network, address string) (net.Conn, error)
	Upstream string
	// EndBoth is the bug: it ends both directions as soon as one has ended, so that
	// the answer to a client that shuts its sending side is lost.
	EndBoth bool
}

// Serve accepts until l is closed.
func (p *Proxy) Serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil: // out of descriptors, for one: it passes
			time.Sleep(5 * time.Millisecond)
			continue
		}
		go p.handle(c)
	}
}

func (p *Proxy) handle(client net.Conn) {
	defer client.Close()
	upstream, err := p.Dial("tcp", p.Upstream)
	if err != nil {
		abort(client)
		return
	}
	defer upstream.Close()
	done := make(chan error, 2)
	go func() { done <- p.pipe(upstream, client) }()
	go func() { done <- p.pipe(client, upstream) }()
	err = <-done
	if err == nil && !p.EndBoth {
		err = <-done
	}
	if err != nil {
		abort(client)
		abort(upstream)
	}
}

// pipe copies until the source ends, and passes the end on.
func (p *Proxy) pipe(to, from net.Conn) error {
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	if w, ok := to.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// abort resets c. An end of the stream would say that all has been sent.
func abort(c net.Conn) {
	if l, ok := c.(interface{ SetLinger(int) error }); ok {
		l.SetLinger(0)
	}
	c.Close()
}
