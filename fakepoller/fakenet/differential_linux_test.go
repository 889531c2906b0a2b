package fakenet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgewise.test/fakepoller/fakenet"
)

// tcpConn is what a *net.TCPConn and a *fakenet.Conn have in common.
type tcpConn interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
	SetLinger(int) error
}

// sequence does random operations on two ends of a connection, and returns a line
// for each.
func sequence(seed int64, ends [2]tcpConn) []string {
	r := rand.New(rand.NewSource(seed))
	var lines []string
	for range 12 {
		i := r.Intn(2)
		c := ends[i]
		var n int
		var err error
		var what string
		switch k := r.Intn(16); {
		case k < 4:
			what = fmt.Sprint("write ", r.Intn(40))
			n, err = c.Write(make([]byte, r.Intn(40)))
		case k < 9:
			what = "read"
			c.SetReadDeadline(time.Now().Add(3 * time.Millisecond))
			n, err = c.Read(make([]byte, r.Intn(30)))
		case k == 9:
			what, err = "CloseWrite", c.CloseWrite()
		case k == 10:
			what, err = "CloseRead", c.CloseRead()
		case k == 11:
			what, err = "Close", c.Close()
		case k == 12:
			what, err = "SetLinger", c.SetLinger(0)
		case k == 13:
			what, err = "SetDeadline", c.SetDeadline(time.Unix(1, 0))
		case k == 14:
			what, err = "SetDeadline", c.SetDeadline(time.Time{})
		default:
			what = "read late"
			c.SetReadDeadline(time.Unix(1, 0))
			n, err = c.Read(make([]byte, 1))
		}
		if strings.HasPrefix(what, "Close") || what == "SetLinger" {
			time.Sleep(2 * time.Millisecond) // for the peer to hear of it
		}
		lines = append(lines, fmt.Sprintf("%d %s: %d %s", i, what, n, describe(err, ends)))
	}
	ends[0].Close()
	ends[1].Close()
	return lines
}

// describe says all that a program can see of an error, without the addresses.
func describe(err error, ends [2]tcpConn) string {
	if err == nil {
		return "nil"
	}
	text := err.Error()
	for i, c := range ends {
		text = strings.ReplaceAll(text, c.LocalAddr().String(), fmt.Sprint("end ", i))
	}
	var types []string
	for e := err; e != nil; e = errors.Unwrap(e) {
		types = append(types, fmt.Sprintf("%T", e))
	}
	for _, target := range []error{io.EOF, net.ErrClosed, os.ErrDeadlineExceeded, context.Canceled, context.DeadlineExceeded, syscall.ECONNRESET, syscall.EPIPE, syscall.ENOTCONN, syscall.ECONNREFUSED} {
		if errors.Is(err, target) {
			text += fmt.Sprintf(" is(%v)", target)
		}
	}
	if e, ok := err.(net.Error); ok {
		text += fmt.Sprintf(" timeout=%v", e.Timeout())
	}
	return text + " " + strings.Join(types, ">")
}

// realPair returns two ends over the loopback interface.
func realPair(t *testing.T) [2]tcpConn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return [2]tcpConn{c.(tcpConn), s.(tcpConn)}
}

// TestSameAsTCP: random operations have the same results and errors as with
// *net.TCPConn.
func TestSameAsTCP(t *testing.T) {
	count := 150
	if testing.Short() {
		count = 60
	}
	for seed := range int64(count) {
		var fake []string
		calm(t, func(n *fakenet.Net) {
			c, s := pair(t, n)
			fake = sequence(seed, [2]tcpConn{c, s})
		})
		var diff string
		for range 3 { // the loopback interface is late now and then
			if diff = compare(fake, sequence(seed, realPair(t))); diff == "" {
				break
			}
		}
		if diff != "" {
			t.Errorf("seed %d:\n%s", seed, diff)
		}
	}
}

func compare(fake, tcp []string) string {
	for i := range fake {
		if fake[i] != tcp[i] {
			return fmt.Sprintf("before:\n  %s\nfake %s\ntcp  %s", strings.Join(fake[:i], "\n  "), fake[i], tcp[i])
		}
	}
	return ""
}

// TestSameAsTCPAlone: the errors of dials, listeners and closed ends.
func TestSameAsTCPAlone(t *testing.T) {
	type side struct {
		listen func(string) (net.Listener, error)
		dial   func(context.Context, string) (net.Conn, error)
	}
	steps := func(s side) []string {
		var lines []string
		var addr string
		note := func(what string, err error) {
			text := describe(err, [2]tcpConn{nobody{}, nobody{}})
			if addr != "" {
				text = strings.ReplaceAll(text, addr, "there")
			}
			lines = append(lines, what+": "+text)
		}
		l, err := s.listen("127.0.0.1:0")
		note("listen", err)
		addr = l.Addr().String()
		_, err = s.listen(addr)
		note("listen again", err)
		l.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now().Add(2 * time.Millisecond))
		_, err = l.Accept()
		note("accept late", err)
		note("close", l.Close())
		_, err = l.Accept()
		note("accept", err)
		note("close again", l.Close())
		_, err = s.dial(context.Background(), addr)
		note("dial", err)
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_, err = s.dial(ended, addr)
		note("dial cancelled", err)
		late, cancel := context.WithTimeout(context.Background(), -1)
		defer cancel()
		_, err = s.dial(late, addr)
		note("dial late", err)
		_, err = s.dial(context.Background(), "127.0.0.1")
		note("dial without port", err)
		return lines
	}
	var fake []string
	calm(t, func(n *fakenet.Net) {
		h := n.Host("host")
		fake = steps(side{
			func(a string) (net.Listener, error) { return h.Listen("tcp", a) },
			func(ctx context.Context, a string) (net.Conn, error) { return h.DialContext(ctx, "tcp", a) },
		})
	})
	var d net.Dialer
	tcp := steps(side{
		func(a string) (net.Listener, error) { return net.Listen("tcp", a) },
		func(ctx context.Context, a string) (net.Conn, error) { return d.DialContext(ctx, "tcp", a) },
	})
	for i := range tcp {
		got, want := fake[i], tcp[i]
		got, want = strings.ReplaceAll(got, "fakenet.", "net."), strings.ReplaceAll(want, "*net.timeoutError", "net.timeoutError")
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// nobody stands for an end that there is none of.
type nobody struct{ tcpConn }

func (nobody) LocalAddr() net.Addr { return &net.TCPAddr{} }
