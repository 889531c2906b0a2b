package published

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"edgewise.test/fakepoller/fakenet"
	"edgewise.test/proptest"
	"github.com/elazarl/goproxy"
)

// newProxy is goproxy, which is to serve address; dial reaches its upstreams.
func newProxy(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Server {
	quiet := log.New(io.Discard, "", 0)
	handler := goproxy.NewProxyHttpServer()
	handler.Tr = &http.Transport{DialContext: dial, DisableKeepAlives: true}
	handler.Logger = quiet
	return &http.Server{Handler: handler, ErrorLog: quiet}
}

// tunnel is a client that waits for an event, through CONNECT, and is reset.
// goproxy then shut the sending side towards the upstream only, and went on to wait
// for the event.
func tunnel(n *proptest.Net) {
	up := listen(n, "upstream", upstream)
	defer up.Close()
	go serve(up, func(c net.Conn) {
		time.Sleep(2 * time.Minute)
		io.WriteString(c, "event\n")
		io.Copy(io.Discard, c)
	})
	closed := make(chan struct{})
	server := newProxy(func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := n.Host("proxy").DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &watched{Conn: c.(*fakenet.Conn), closed: closed}, nil
	})
	go server.Serve(listen(n, "proxy", address))
	defer server.Close()

	c, err := n.Host("client").Dial("tcp", address)
	if err != nil {
		return // refused or timed out: that is legal
	}
	defer c.Close()
	if _, err := io.WriteString(c, "CONNECT "+upstream+" HTTP/1.1\r\nHost: "+upstream+"\r\n\r\n"); err != nil {
		return
	}
	r := bufio.NewReader(c)
	answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil || answer.StatusCode != http.StatusOK {
		return
	}
	if _, err := io.WriteString(c, "hello"); err != nil {
		return
	}
	if _, err := r.ReadString('\n'); isReset(err) {
		select {
		case <-closed:
		case <-time.After(time.Minute):
			n.Errorf("the client was reset a minute ago, and the proxy still holds the connection to the upstream")
		}
	}
}

// watched says when it is closed.
type watched struct {
	*fakenet.Conn
	once   sync.Once
	closed chan struct{}
}

func (w *watched) Close() error {
	w.once.Do(func() { close(w.closed) })
	return w.Conn.Close()
}

// websocket is a client that sends its first frame when it has seen the 101, which
// is as early as it may (RFC 6455, 4.1). net/http sends the 101 before it gives
// the connection away, and waits for a byte of the client all the while; goproxy
// dropped the reader that has this byte.
func websocket(n *proptest.Net) {
	const frame = "the first frame"
	up := listen(n, "upstream", upstream)
	defer up.Close()
	go serve(up, func(c net.Conn) {
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(c, r)
	})
	server := newProxy(n.Host("proxy").DialContext)
	// goproxy leaves the client's connection open in all versions.
	server.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateHijacked {
			time.AfterFunc(4*time.Minute, func() { c.Close() })
		}
	}
	go server.Serve(listen(n, "proxy", address))
	defer server.Close()

	c, err := n.Host("client").Dial("tcp", address)
	if err != nil {
		return
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET http://"+upstream+"/ HTTP/1.1\r\nHost: "+upstream+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"); err != nil {
		return
	}
	r := bufio.NewReader(c)
	answer, err := http.ReadResponse(r, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		return
	}
	if _, err := io.WriteString(c, frame); err != nil {
		return
	}
	c.SetReadDeadline(time.Now().Add(2 * time.Minute))
	got := make([]byte, len(frame))
	if k, err := io.ReadFull(r, got); !strings.HasPrefix(frame, string(got[:k])) { // it may be cut by a reset
		n.Errorf("the frame came back as %q, want %q (%v)", got[:k], frame, err)
	}
}
