package fakenet_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"edgewise.test/fakepoller/fakenet"
)

// workloads are programs of four kinds, for tests that need a lot to happen.
var workloads = []struct {
	name string
	run  func(n *fakenet.Net)
}{
	{"proxy", copyProxy},
	{"http", reverseProxy},
	{"tls", handshakes},
	{"hub", hub},
}

// serve calls handle for each connection in a goroutine of its own, as net/http
// does.
func serve(l net.Listener, handle func(net.Conn)) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		go func() {
			defer c.Close()
			handle(c)
		}()
	}
}

func listen(n *fakenet.Net, host, address string) net.Listener {
	l, err := n.Host(host).Listen("tcp", address)
	if err != nil {
		panic(err)
	}
	return l
}

// together runs n clients and waits for them.
func together(clients int, client func(i int)) {
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() { client(i) })
	}
	all.Wait()
}

// copyProxy is io.Copy both ways in front of an echo server.
func copyProxy(n *fakenet.Net) {
	l, up := listen(n, "proxy", "127.0.0.1:80"), listen(n, "upstream", "127.0.0.1:81")
	go serve(l, func(c net.Conn) {
		u, err := n.Host("proxy").Dial("tcp", "127.0.0.1:81")
		if err != nil {
			return
		}
		defer u.Close()
		var both sync.WaitGroup
		for _, way := range [][2]net.Conn{{u, c}, {c, u}} {
			both.Go(func() {
				io.Copy(way[0], way[1])
				way[0].(*fakenet.Conn).CloseWrite()
			})
		}
		both.Wait()
	})
	go serve(up, func(c net.Conn) { io.Copy(c, c) })
	together(8, func(i int) {
		c, err := n.Host(fmt.Sprint("client ", i)).Dial("tcp", "127.0.0.1:80")
		if err != nil {
			return
		}
		defer c.Close()
		for range 3 {
			message := strings.Repeat("x", 100*(i+1))
			if _, err := io.WriteString(c, message); err != nil {
				return
			}
			if _, err := io.ReadFull(c, make([]byte, len(message))); err != nil {
				return
			}
		}
	})
	l.Close()
	up.Close()
}

// reverseProxy is net/http three times: clients, a ReverseProxy, a server.
func reverseProxy(n *fakenet.Net) {
	l, up := listen(n, "proxy", "127.0.0.1:80"), listen(n, "upstream", "127.0.0.1:81")
	transport := func(host string) *http.Transport {
		return &http.Transport{DialContext: n.Host(host).DialContext}
	}
	backward := transport("proxy")
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "127.0.0.1:81"}) },
		Transport: backward,
		ErrorLog:  quiet,
	}
	front := &http.Server{Handler: proxy, ErrorLog: quiet}
	back := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }), ErrorLog: quiet}
	var servers sync.WaitGroup
	servers.Go(func() { front.Serve(l) })
	servers.Go(func() { back.Serve(up) })
	together(4, func(i int) {
		t := transport(fmt.Sprint("client ", i))
		defer t.CloseIdleConnections()
		client := http.Client{Transport: t, Timeout: time.Minute}
		for range 3 {
			r, err := client.Post("http://127.0.0.1:80/", "text/plain", strings.NewReader(strings.Repeat("y", 200)))
			if err != nil {
				continue
			}
			io.Copy(io.Discard, r.Body)
			r.Body.Close()
		}
		// Two goroutines of the transport are runnable once the last body is read, and
		// closing in the same step would meet them where they happen to be.
		time.Sleep(time.Millisecond)
	})
	end, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if front.Shutdown(end) != nil {
		front.Close()
	}
	backward.CloseIdleConnections()
	if back.Shutdown(end) != nil {
		back.Close()
	}
	servers.Wait()
}

// handshakes are TLS connections to an echo server.
func handshakes(n *fakenet.Net) {
	l := listen(n, "server", "127.0.0.1:443")
	secure := &tls.Config{Certificates: []tls.Certificate{certificate()}}
	go serve(l, func(c net.Conn) {
		t := tls.Server(c, secure)
		io.Copy(t, t)
		t.Close()
	})
	together(3, func(i int) {
		c, err := n.Host(fmt.Sprint("client ", i)).Dial("tcp", "127.0.0.1:443")
		if err != nil {
			return
		}
		t := tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12 + uint16(i%2)})
		defer t.Close()
		if _, err := io.WriteString(t, "hello"); err == nil {
			io.ReadFull(t, make([]byte, 5))
		}
	})
	l.Close()
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// hub tells every member what one of them says: channels, select and a map under
// a mutex. No select has two ready cases: which one it takes is the runtime's secret.
func hub(n *fakenet.Net) {
	l := listen(n, "hub", "127.0.0.1:80")
	var mu sync.Mutex
	members := map[string]chan string{}
	tell := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		for _, name := range slices.Sorted(maps.Keys(members)) { // a map's order would show
			select {
			case members[name] <- text:
			default: // too slow
			}
		}
	}
	quit := make(chan struct{})
	go serve(l, func(c net.Conn) {
		out, name := make(chan string, 16), c.RemoteAddr().String()
		mu.Lock()
		members[name] = out
		mu.Unlock()
		go func() {
			p := make([]byte, 32)
			for {
				k, err := c.Read(p)
				if err != nil {
					break
				}
				tell(string(p[:k]))
			}
			mu.Lock()
			delete(members, name)
			close(out)
			mu.Unlock()
		}()
		for {
			select {
			case text, ok := <-out:
				if !ok {
					return
				}
				if _, err := io.WriteString(c, text); err != nil {
					return
				}
			case <-quit:
				return
			}
		}
	})
	together(4, func(i int) {
		c, err := n.Host(fmt.Sprint("client ", i)).Dial("tcp", "127.0.0.1:80")
		if err != nil {
			return
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(time.Duration(i+1) * 100 * time.Millisecond))
		go func() {
			for k := range 3 {
				if _, err := fmt.Fprintf(c, "%d says %d;", i, k); err != nil {
					return
				}
			}
		}()
		io.Copy(io.Discard, c)
	})
	l.Close()
	time.Sleep(time.Minute) // until all has arrived
	close(quit)
}
