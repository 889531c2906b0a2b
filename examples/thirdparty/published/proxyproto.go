package published

import (
	"io"
	"net"
	"strings"
	"time"

	"edgewise.test/proptest"
	"github.com/pires/go-proxyproto"
)

// behindProxy runs handle for a client whose connection begins with a header of the
// PROXY protocol, version 1.
func behindProxy(n *proptest.Net, payload string, handle func(c net.Conn)) {
	l := listen(n, "server", address)
	go serve(&proxyproto.Listener{Listener: l}, handle)
	defer l.Close()
	c, err := n.Host("client").Dial("tcp", address)
	if err != nil {
		return // refused or timed out: that is legal
	}
	defer c.Close()
	if _, err := io.WriteString(c, "PROXY TCP4 10.1.2.3 10.0.0.1 9 80\r\n"+payload); err != nil {
		return
	}
	time.Sleep(time.Minute) // the server says when it is over
}

// deadline is a server that gives its clients a second. go-proxyproto replaced
// that deadline by its own of ten.
func deadline(n *proptest.Net) {
	const limit = time.Second
	behindProxy(n, "hello", func(c net.Conn) {
		start := time.Now()
		c.SetReadDeadline(start.Add(limit))
		c.Read(make([]byte, 5))
		if took := time.Since(start); took > 5*limit { // a timer may be late
			n.Errorf("a read with a deadline of %v took %v", limit, took)
		}
	})
}

// lateHeader is a client whose header comes after the time-out for headers.
// go-proxyproto took that for a client that sends none.
func lateHeader(n *proptest.Net) {
	behindProxy(n, "hello", func(c net.Conn) {
		got := make([]byte, 5)
		if k, _ := c.Read(got); k > 0 && strings.HasPrefix("PROXY", string(got[:k])) {
			n.Errorf("the header came out as payload: %q", got[:k])
		}
	})
}
