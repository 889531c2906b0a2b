package fakepoller

import (
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"testing"

	"edgewise.test/faults"
	"edgewise.test/poller"
)

// endless lets a benchmark make as many calls as it likes.
const endless = math.MaxInt

func BenchmarkEmptyWorld(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		w := New(Config{})
		w.NewWorker()
		w.Close()
	}
}

// BenchmarkCall is the cost of each boundary call in the test's own hand.
func BenchmarkCall(b *testing.B) {
	_, k, fd, c := accepted(b, Config{MaxSteps: endless})
	k.Add(fd, poller.In, tokenOf(fd))
	var events [8]poller.Event
	one, buf := []byte("x"), make([]byte, 64)
	calls := []struct {
		name string
		call func()
	}{
		{"Now", func() { k.Now() }},
		{"Wait/nothing", func() { k.Wait(events[:], 0) }},
		{"Wait/time-out", func() { k.Wait(events[:], 1) }},
		{"Wake+Wait", func() { k.Wake(); k.Wait(events[:], -1) }},
		{"Write+Wait+Read", func() { c.Write(one); k.Wait(events[:], -1); k.Read(fd, buf) }},
		{"Read/nothing", func() { k.Read(fd, buf) }},
		{"Write+peer's read", func() { k.Write(fd, one); c.Read(buf) }},
		{"Modify", func() { k.Modify(fd, poller.In, tokenOf(fd)) }},
		{"Remove+Add", func() { k.Remove(fd); k.Add(fd, poller.In, tokenOf(fd)) }},
		{"SocketError", func() { k.SocketError(fd) }},
		{"LocalAddr", func() { k.LocalAddr(fd) }},
		{"PeerAddr", func() { k.PeerAddr(fd) }},
		{"SetSockOpt", func() { k.SetSockOpt(fd, poller.TCPNoDelay, 1) }},
		{"SockOpt", func() { k.SockOpt(fd, poller.TCPNoDelay) }},
		{"Socket+Close", func() { s, _ := k.Socket(poller.Inet); k.Close(s) }},
		{"Dup+Close", func() { d, _ := k.Dup(fd); k.Close(d) }},
	}
	for _, c := range calls {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.call()
			}
		})
	}
	c.Write(one)
	b.Run("Peek", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.Peek(fd, buf)
		}
	})
}

// BenchmarkSwitch is a wait that hands over to a peer and back.
func BenchmarkSwitch(b *testing.B) {
	w, k, fd, c := accepted(b, Config{MaxSteps: endless})
	k.Add(fd, poller.In, tokenOf(fd))
	one := []byte("x")
	w.Peer("talker", func(p *Peer) {
		for {
			c.Write(one)
			p.Sleep(1)
		}
	})
	var events [8]poller.Event
	buf := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		k.Wait(events[:], -1)
		k.Read(fd, buf)
	}
}

// BenchmarkConnectionLife is dial, accept, add, wait, peek, read, write and close
// at both ends, by a raw loop.
func BenchmarkConnectionLife(b *testing.B) {
	sources := []struct {
		name   string
		source func() faults.Source
	}{
		{"calm", func() faults.Source { return nil }},
		{"seed", func() faults.Source { return faults.Seed(0, faults.Profile{Only: []faults.Op{faults.Order}}) }},
	}
	for _, s := range sources {
		b.Run(s.name, func(b *testing.B) {
			w := New(Config{Source: s.source(), MaxSteps: endless})
			defer w.Close()
			k := w.NewWorker()
			l := listen(b, k, poller.ListenConfig{})
			client := w.Hand("client")
			var events [8]poller.Event
			hello, buf := make([]byte, 517), make([]byte, 1024)
			steps := w.Steps()
			b.ReportAllocs()
			for b.Loop() {
				c, err := client.Dial(addr)
				if err != nil {
					b.Fatal(err)
				}
				c.Write(hello)
				k.Wait(events[:], -1)
				fd, _, _ := k.Accept(l)
				k.Add(fd, poller.In|poller.RdHup|poller.EdgeTriggered, tokenOf(fd))
				k.Wait(events[:], -1)
				k.Peek(fd, buf)
				n, _ := k.Read(fd, buf)
				k.Write(fd, buf[:n])
				c.Read(buf)
				c.Close()
				k.Wait(events[:], -1)
				k.Read(fd, buf)
				k.Close(fd)
			}
			b.ReportMetric(float64(w.Steps()-steps)/float64(b.N), "calls/op")
		})
	}
}

// BenchmarkCloseAmong is a dial and a close by a peer that has many connections.
func BenchmarkCloseAmong(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := New(Config{MaxSteps: endless, NoFile: n + 10})
			defer w.Close()
			k := w.NewWorker()
			l := listen(b, k, poller.ListenConfig{})
			client := w.Hand("client")
			var first *Conn
			for i := range n {
				c, err := client.Dial(addr)
				if err != nil {
					b.Fatal(err)
				}
				if i == 0 {
					first = c
				}
				k.Accept(l)
			}
			b.ReportAllocs()
			for b.Loop() {
				first.Reset()
				first, _ = client.Dial(addr)
				fd, _, _ := k.Accept(l)
				k.Close(fd)
			}
		})
	}
}

// BenchmarkEventAmong is one event at one of many open connections, which are all
// registered: it must not cost more the more there are.
func BenchmarkEventAmong(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { eventAmong(b, 1, n) })
	}
}

// BenchmarkEventAmongWorkers is one event at one of many workers, which have ten
// connections each.
func BenchmarkEventAmongWorkers(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { eventAmong(b, n, 10) })
	}
}

// eventAmong has workers in processes of their own, with so many connections each.
func eventAmong(b *testing.B, workers, connections int) {
	w := New(Config{MaxSteps: endless, NoFile: connections + 10})
	defer w.Close()
	client := w.Hand("client")
	type watched struct {
		k *Worker
		c *Conn
	}
	var all []watched
	for i := range workers {
		k := w.NewProcess().NewWorker()
		at := netip.AddrPortFrom(addr.Addr(), addr.Port()+uint16(i))
		l, err := poller.ListenTCP(k, at, poller.ListenConfig{})
		if err != nil {
			b.Fatal(err)
		}
		for range connections {
			c, err := client.Dial(at)
			if err != nil {
				b.Fatal(err)
			}
			fd, _, err := k.Accept(l)
			if err != nil {
				b.Fatal(err)
			}
			k.Add(fd, poller.In|poller.RdHup, tokenOf(fd))
			all = append(all, watched{k, c})
		}
	}
	var events [8]poller.Event
	one, buf := []byte("x"), make([]byte, 64)
	event := func(i int) {
		at := all[i*7919%len(all)]
		at.c.Write(one)
		if got, err := at.k.Wait(events[:], -1); got != 1 || err != nil {
			b.Fatalf("wait: got %d, %v, want 1", got, err)
		}
		at.k.Read(fdOf(events[0].Token), buf)
	}
	for i := range all { // the first bytes of each take memory
		event(i)
	}
	runtime.GC() // of what the setting up left behind
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		event(i)
		i++
	}
}
