package thirdparty

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"time"

	"edgewise.test/faults"
	"edgewise.test/proptest"
	"github.com/armon/go-socks5"
	"github.com/elazarl/goproxy"
	"github.com/hashicorp/yamux"
	"github.com/inetaf/tcpproxy"
	"github.com/pires/go-proxyproto"
	"github.com/soheilhy/cmux"
	"github.com/xtaci/smux"
)

// The newest versions, by what each does on polite networks and on all legal ones.
var programs = []program{
	{name: "yamux, who goes first", pools: true, metrics: true, scenario: yamuxEcho, only: []faults.Op{faults.Run}},
	{name: "smux, polite", pools: true, scenario: smuxEcho, only: polite},
	{name: "smux", pools: true, scenario: smuxEcho},
	{name: "tcpproxy, polite", scenario: tcpproxyEcho, only: polite},
	{name: "tcpproxy", scenario: tcpproxyEcho, want: "the stream ended in order after"},
	{name: "cmux, polite", scenario: cmuxEcho, only: polite},
	{name: "cmux", scenario: cmuxEcho},
	{name: "go-proxyproto, polite", scenario: proxyprotoEcho, only: polite},
	{name: "go-proxyproto", scenario: proxyprotoEcho},
	{name: "goproxy, polite", scenario: goproxyGet, only: polite},
	{name: "goproxy", scenario: goproxyGet},
	{name: "go-socks5, polite", scenario: socksEcho, only: polite},
	{name: "go-socks5", scenario: socksEcho, want: "the stream ended in order after"},
}

func TestPrograms(t *testing.T) {
	log.SetOutput(io.Discard)
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) { p.run(t) })
	}
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

// front makes a listener, and a connection to it in a goroutine of its own.
func front(n *proptest.Net, client func(c net.Conn)) (net.Listener, <-chan struct{}) {
	l, err := n.Host("server").Listen("tcp", "127.0.0.1:80")
	if err != nil {
		n.Fatalf("listen: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := n.Host("client").Dial("tcp", "127.0.0.1:80")
		if err == nil {
			client(c)
			c.Close()
		}
	}()
	return l, done
}

// one accepts one connection; errors pass.
func one(l net.Listener, done <-chan struct{}) net.Conn {
	go func() { // nobody may come
		<-done
		time.Sleep(time.Minute)
		l.Close()
	}()
	for {
		c, err := l.Accept()
		if err == nil {
			return c
		}
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func yamuxEcho(n *proptest.Net) {
	config := yamux.DefaultConfig()
	config.LogOutput = io.Discard
	l, done := front(n, func(c net.Conn) {
		s, err := yamux.Client(c, config)
		if err != nil {
			return
		}
		defer s.Close()
		for range 2 {
			stream, err := s.Open()
			if err != nil {
				return
			}
			message(n, stream)
			stream.Close()
		}
	})
	if c := one(l, done); c != nil {
		if s, err := yamux.Server(c, config); err == nil {
			echo(acceptor{func() (net.Conn, error) { return s.Accept() }, c})
			s.Close()
		}
		c.Close()
	}
	<-done
	l.Close()
}

func smuxEcho(n *proptest.Net) {
	l, done := front(n, func(c net.Conn) {
		s, err := smux.Client(c, nil)
		if err != nil {
			return
		}
		defer s.Close()
		for range 2 {
			stream, err := s.OpenStream()
			if err != nil {
				return
			}
			message(n, stream)
			stream.Close()
		}
	})
	if c := one(l, done); c != nil {
		if s, err := smux.Server(c, nil); err == nil {
			echo(acceptor{func() (net.Conn, error) { return s.AcceptStream() }, c})
			s.Close()
		}
		c.Close()
	}
	<-done
	l.Close()
}

// acceptor makes a listener of a session.
type acceptor struct {
	accept func() (net.Conn, error)
	net.Conn
}

func (a acceptor) Accept() (net.Conn, error) {
	c, err := a.accept()
	if err != nil {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (a acceptor) Addr() net.Addr { return a.LocalAddr() }

// message sends and expects it back, on a stream that is not ended.
func message(n *proptest.Net, c net.Conn) {
	const text = "a message of some length"
	if _, err := io.WriteString(c, text); err != nil {
		return
	}
	got := make([]byte, len(text))
	if k, err := io.ReadFull(c, got); string(got[:k]) != text[:k] {
		n.Errorf("echo: got %q, want %q (%v)", got[:k], text, err)
	}
}

func tcpproxyEcho(n *proptest.Net) {
	up, _ := n.Host("upstream").Listen("tcp", "127.0.0.1:81")
	go echo(up)
	p := tcpproxy.Proxy{ListenFunc: n.Host("proxy").Listen}
	p.AddRoute("127.0.0.1:80", &tcpproxy.DialProxy{Addr: "127.0.0.1:81", DialContext: n.Host("proxy").DialContext})
	if err := p.Start(); err != nil {
		n.Fatalf("start: %v", err)
	}
	if c, err := n.Host("client").Dial("tcp", "127.0.0.1:80"); err == nil {
		exchange(n, c, "a message of some length")
		c.Close()
	}
	p.Close()
	p.Wait()
	up.Close()
}

func cmuxEcho(n *proptest.Net) {
	l, done := front(n, func(c net.Conn) { exchange(n, c, "neither HTTP nor TLS") })
	m := cmux.New(l)
	http1, rest := m.Match(cmux.HTTP1Fast()), m.Match(cmux.Any())
	go http.Serve(http1, nil)
	go echo(closing{rest})
	served := make(chan struct{})
	go func() {
		m.Serve()
		close(served)
	}()
	<-done
	m.Close()
	l.Close()
	<-served
}

// closing ends an echo server with any error: cmux has its own for the end.
type closing struct{ net.Listener }

func (l closing) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, net.ErrClosed
	}
	return c, nil
}

func proxyprotoEcho(n *proptest.Net) {
	l, done := front(n, func(c net.Conn) {
		c.(interface{ SetLinger(int) error }).SetLinger(-1)
		h := proxyproto.HeaderProxyFromAddrs(2, &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 9}, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 80})
		if _, err := h.WriteTo(c); err != nil {
			return
		}
		message(n, c)
	})
	p := &proxyproto.Listener{Listener: l}
	go echo(p)
	<-done
	l.Close()
}

func goproxyGet(n *proptest.Net) {
	up, _ := n.Host("upstream").Listen("tcp", "127.0.0.1:81")
	back := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })}
	go back.Serve(up)
	l, _ := n.Host("proxy").Listen("tcp", "127.0.0.1:80")
	handler := goproxy.NewProxyHttpServer()
	handler.Tr = &http.Transport{DialContext: n.Host("proxy").DialContext, DisableKeepAlives: true}
	handler.Logger = log.New(io.Discard, "", 0)
	server := &http.Server{Handler: handler, ErrorLog: back.ErrorLog}
	go server.Serve(l)

	transport := &http.Transport{DialContext: n.Host("client").DialContext, DisableKeepAlives: true,
		Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:80"})}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	request, _ := http.NewRequestWithContext(ctx, "GET", "http://127.0.0.1:81/", nil)
	if r, err := transport.RoundTrip(request); err == nil {
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err == nil && r.StatusCode == http.StatusOK && string(body) != "hello" {
			n.Errorf("GET: got %q, want hello", body)
		}
	}
	time.Sleep(time.Millisecond)
	server.Shutdown(ctx)
	back.Shutdown(ctx)
}

func socksEcho(n *proptest.Net) {
	up, _ := n.Host("upstream").Listen("tcp", "127.0.0.1:81")
	go echo(up)
	l, done := front(n, func(c net.Conn) {
		// No authentication, then CONNECT 127.0.0.1:81 (RFC 1928, 3 and 4).
		if _, err := c.Write([]byte{5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 81}); err != nil {
			return
		}
		answer := make([]byte, 2+10)
		if _, err := io.ReadFull(c, answer); err == nil && answer[3] == 0 {
			exchange(n, c, "a message of some length")
		}
	})
	server, err := socks5.New(&socks5.Config{Logger: log.New(io.Discard, "", 0), Dial: n.Host("proxy").DialContext})
	if err != nil {
		n.Fatalf("socks5: %v", err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				time.Sleep(5 * time.Millisecond)
				continue
			}
			go server.ServeConn(c)
		}
	}()
	<-done
	l.Close()
	up.Close()
}
