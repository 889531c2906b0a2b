package faultnet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"edgewise.test/faults"
)

// under connects two ends over the loopback interface under a plan.
func under(t *testing.T, lines string) (n *Net, source *faults.PlanSource, client, server net.Conn) {
	t.Helper()
	plan, err := faults.Parse("edgewise plan v1\n" + lines)
	if err != nil {
		t.Fatal(err)
	}
	source = plan.Source()
	n = New(source)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = n.Listener(l)
	t.Cleanup(func() { l.Close() })
	client, err = n.Dialer(new(net.Dialer).DialContext)(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for server == nil {
		if server, err = l.Accept(); err != nil && !errors.Is(err, syscall.EMFILE) {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return n, source, client, server
}

func TestPlansOverRealConnections(t *testing.T) {
	cases := []struct {
		plan string
		read string // by the server's first read
		err  error  // of that read, or else of reading all
	}{
		{"", "hello", nil},
		{"conn 1 server segment 1: 2 bytes", "he", nil},
		{"conn 1 room 1: 0 bytes", "hello", nil},
		{"listener 1 accept 1..3: EMFILE", "hello", nil},
		{"conn 1 server delay 1: 200ms", "", os.ErrDeadlineExceeded},
		{"conn 1 server reset 1: before", "", syscall.ECONNRESET},
		{"conn 1 server reset 1: after", "hello", syscall.ECONNRESET},
		{"conn 1 handshake 1: 1ms", "hello", nil},
	}
	for _, c := range cases {
		_, source, client, server := under(t, c.plan)
		if _, err := io.WriteString(client, "hello"); err != nil {
			t.Errorf("%s: write: %v", c.plan, err)
		}
		client.(*Conn).CloseWrite()
		server.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		p := make([]byte, 10)
		n, err := server.Read(p)
		if got := string(p[:n]); got != c.read {
			t.Errorf("%s: got %q, want %q", c.plan, got, c.read)
		}
		if err == nil {
			_, err = io.ReadAll(server)
		}
		if !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, want %v", c.plan, err, c.err)
		}
		for _, d := range source.Missed() {
			t.Errorf("%s: not met: %s", c.plan, d)
		}
	}
}

func TestRefusedDial(t *testing.T) {
	plan, _ := faults.Parse("edgewise plan v1\nconn 1 connect 1: ECONNREFUSED")
	_, err := New(plan.Source()).Dialer(new(net.Dialer).DialContext)(context.Background(), "tcp", "127.0.0.1:1")
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want ECONNREFUSED", err)
	}
}
