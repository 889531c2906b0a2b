package fakepoller

import (
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"edgewise.test/poller"
)

// TestEchoLife is the life of a connection with worker and client as coroutines.
func TestEchoLife(t *testing.T) {
	w := New(Config{Trace: true})
	defer w.Close()
	k := w.NewWorker()
	l := listen(t, k, poller.ListenConfig{})
	k.Go(func() { echo(k, l) })
	client := w.Peer("client", func(p *Peer) {
		c, err := p.Dial(addr)
		if err != nil {
			t.Errorf("dial: %v", err)
			return
		}
		c.Write([]byte("hello"))
		b := make([]byte, 5)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
			t.Errorf("echo: got %q, %v, want hello", b, err)
		}
		p.Sleep(time.Second)
		c.CloseWrite()
		if n, err := c.Read(b); err != io.EOF {
			t.Errorf("after the last byte: got %d, %v, want EOF", n, err)
		}
	})
	w.Run()
	if !client.Done() {
		t.Error("client: got stuck, want done")
	}
	checkFindings(t, w)
	checkGolden(t, "echo.trace", traceText(w))
}

// TestByHand turns the loop and moves the peer in straight-line code: a test
// without coroutines.
func TestByHand(t *testing.T) {
	w := New(Config{Trace: true})
	defer w.Close()
	k := w.NewWorker()
	l := listen(t, k, poller.ListenConfig{})
	var events [4]poller.Event
	var buf [16]byte
	turn := func(timeout time.Duration) string {
		n, err := k.Wait(events[:], timeout)
		if err != nil {
			return poller.ErrnoName(err)
		}
		s := fmt.Sprint(n)
		for _, e := range events[:n] {
			s += fmt.Sprintf(" fd %d %s", fdOf(e.Token), e.Events)
		}
		return s
	}
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Fatalf("%s: got %q, want %q\n%s", what, got, want, traceText(w))
		}
	}

	check("turn with nothing to do", turn(0), "0")
	client := w.Hand("client")
	c, err := client.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	check("turn after the handshake", turn(-1), "1 fd 5 IN")
	fd, from, err := k.Accept(l)
	if err != nil || from.String() != c.LocalAddr().String() {
		t.Fatalf("accept: got %v, %v, want %v", from, err, c.LocalAddr())
	}
	k.Add(fd, poller.In|poller.RdHup|poller.EdgeTriggered, tokenOf(fd))
	_, err = c.Read(buf[:])
	check("read by hand before there is data", poller.ErrnoName(err), "EAGAIN")

	c.Write([]byte("hel"))
	check("turn after three bytes", turn(-1), "1 fd 6 IN")
	n, _ := k.Peek(fd, buf[:])
	check("peek", string(buf[:n]), "hel")
	check("turn after a peek: no edge", turn(40*time.Millisecond), "0")
	if w.Now() != 40*time.Millisecond {
		t.Fatalf("after the time-out: got %s, want 40ms", w.Now())
	}
	c.Write([]byte("lo"))
	check("turn after two more bytes: an edge", turn(-1), "1 fd 6 IN")
	n, _ = k.Read(fd, buf[:])
	check("read", string(buf[:n]), "hello")
	_, err = k.Read(fd, buf[:])
	check("read at the end of what arrived", poller.ErrnoName(err), "EAGAIN")

	k.Write(fd, []byte("bye"))
	n, _ = c.Read(buf[:])
	check("what the client got", string(buf[:n]), "bye")
	client.Sleep(time.Second)
	c.Close()
	check("turn after the client's FIN", turn(-1), "1 fd 6 IN+RDHUP")
	n, err = k.Read(fd, buf[:])
	check("read of the end", fmt.Sprint(n, err), "0 <nil>")
	if err := k.Close(fd); err != nil {
		t.Fatal(err)
	}
	_, err = k.Read(6, nil)
	check("read of a closed number", poller.ErrnoName(err), "EBADF")
	checkFindings(t, w, UseAfterClose)
	checkGolden(t, "hand.trace", traceText(w))
}

// TestDialInHand: a connection that is being made is the caller's already.
func TestDialInHand(t *testing.T) {
	w := New(Config{Source: planned(t, "conn 1 handshake 1: 1s")})
	defer w.Close()
	listen(t, w.NewWorker(), poller.ListenConfig{})
	p := w.Hand("client")
	c, err := p.Dial(addr)
	if err != nil {
		t.Fatalf("dial: got %v, want a connection in the making", err)
	}
	if got := c.Err(); got != syscall.EAGAIN {
		t.Errorf("before the handshake: got %v, want EAGAIN", got)
	}
	p.Sleep(time.Second)
	if got := c.Err(); got != nil {
		t.Errorf("after the handshake: got %v, want no error", got)
	}
	if _, err := w.Hand("lost").Dial(elsewhere); err != syscall.ECONNREFUSED {
		t.Errorf("nobody listens: got %v, want ECONNREFUSED", err)
	}
}
