package fakepoller

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"edgewise.test/faults"
	"edgewise.test/poller"
)

// TestChoices shows what each operation does: with the deviation the wanted lines
// stand in the trace in this order, and in the calm run they do not.
func TestChoices(t *testing.T) {
	tests := []struct {
		op   faults.Op
		plan string
		run  func(w *World)
		want string
	}{
		{faults.Run, "world run 1: pick 1", echoes("client", "second"), `
			worker 1 wait = 1
			worker 1 fd 5 IN (listener 1)
			worker 1 fd 6 add IN+RDHUP (conn 1 server)
			second connect (conn 2)`},
		{faults.Run, "worker 1 run 2: pick 1", echoes("client", "second"), `
			worker 1 fd 6 write = 5 (conn 1 server)
			client shutdown = 1 (conn 1)
			worker 1 wait = 2
			worker 1 fd 7 read = 5 (conn 2 server)`},
		{faults.Pause, "worker 1 pause 1: 15.001s", echoes("client", "sleeper"), `
			0.000 worker 1 fd 5 IN (listener 1)
			15.001 worker 1 fd 5 accept = 6 (listener 1)`},
		{faults.Accept, "listener 1 accept 1: EMFILE", echoes("client"), `
			worker 1 fd 5 accept EMFILE (listener 1)
			worker 1 fd 5 IN (listener 1)
			worker 1 fd 5 accept = 6 (listener 1)
			client read = 5 (conn 1)`},
		{faults.Accept, "listener 1 accept 1..2: ECONNABORTED", echoes("client"), `
			worker 1 fd 5 accept ECONNABORTED (listener 1)
			worker 1 fd 5 accept ECONNABORTED (listener 1)
			worker 1 fd 5 accept = 6 (listener 1)`},
		{faults.Connect, "conn 1 connect 1: ECONNREFUSED", echoes("client"), `
			0.000 client connect ECONNREFUSED (conn 1)`},
		{faults.Connect, "conn 1 connect 1: ETIMEDOUT", echoes("client"), `
			18.000 client connect ETIMEDOUT (conn 1)`},
		{faults.Handshake, "conn 1 handshake 1: 1s", echoes("client"), `
			1.000 listener 1 connection queued
			1.000 client write = 5 (conn 1)`},
		{faults.Segment, "conn 1 segment 1: 2 bytes", echoes("client"), `
			0.000 client write = 5 (conn 1)
			0.000 conn 1 server 2 bytes arrive
			0.000 worker 1 fd 6 read = 2 (conn 1 server)
			0.001 conn 1 server 3 bytes arrive
			0.001 worker 1 fd 6 IN (conn 1 server)
			0.001 worker 1 fd 6 read = 3 (conn 1 server)`},
		{faults.Delay, "conn 1 delay 1: 200ms", echoes("client"), `
			0.000 client write = 5 (conn 1)
			0.200 conn 1 server 5 bytes arrive
			0.200 worker 1 fd 6 read = 5 (conn 1 server)`},
		{faults.Delay, "conn 1 server delay 1: 200ms", echoes("client"), `
			0.000 worker 1 fd 6 write = 5 (conn 1 server)
			0.200 conn 1 5 bytes arrive
			0.200 client read = 5 (conn 1)`},
		{faults.Fin, "conn 1 fin 1: 15.001s", echoes("client"), `
			0.000 client shutdown = 1 (conn 1)
			15.001 conn 1 server FIN arrives
			15.001 worker 1 fd 6 IN+RDHUP (conn 1 server)`},
		{faults.Reset, "conn 1 reset 1: before", echoes("client"), `
			conn 1 server RST arrives
			client read = 0 ECONNRESET (conn 1)
			worker 1 fd 6 IN+ERR+HUP+RDHUP (conn 1 server)
			worker 1 fd 6 read = 0 ECONNRESET (conn 1 server)`},
		{faults.Reset, "conn 1 reset 1: after", echoes("client"), `
			conn 1 server 5 bytes arrive
			conn 1 server RST arrives
			client read = 0 ECONNRESET (conn 1)
			worker 1 fd 6 IN+ERR+HUP+RDHUP (conn 1 server)
			worker 1 fd 6 read = 5 (conn 1 server)
			worker 1 fd 6 write = 0 ECONNRESET (conn 1 server)`},
		{faults.Room, "conn 1 server room 1: 3 bytes", echoes("client"), `
			0.000 worker 1 fd 6 write = 3 (conn 1 server)
			0.000 worker 1 fd 6 modify OUT (conn 1 server)
			0.000 client read = 3 (conn 1)
			0.001 worker 1 fd 6 OUT (conn 1 server)
			0.001 worker 1 fd 6 write = 2 (conn 1 server)`},
		{faults.Room, "conn 1 server room 1: 0 bytes", echoes("client"), `
			0.000 worker 1 fd 6 write = 0 EAGAIN (conn 1 server)
			0.001 worker 1 fd 6 OUT (conn 1 server)
			0.001 worker 1 fd 6 write = 5 (conn 1 server)`},
		{faults.Wait, "worker 1 wait 1: 1 event", burst, `
			worker 1 wait = 1
			worker 1 fd 5 IN (listener 1)
			worker 1 wait = 1
			worker 1 fd 6 IN (listener 2)`},
		{faults.Order, "worker 1 order 1: pick 1", burst, `
			worker 1 wait = 2
			worker 1 fd 6 IN (listener 2)
			worker 1 fd 5 IN (listener 1)`},
		{faults.Wake, "worker 1 wake 1: 40ms", echoes("client"), `
			0.000 listener 1 connection queued
			0.040 worker 1 wait = 1
			0.040 worker 1 fd 5 IN (listener 1)`},
		{faults.Timer, "worker 1 timer 1: 1s", tick, `
			2.000 worker 1 wait = 0
			3.000 worker 1 wait = 0`},
		{faults.Interrupt, "worker 1 interrupt 1: EINTR", tick, `
			0.000 worker 1 wait = 0 EINTR
			1.000 worker 1 wait = 0`},
		{faults.Interrupt, "worker 1 interrupt 1: later", tick, `
			0.500 worker 1 wait = 0 EINTR
			1.500 worker 1 wait = 0`},
		{faults.Spurious, "worker 1 spurious 1: IN", echoes("client"), `
			worker 1 wait = 1
			worker 1 fd 5 IN (listener 1)
			worker 1 fd 5 accept EAGAIN (listener 1)
			client connect (conn 1)
			worker 1 fd 5 accept = 6 (listener 1)`},
		{faults.Resource, "worker 1 resource 2: ENOSPC", echoes("client"), `
			worker 1 fd 5 add IN ENOSPC (listener 1)`},
		{faults.Resource, "worker 1 resource 1: ENFILE", tick, `
			worker 1 socket ENFILE`},
		{faults.Queue, "conn 1 queue 1: 200ms", echoes("client"), `
			0.000 client write = 5 (conn 1)
			0.200 listener 1 connection queued
			0.200 worker 1 fd 5 accept = 6 (listener 1)`},
		{faults.Share, "conn 1 share 1: pick 1", shared, `
			listener 1 connection queued`},
		{faults.Waiter, "world waiter 1: pick 1", waiters, `
			third connect (conn 1)
			first connect (conn 2)`},
		{faults.Space, "conn 1 server space 1: 40ms", full, `
			0.040 worker 1 wait = 1
			0.040 worker 1 fd 6 OUT (conn 1 server)`},
		{faults.Ack, "conn 1 server ack 1: 40ms", halfClosed, `
			0.000 worker 1 fd 6 OUT (conn 1 server)
			0.040 worker 1 fd 6 OUT (conn 1 server)`},
		{faults.Empty, "worker 1 empty 1: nothing", burst, `
			worker 1 wait = 0
			worker 1 wait = 2`},
	}
	shown := map[faults.Op]bool{}
	for _, test := range tests {
		shown[test.op] = true
		t.Run(test.plan, func(t *testing.T) {
			run := func(source faults.Source) []string {
				w := New(Config{Source: source, Trace: true, Hostile: true})
				defer w.Close()
				test.run(w)
				return lines(w)
			}
			got := run(planned(t, test.plan))
			want := strings.Split(strings.TrimSpace(test.want), "\n")
			for i := range want {
				want[i] = strings.TrimSpace(want[i])
			}
			if missing := missingLine(got, want); missing != "" {
				t.Errorf("got\n%s\nwant in it, in this order\n%s\nfirst missing: %s", strings.Join(got, "\n"), strings.Join(want, "\n"), missing)
			}
			if calm := run(&faults.Recorder{}); missingLine(calm, want) == "" {
				t.Errorf("the calm run has it too:\n%s", strings.Join(calm, "\n"))
			}
		})
	}
	for _, o := range faults.Ops() {
		if !shown[o] {
			t.Errorf("operation %s: got no scenario here, want one", o)
		}
	}
}

// missingLine returns the first of want that does not stand in got behind those
// before it, or "".
func missingLine(got, want []string) string {
	for _, line := range want {
		i := 0
		for i < len(got) && !strings.HasSuffix(got[i], line) {
			i++
		}
		if i == len(got) {
			return line
		}
		got = got[i+1:]
	}
	return ""
}

// echoes lets clients say hello to an echo server at the same time.
func echoes(clients ...string) func(w *World) {
	return func(w *World) {
		k := w.NewWorker()
		l, _ := poller.ListenTCP(k, addr, poller.ListenConfig{})
		k.Add(l, poller.In, tokenOf(l))
		k.Go(func() { echo(k, l) })
		for _, name := range clients {
			w.Peer(name, func(p *Peer) {
				c, err := p.Dial(addr)
				if name == "sleeper" {
					p.Sleep(time.Hour)
				}
				if err != nil {
					return
				}
				c.Write([]byte("hello"))
				if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
					return
				}
				c.CloseWrite()
				c.Read(make([]byte, 1))
			})
		}
		w.Run()
	}
}

// burst lets two clients knock at one worker with two listeners before it looks.
func burst(w *World) {
	k := w.NewWorker()
	for _, to := range []string{"127.0.0.1:443", "127.0.0.1:444"} {
		l, _ := poller.ListenTCP(k, netip.MustParseAddrPort(to), poller.ListenConfig{})
		k.Add(l, poller.In|poller.EdgeTriggered, tokenOf(l))
		w.Hand("client of " + to).Dial(netip.MustParseAddrPort(to))
	}
	var events [8]poller.Event
	k.Wait(events[:], 0)
	k.Wait(events[:], 0)
}

// tick opens a socket and waits for a second, twice.
func tick(w *World) {
	k := w.NewWorker()
	k.Socket(poller.Inet)
	var events [8]poller.Event
	k.Wait(events[:], time.Second)
	k.Wait(events[:], time.Second)
}

// shared lets a client connect to two listeners on one address.
func shared(w *World) {
	k := w.NewWorker()
	for range 2 {
		poller.ListenTCP(k, addr, poller.ListenConfig{ReusePort: true})
	}
	w.Hand("client").Dial(addr)
}

// waiters lets two actors wait on one epoll for one edge.
func waiters(w *World) {
	k := w.NewWorker()
	l, _ := poller.ListenTCP(k, addr, poller.ListenConfig{})
	k.Add(l, poller.In|poller.EdgeTriggered, tokenOf(l))
	for _, name := range []string{"first", "second"} {
		w.Peer(name, func(p *Peer) {
			var events [8]poller.Event
			k.Wait(events[:], -1)
			p.Dial(addr)
		})
	}
	w.Peer("third", func(p *Peer) {
		p.Sleep(time.Millisecond)
		p.Dial(addr)
	})
	w.Run()
}

// oneAccepted is a connection of a worker with a peer in the hand.
func oneAccepted(w *World) (*Worker, poller.FD, *Conn) {
	k := w.NewWorker()
	l, _ := poller.ListenTCP(k, addr, poller.ListenConfig{})
	c, _ := w.Hand("client").Dial(addr)
	fd, _, _ := k.Accept(l)
	return k, fd, c
}

// full fills a send buffer and lets the peer empty it.
func full(w *World) {
	k, fd, c := oneAccepted(w)
	for err := error(nil); err == nil; {
		_, err = k.Write(fd, make([]byte, 100_000))
	}
	k.Add(fd, poller.Out|poller.EdgeTriggered, tokenOf(fd))
	c.Read(make([]byte, 1<<20))
	var events [8]poller.Event
	k.Wait(events[:], time.Second)
}

// halfClosed shuts a connection and looks for edges.
func halfClosed(w *World) {
	k, fd, _ := oneAccepted(w)
	k.Shutdown(fd, poller.ShutWrite)
	k.Add(fd, poller.Out|poller.EdgeTriggered, tokenOf(fd))
	var events [8]poller.Event
	k.Wait(events[:], time.Second)
	k.Wait(events[:], time.Second)
}
