package thirdparty

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"edgewise.test/fakepoller/fakenet"
	"edgewise.test/faults"
	"edgewise.test/proptest"
)

// polite are the deviations that a correct program does not notice: who goes first,
// and in which pieces and how late bytes come.
var polite = []faults.Op{faults.Run, faults.Segment, faults.Room, faults.Space, faults.Queue, faults.Ack}

// program is somebody else's code in a scenario.
type program struct {
	name     string
	scenario func(n *proptest.Net)
	only     []faults.Op // empty: all
	pools    bool        // it keeps timers in a sync.Pool
	metrics  bool        // it holds a mutex over an operation
	// want is a part of the failure's message, "" when all schedules pass.
	want string
}

func (p program) run(t *testing.T) {
	c := proptest.NetConfig{Scenario: p.scenario, Random: true, Pools: p.pools, Net: fakenet.Config{Stall: 3 * time.Second}, Search: proptest.Config{Schedules: 600, Only: p.only}}
	if p.metrics {
		c.Net.Quiesce = fakenet.Metrics
	}
	if testing.Short() {
		c.Search.Schedules = 300
	}
	search := c.Config(t)
	r := proptest.Search(search)
	switch {
	case r.Failure == nil && p.want == "":
		t.Logf("%s", r.Summary())
	case r.Failure == nil:
		t.Errorf("got no failure in %s, want %q", r.Summary(), p.want)
	case p.want == "" || !strings.Contains(r.Failure.Message, p.want):
		t.Errorf("want failure %q, got\n%s", p.want, r.Failure.Report())
	default:
		t.Logf("found, as known:\n%s", r.Failure.Report())
	}
}

// echo serves connections that give back what they get.
func echo(l net.Listener) {
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
			if _, err := io.Copy(c, c); err != nil {
				abort(c)
			}
			c.Close()
		}()
	}
}

// abort resets c.
func abort(c net.Conn) {
	if l, ok := c.(interface{ SetLinger(int) error }); ok {
		l.SetLinger(0)
	}
	c.Close()
}

// exchange sends a message, ends the stream and expects it back.
func exchange(n *proptest.Net, c net.Conn, message string) {
	if _, err := io.WriteString(c, message); err != nil {
		return
	}
	if w, ok := c.(interface{ CloseWrite() error }); ok && w.CloseWrite() != nil {
		return
	}
	c.SetReadDeadline(time.Now().Add(30 * time.Minute))
	got := make([]byte, len(message))
	k, err := io.ReadFull(c, got)
	switch {
	case string(got[:k]) != message[:k]:
		n.Errorf("echo: got %q, want %q", got[:k], message)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		n.Errorf("echo: the stream ended in order after %d of %d bytes", k, len(message))
	case err != nil && !isReset(err):
		n.Errorf("echo: got error %v", err)
	}
}
