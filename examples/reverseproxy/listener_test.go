package reverseproxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"syscall"
	"testing"
	"time"

	"edgewise.test/proptest"
)

// scenario is a request with a PROXY header through the proxy to a server that
// answers with X-Forwarded-For.
func scenario(readOnce bool) func(*proptest.Net) {
	return func(n *proptest.Net) {
		quiet := log.New(io.Discard, "", 0)
		up, _ := n.Host("upstream").Listen("tcp", "127.0.0.1:81")
		back := &http.Server{ErrorLog: quiet, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.Header.Get("X-Forwarded-For"))
		})}
		go back.Serve(up)

		l, _ := n.Host("proxy").Listen("tcp", "127.0.0.1:80")
		transport := &http.Transport{DialContext: n.Host("proxy").DialContext, DisableKeepAlives: true}
		front := &http.Server{ErrorLog: quiet, Handler: &httputil.ReverseProxy{
			ErrorLog:  quiet,
			Transport: transport,
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&url.URL{Scheme: "http", Host: "127.0.0.1:81"})
				r.SetXForwarded()
			},
		}}
		go front.Serve(&Listener{Listener: l, ReadOnce: readOnce})

		get(n)
		ended, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		front.Shutdown(ended)
		front.Close()
		back.Shutdown(ended)
		back.Close()
	}
}

func get(n *proptest.Net) {
	c, err := n.Host("client").Dial("tcp", "127.0.0.1:80")
	if err != nil {
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Minute))
	if _, err := io.WriteString(c, "PROXY TCP4 10.1.2.3 10.0.0.1 999 80\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil {
		return
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	switch {
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return // the network's doing
	case err != nil:
		n.Sometimes("no response")
		return
	}
	body, err := io.ReadAll(r.Body)
	if r.StatusCode == http.StatusBadRequest || err == nil && r.StatusCode == http.StatusOK && string(body) != "10.1.2.3" {
		n.Errorf("response: got %s %q, want 200 and 10.1.2.3", r.Status, body)
	}
}

// config seeds math/rand for net/http's Shutdown.
func config(readOnce bool) proptest.NetConfig {
	return proptest.NetConfig{Scenario: scenario(readOnce), Random: true, Search: proptest.Config{Schedules: 600}}
}

func TestHeaderInAnyPieces(t *testing.T) { config(false).Check(t) }

func TestReadOnceIsFound(t *testing.T) {
	f := proptest.Search(config(true).Config(t)).Failure
	if f == nil {
		t.Fatal("got no failure, want one with a split header")
	}
	t.Logf("%s", f.Report())
}
