package iocopy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"edgewise.test/fakepoller/fakenet"
	"edgewise.test/proptest"
)

// scenario is a client that sends, shuts its sending side and reads the answer of
// an upstream that counts.
func scenario(endBoth bool) func(*proptest.Net) {
	return func(n *proptest.Net) {
		host := n.Host("proxy")
		l, _ := host.Listen("tcp", "127.0.0.1:80")
		up, _ := n.Host("upstream").Listen("tcp", "127.0.0.1:81")
		p := &Proxy{Dial: host.Dial, Upstream: "127.0.0.1:81", EndBoth: endBoth}
		go p.Serve(l)
		go countBytes(up)
		defer l.Close()
		defer up.Close()

		c, err := n.Host("client").Dial("tcp", "127.0.0.1:80")
		if err != nil {
			return // refused or timed out: that is legal
		}
		defer c.Close()
		if _, err := io.WriteString(c, "hello"); err != nil {
			return
		}
		c.(*fakenet.Conn).CloseWrite()
		if got, err := io.ReadAll(c); err == nil && string(got) != "5 bytes" {
			n.Errorf("answer: got %q, want %q", got, "5 bytes")
		}
	}
}

// countBytes answers with how much came, once all has come.
func countBytes(l net.Listener) {
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
			all, err := io.ReadAll(c)
			if err != nil {
				abort(c)
				return
			}
			fmt.Fprintf(c, "%d bytes", len(all))
		}()
	}
}

func TestHalfClose(t *testing.T) { proptest.CheckNet(t, scenario(false)) }

// The bug is found, and the report shows the lost answer.
func TestEndBothIsFound(t *testing.T) {
	f := proptest.Search(proptest.NetConfig{Scenario: scenario(true)}.Config(t)).Failure
	if f == nil {
		t.Fatal("got no failure, want the lost answer")
	}
	t.Logf("%s", f.Report())
}
