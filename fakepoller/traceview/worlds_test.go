package traceview

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/poller"
)

// proxy is an event loop that waits for a first line, connects to the upstream
// and relays. It gives a client 15 seconds for that line.
type proxy struct {
	k        *fakepoller.Worker
	listener poller.FD
	upstream netip.AddrPort
	other    map[poller.FD]poller.FD // the other side; -1: none yet
	deadline map[poller.FD]time.Duration
	silent   []poller.FD // have a deadline, oldest first
	first    map[poller.FD][]byte
}

func (p *proxy) run() {
	p.other, p.deadline, p.first = map[poller.FD]poller.FD{}, map[poller.FD]time.Duration{}, map[poller.FD][]byte{}
	p.k.Add(p.listener, poller.In, poller.Token(p.listener))
	var events [8]poller.Event
	for {
		timeout := time.Duration(-1)
		if len(p.silent) > 0 {
			timeout = max(p.deadline[p.silent[0]]-p.k.Now(), 0)
		}
		n, err := p.k.Wait(events[:], timeout)
		if err != nil && err != syscall.EINTR {
			return
		}
		for _, e := range events[:max(n, 0)] {
			switch fd := poller.FD(e.Token); {
			case fd == p.listener:
				p.accept()
			case p.other[fd] != 0:
				p.onEvent(fd, e.Events)
			}
		}
		for len(p.silent) > 0 && p.deadline[p.silent[0]] <= p.k.Now() {
			p.k.Annotate(p.silent[0], "timed out")
			p.close(p.silent[0])
		}
	}
}

func (p *proxy) accept() {
	fd, _, err := p.k.Accept(p.listener)
	if err != nil {
		return
	}
	p.k.Annotate(fd, "inspecting")
	p.k.Add(fd, poller.In|poller.RdHup, poller.Token(fd))
	p.other[fd], p.deadline[fd] = -1, p.k.Now()+15*time.Second
	p.silent = append(p.silent, fd)
}

func (p *proxy) onEvent(fd poller.FD, bits poller.Events) {
	var buf [512]byte
	if bits&poller.Out != 0 {
		if pending, _ := p.k.SocketError(fd); pending != nil {
			p.close(fd)
			return
		}
		p.k.Annotate(fd, "relaying")
		p.k.Annotate(p.other[fd], "relaying")
		p.k.Write(fd, p.first[fd])
		p.k.Modify(fd, poller.In|poller.RdHup, poller.Token(fd))
		return
	}
	n, err := p.k.Read(fd, buf[:])
	switch {
	case err == syscall.EAGAIN:
	case n <= 0:
		p.close(fd)
	case p.other[fd] >= 0:
		p.k.Write(p.other[fd], buf[:n])
	case buf[n-1] != '\n':
		p.first[fd] = append(p.first[fd], buf[:n]...)
		p.k.Annotate(fd, "wants more")
	default:
		p.connect(fd, append(p.first[fd], buf[:n]...))
	}
}

func (p *proxy) connect(fd poller.FD, line []byte) {
	p.forget(fd)
	up, _ := p.k.Socket(poller.DomainOf(p.upstream.Addr()))
	p.k.Annotate(fd, "routed")
	p.k.Annotate(up, "connecting")
	p.other[fd], p.other[up], p.first[up] = up, fd, line
	p.k.Connect(up, p.upstream)
	p.k.Add(up, poller.Out, poller.Token(up))
}

func (p *proxy) forget(fd poller.FD) {
	for i, s := range p.silent {
		if s == fd {
			p.silent = append(p.silent[:i], p.silent[i+1:]...)
			break
		}
	}
}

func (p *proxy) close(fd poller.FD) {
	p.forget(fd)
	other := p.other[fd]
	for _, fd := range [...]poller.FD{fd, other} {
		if fd > 0 {
			p.k.Close(fd)
			delete(p.other, fd)
			delete(p.first, fd)
		}
	}
}

var (
	addr     = netip.MustParseAddrPort("127.0.0.1:443")
	upstream = netip.MustParseAddrPort("127.0.0.1:9999")
)

// parsed is a plan's lines.
func parsed(t testing.TB, body string) faults.Plan {
	t.Helper()
	plan, err := faults.Parse("edgewise plan v1\n" + body)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// proxied is the trace of clients that talk through two workers to an upstream,
// each with its own trouble.
func proxied(t testing.TB, plan faults.Plan, clients int) []fakepoller.Event {
	t.Helper()
	return proxiedBy(t, plan.Source(), clients)
}

func proxiedBy(t testing.TB, source faults.Source, clients int) []fakepoller.Event {
	t.Helper()
	w := fakepoller.New(fakepoller.Config{Source: source, Trace: true, Hostile: true, MaxSteps: 20_000})
	defer w.Close()
	for range 2 {
		k := w.NewWorker()
		l, err := poller.ListenTCP(k, addr, poller.ListenConfig{ReusePort: true})
		if err != nil && w.Injected(faults.Resource) > 0 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		k.Go((&proxy{k: k, listener: l, upstream: upstream}).run)
	}
	w.Peer("upstream", func(p *fakepoller.Peer) {
		l, err := p.Listen(upstream)
		if err != nil {
			t.Error(err)
			return
		}
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			line := make([]byte, 64)
			n, _ := c.Read(line)
			c.Write(append([]byte("you said: "), line[:n]...))
			c.Close()
		}
	})
	for i := range clients {
		w.Peer(fmt.Sprint("client ", i+1), func(p *fakepoller.Peer) {
			p.Sleep(time.Duration(i) * 20 * time.Millisecond)
			c, err := p.Dial(addr)
			if err != nil {
				return
			}
			if i == 1 { // says nothing
				io.Copy(io.Discard, c)
				return
			}
			c.Write([]byte("hello\n"))
			io.Copy(io.Discard, c)
		})
	}
	w.Run()
	w.Audit()
	return w.Trace()
}

// troubled is about 300 events.
func troubled(t testing.TB) ([]fakepoller.Event, faults.Plan) {
	plan := parsed(t, "conn 1 segment 1: 2 bytes\nlistener 2 accept 1: EMFILE\nconn 5 delay 1: 200ms\nconn 6 reset 1: after\nconn 9 fin 1: 1ms\n")
	return proxied(t, plan, 8), plan
}

// refused is four events: nobody listens.
func refused(t testing.TB) []fakepoller.Event {
	t.Helper()
	w := fakepoller.New(fakepoller.Config{Trace: true})
	defer w.Close()
	if _, err := w.Hand("client").Dial(addr); err != syscall.ECONNREFUSED {
		t.Fatalf("dial: got %v, want ECONNREFUSED", err)
	}
	return w.Trace()
}

// said is a connection over which a client sends parts, and gets answer.
func said(t testing.TB, at netip.AddrPort, answer string, parts ...[]byte) []fakepoller.Event {
	t.Helper()
	w := fakepoller.New(fakepoller.Config{Trace: true})
	defer w.Close()
	k := w.NewWorker()
	l, err := poller.ListenTCP(k, at, poller.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	client := w.Hand("client")
	c, err := client.Dial(at)
	if err != nil {
		t.Fatal(err)
	}
	fd, _, err := k.Accept(l)
	if err != nil {
		t.Fatal(err)
	}
	k.Annotate(fd, "inspecting")
	var buf [1 << 17]byte
	for _, part := range parts {
		c.Write(part)
		client.Sleep(time.Millisecond)
		k.Read(fd, buf[:])
	}
	k.Write(fd, []byte(answer))
	c.Read(buf[:])
	c.Close()
	w.RunFor(time.Millisecond)
	if err := k.Close(fd); err != nil {
		t.Fatal(err)
	}
	w.Run()
	return w.Trace()
}

// hello is a ClientHello that a real client sent.
func hello(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "pipeline", "tlsinspector", "testdata", "hello", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func traceText(events []fakepoller.Event) (text string) {
	for _, e := range events {
		text += e.String() + "\n"
	}
	return text
}
