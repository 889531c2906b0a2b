package fakepoller_test

import (
	"fmt"
	"net/netip"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/poller"
)

// A plan lets five bytes arrive in two pieces. The test holds both ends.
func Example() {
	plan, _ := faults.Parse("edgewise plan v1\nconn 1 segment 1: 3 bytes")
	w := fakepoller.New(fakepoller.Config{Source: plan.Source()})
	defer w.Close()
	k, addr := w.NewWorker(), netip.MustParseAddrPort("127.0.0.1:443")
	l, _ := poller.ListenTCP(k, addr, poller.ListenConfig{})
	client, _ := w.Hand("client").Dial(addr)
	fd, _, _ := k.Accept(l)
	k.Add(fd, poller.In|poller.EdgeTriggered, 1)

	client.Write([]byte("hello"))
	events, buf := make([]poller.Event, 1), make([]byte, 16)
	for range 2 {
		k.Wait(events, -1)
		n, _ := k.Read(fd, buf)
		fmt.Printf("%s %q\n", w.Now(), buf[:n])
	}
	// Output:
	// 0s "hel"
	// 1ms "lo"
}

// A worker and a client are straight-line code that takes turns.
func ExampleWorld_Peer() {
	w := fakepoller.New(fakepoller.Config{})
	defer w.Close()
	k, addr := w.NewWorker(), netip.MustParseAddrPort("127.0.0.1:443")
	l, _ := poller.ListenTCP(k, addr, poller.ListenConfig{})
	k.Add(l, poller.In, 1)
	k.Go(func() {
		events := make([]poller.Event, 8)
		for {
			if _, err := k.Wait(events, -1); err != nil {
				return
			}
			fd, from, _ := k.Accept(l)
			fmt.Println(w.Now(), "accepted", from)
			k.Write(fd, []byte("welcome"))
			k.Close(fd)
		}
	})
	w.Peer("client", func(p *fakepoller.Peer) {
		p.Sleep(1500 * time.Millisecond)
		c, _ := p.Dial(addr)
		buf := make([]byte, 16)
		n, _ := c.Read(buf)
		fmt.Printf("%s got %q\n", p.Now(), buf[:n])
	})
	w.Run()
	fmt.Println(len(w.Audit()), "findings")
	// Output:
	// 1.5s accepted 127.0.0.1:32768
	// 1.5s got "welcome"
	// 0 findings
}

// The auditors say which socket was forgotten and which call made it.
func ExampleWorld_Audit() {
	w := fakepoller.New(fakepoller.Config{})
	defer w.Close()
	k, addr := w.NewWorker(), netip.MustParseAddrPort("127.0.0.1:443")
	l, _ := poller.ListenTCP(k, addr, poller.ListenConfig{})
	client, _ := w.Hand("client").Dial(addr)
	k.Accept(l)
	client.Close()
	w.Run()
	for _, finding := range w.Audit() {
		fmt.Println(finding)
	}
	// Output:
	// leak: fd 6 (conn 1 server) is still open; it was opened at step 6
}
