package fakenet_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"edgewise.test/fakepoller"
	"edgewise.test/fakepoller/fakenet"
)

// BenchmarkSteps is one byte to and fro: what an operation costs.
func BenchmarkSteps(b *testing.B) {
	inTest(b, func(t *testing.T) {
		w := fakepoller.New(fakepoller.Config{MaxSteps: 1 << 30})
		fakenet.Run(t, w, fakenet.Config{}, func(n *fakenet.Net) {
			c, s := pair(t, n)
			go func() {
				io.Copy(s, s)
				s.Close()
			}()
			p := make([]byte, 1)
			for range b.N {
				c.Write(p)
				c.Read(p)
			}
			c.Close()
		})
		b.ReportMetric(float64(w.Steps())/b.Elapsed().Seconds(), "calls/s")
	})
}

// inTest runs f with a *testing.T, which bubbles want and benchmarks do not have.
func inTest(b *testing.B, f func(t *testing.T)) {
	if !testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: b.Name(), F: f}}) {
		b.Fail()
	}
}

// BenchmarkProxiedRequests is a POST through ReverseProxy, over three networks.
func BenchmarkProxiedRequests(b *testing.B) {
	const requests = 24
	b.Run("fakenet", func(b *testing.B) {
		inTest(b, func(t *testing.T) {
			for range b.N {
				w := fakepoller.New(fakepoller.Config{})
				fakenet.Run(t, w, fakenet.Config{}, func(n *fakenet.Net) {
					proxied(requests, func(host, address string) net.Listener { return listen(n, host, address) },
						func(host, address string) (net.Conn, error) { return n.Host(host).Dial("tcp", address) })
				})
			}
		})
		b.ReportMetric(float64(b.N*requests)/b.Elapsed().Seconds(), "requests/s")
	})
	b.Run("pipe", func(b *testing.B) {
		for range b.N {
			var all pipes
			proxied(requests, all.listen, all.dial)
		}
		b.ReportMetric(float64(b.N*requests)/b.Elapsed().Seconds(), "requests/s")
	})
	b.Run("loopback", func(b *testing.B) {
		for range b.N {
			var addrs sync.Map
			proxied(requests, func(_, address string) net.Listener {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					b.Fatal(err)
				}
				addrs.Store(address, l.Addr().String())
				return l
			}, func(_, address string) (net.Conn, error) {
				real, _ := addrs.Load(address)
				return net.Dial("tcp", real.(string))
			})
		}
		b.ReportMetric(float64(b.N*requests)/b.Elapsed().Seconds(), "requests/s")
	})
}

// proxied makes requests of six clients through a ReverseProxy.
func proxied(requests int, listen func(host, address string) net.Listener, dial func(host, address string) (net.Conn, error)) {
	transport := func(host string) *http.Transport {
		return &http.Transport{DialContext: func(_ context.Context, _, address string) (net.Conn, error) { return dial(host, address) }}
	}
	l, up := listen("proxy", "127.0.0.1:80"), listen("upstream", "127.0.0.1:81")
	backward := transport("proxy")
	front := &http.Server{ErrorLog: quiet, Handler: &httputil.ReverseProxy{ErrorLog: quiet, Transport: backward,
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "127.0.0.1:81"}) }}}
	back := &http.Server{ErrorLog: quiet, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })}
	go front.Serve(l)
	go back.Serve(up)
	together(6, func(i int) {
		t := transport(fmt.Sprint("client ", i))
		defer t.CloseIdleConnections()
		for range requests / 6 {
			r, err := (&http.Client{Transport: t}).Post("http://127.0.0.1:80/", "text/plain", strings.NewReader("hello"))
			if err == nil {
				io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}
		}
	})
	backward.CloseIdleConnections()
	front.Close()
	back.Close()
}

// pipes is a network of net.Pipe.
type pipes struct{ listeners sync.Map }

type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) listen(_, address string) net.Listener {
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	p.listeners.Store(address, l)
	return l
}

func (p *pipes) dial(_, address string) (net.Conn, error) {
	l, _ := p.listeners.Load(address)
	c, s := net.Pipe()
	select {
	case l.(*pipeListener).conns <- s:
		return c, nil
	case <-l.(*pipeListener).done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }
