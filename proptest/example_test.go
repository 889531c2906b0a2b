package proptest_test

import (
	"fmt"
	"io"
	"net/netip"

	"edgewise.test/fakepoller"
	"edgewise.test/poller"
	"edgewise.test/proptest"
)

var addr = netip.MustParseAddrPort("127.0.0.1:7")

// serve answers PING with PONG. It believes that a line comes in one piece.
func serve(k poller.Kernel, listener poller.FD) {
	var events [8]poller.Event
	line := make([]byte, 64)
	k.Add(listener, poller.In, 0)
	for {
		n, _ := k.Wait(events[:], -1)
		for _, e := range events[:n] {
			if e.Token == 0 {
				if fd, _, err := k.Accept(listener); err == nil {
					k.Add(fd, poller.In, poller.Token(fd))
				}
				continue
			}
			fd, answer := poller.FD(e.Token), "PONG\n"
			if n, _ := k.Read(fd, line); string(line[:n]) != "PING\n" {
				answer = "what?\n"
			}
			k.Write(fd, []byte(answer))
			k.Close(fd)
		}
	}
}

// pingpong is a scenario: one client says PING to serve.
func pingpong(w *proptest.World) {
	k := w.NewWorker()
	listener, _ := poller.ListenTCP(k, addr, poller.ListenConfig{})
	k.Go(func() { serve(k, listener) })
	w.Peer("client", func(p *fakepoller.Peer) {
		c, err := p.Dial(addr)
		if err != nil {
			return // refused or timed out: that is legal
		}
		io.WriteString(c, "PING\n")
		if answer, err := io.ReadAll(c); err == nil && string(answer) != "PONG\n" {
			w.Errorf("got %q, want PONG", answer)
		}
	})
	w.Run()
}

// In a test this is proptest.Check(t, pingpong).
func ExampleSearch() {
	r := proptest.Search(proptest.Config{Scenario: pingpong})
	fmt.Print(r.Failure.Report())
	// Output:
	// got "what?\n", want PONG
	// schedule: 1 deviation from the calm one (shrunk from 1 in 1 runs; schedule 20, by one deviation)
	//   [1] conn 1 segment 1: 1 byte
	//
	//        time  actor          fd    what happened                          your code
	//       0.000  worker 1       5     add IN (listener 1)
	//       0.000  client               connect (conn 1)
	//       0.000  listener 1           connection queued
	//       0.000  conn 1               [1] conn 1 segment 1: 1 byte
	//       0.000  client               write = 5 (conn 1)
	//       0.000  conn 1 server        1 bytes arrive
	//       0.000  worker 1       5     IN (listener 1)
	//       0.000  worker 1       5     accept = 6 (listener 1)
	//       0.000  worker 1       6     add IN (conn 1 server)
	//       0.000  worker 1       6     IN (conn 1 server)
	//       0.000  worker 1       6     read = 1 (conn 1 server)
	//       0.000  worker 1       6     write = 6 (conn 1 server)
	//       0.000  conn 1               6 bytes arrive
	//       0.000  worker 1       6     close (conn 1 server)
	//       0.000  conn 1               FIN arrives
	//       0.000  client               read = 6 (conn 1)
	//       0.000  client               read = 0 (conn 1)
	//       0.000  client               close (conn 1)
	//       0.001  conn 1 server        RST arrives
	//       0.001  conn 1               RST arrives
	//
	// legal on Linux: yes
	// it became likely at [1]: 6 of 100 random continuations fail before it, 44 after
}
