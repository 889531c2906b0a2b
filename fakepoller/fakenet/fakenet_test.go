package fakenet_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/fakepoller/fakenet"
	"edgewise.test/faults"
)

const address = "127.0.0.1:80"

// run runs a scenario on the calm schedule, or on source's, and returns its world.
func run(t *testing.T, source faults.Source, cfg fakenet.Config, scenario func(n *fakenet.Net)) *fakepoller.World {
	t.Helper()
	w := fakepoller.New(fakepoller.Config{Source: source, Trace: true})
	if err := fakenet.Run(t, w, cfg, scenario); err != nil {
		t.Fatal(err)
	}
	return w
}

func calm(t *testing.T, scenario func(n *fakenet.Net)) *fakepoller.World {
	t.Helper()
	w := run(t, nil, fakenet.Config{}, scenario)
	for _, f := range w.Findings() {
		t.Errorf("got finding %s, want none", f)
	}
	return w
}

// pair returns both ends of a connection.
func pair(t *testing.T, n *fakenet.Net) (client, server *fakenet.Conn) {
	l, err := n.Host("server").Listen("tcp", address)
	if err != nil {
		t.Errorf("listen: %v", err)
	}
	defer l.Close()
	c, err := n.Host("client").Dial("tcp", address)
	if err != nil {
		t.Errorf("dial: %v", err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Errorf("accept: %v", err)
	}
	return c.(*fakenet.Conn), s.(*fakenet.Conn)
}

func TestEcho(t *testing.T) {
	w := calm(t, func(n *fakenet.Net) {
		l, err := n.Host("server").Listen("tcp", address)
		if err != nil {
			t.Errorf("listen: %v", err)
			return
		}
		defer l.Close()
		go func() {
			c, err := l.Accept()
			if err != nil {
				t.Errorf("accept: %v", err)
				return
			}
			io.Copy(c, c)
			c.Close()
		}()
		c, err := n.Host("client").Dial("tcp", address)
		if err != nil {
			t.Errorf("dial: %v", err)
			return
		}
		io.WriteString(c, "hello")
		c.(*fakenet.Conn).CloseWrite()
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Errorf("got %q, %v, want hello", got, err)
		}
		c.Close()
	})
	if w.Steps() == 0 {
		t.Error("got no steps")
	}
}

func TestDeadlinesAreExact(t *testing.T) {
	for _, d := range []time.Duration{1, time.Microsecond, 15 * time.Second, time.Hour - 1} {
		calm(t, func(n *fakenet.Net) {
			c, s := pair(t, n)
			start := time.Now()
			c.SetReadDeadline(start.Add(d))
			_, err := c.Read(make([]byte, 1))
			if got := time.Since(start); got != d || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("deadline in %v: got %v after %v, want a timeout", d, err, got)
			}
			if e, ok := err.(net.Error); !ok || !e.Timeout() {
				t.Errorf("got %#v, want a net.Error with Timeout", err)
			}
			go func() {
				time.Sleep(time.Second)
				c.SetReadDeadline(time.Now())
			}()
			c.SetReadDeadline(time.Time{})
			start = time.Now()
			if _, err = c.Read(make([]byte, 1)); time.Since(start) != time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("cut short: got %v after %v, want a timeout after 1s", err, time.Since(start))
			}
			c.Close()
			s.Close()
		})
	}
}

func TestBackPressure(t *testing.T) {
	calm(t, func(n *fakenet.Net) {
		c, s := pair(t, n)
		big := make([]byte, 1<<20)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		wrote, err := c.Write(big)
		if !errors.Is(err, os.ErrDeadlineExceeded) || wrote == 0 || wrote == len(big) {
			t.Errorf("write to a peer that does not read: got %d, %v, want a part and a timeout", wrote, err)
		}
		c.SetWriteDeadline(time.Time{})
		var read sync.WaitGroup
		read.Go(func() {
			if got, err := io.Copy(io.Discard, s); int(got) != wrote+len(big) || err != nil {
				t.Errorf("got %d bytes, %v, want %d", got, err, wrote+len(big))
			}
			s.Close()
		})
		if got, err := c.Write(big); got != len(big) || err != nil {
			t.Errorf("write to a peer that reads: got %d, %v", got, err)
		}
		c.Close()
		read.Wait()
	})
}

func TestResetAfterLingerZero(t *testing.T) {
	calm(t, func(n *fakenet.Net) {
		c, s := pair(t, n)
		c.SetLinger(0)
		c.Close()
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read: got %v, want ECONNRESET", err)
		}
		if _, err := s.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write: got %v, want EPIPE", err)
		}
		s.Close()
		if _, err := s.Read(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after Close: got %v, want net.ErrClosed", err)
		}
	})
}

func TestLeftoversAreFindings(t *testing.T) {
	cases := []struct {
		name     string
		scenario func(n *fakenet.Net)
		kind     fakepoller.FindingKind
		want     string
	}{
		{"a conn", func(n *fakenet.Net) {
			c, s := pair(t, n)
			c.Close()
			_ = s
		}, fakepoller.Leak, "conn 1 server is still open; it was made by listener 1 accept 1"},
		{"a listener", func(n *fakenet.Net) { n.Host("server").Listen("tcp", address) }, fakepoller.Leak, "listener 1 is still open; it was made by server listen 1"},
		{"a goroutine in a read", func(n *fakenet.Net) {
			c, s := pair(t, n)
			go c.Read(make([]byte, 1))
			_ = s
		}, fakepoller.Leak, "conn 1 is still open; it was made by client dial 1; read 1 waits since 0s"},
		{"a goroutine", func(n *fakenet.Net) { go waitForever() }, fakepoller.Leak, "fakenet_test.waitForever"},
		{"a hang in the network", func(n *fakenet.Net) {
			l, _ := n.Host("server").Listen("tcp", address)
			l.Accept()
		}, fakepoller.Deadlock, "listener 1 accept 1 waits since 0s"},
		{"a hang elsewhere", func(n *fakenet.Net) { waitForever() }, fakepoller.Deadlock, "fakenet_test.waitForever"},
		{"a panic", func(n *fakenet.Net) { panic("oops") }, fakepoller.Panic, "oops"},
	}
	for _, c := range cases {
		w := run(t, nil, fakenet.Config{}, c.scenario)
		all := w.Findings()
		if len(all) == 0 || all[0].Kind != c.kind || !strings.Contains(all[0].Text, c.want) {
			t.Errorf("%s: got %v, want %s: ...%s...", c.name, all, c.kind, c.want)
		}
	}
}

func waitForever() { <-make(chan struct{}) }

func TestMutexOverAnOperation(t *testing.T) {
	scenario := func(n *fakenet.Net) {
		var mu sync.Mutex
		c, s := pair(t, n)
		mu.Lock()
		go func() {
			mu.Lock()
			defer mu.Unlock()
			s.Close()
		}()
		c.Write([]byte("x"))
		mu.Unlock()
		c.Close()
	}
	w := fakepoller.New(fakepoller.Config{})
	err := fakenet.Run(t, w, fakenet.Config{Stall: 300 * time.Millisecond}, scenario)
	if err == nil || !strings.Contains(err.Error(), "a mutex is held over an operation") || !strings.Contains(err.Error(), "Conn).Write") {
		t.Errorf("got %v, want a stall that names Write", err)
	}
	run(t, nil, fakenet.Config{Quiesce: fakenet.Metrics}, scenario)
}

// With Close as an operation of two steps, and with the other test of quiescence,
// the same programs run.
func TestParkClose(t *testing.T) {
	for _, load := range workloads[:1] {
		w := run(t, nil, fakenet.Config{ParkClose: true, Quiesce: fakenet.Metrics}, load.run)
		for _, f := range w.Findings() {
			t.Errorf("%s: got %s, want nothing", load.name, f)
		}
	}
}
