package poller

import "testing"

// BenchmarkCalls is what one call costs; compare it with the same call in C.
func BenchmarkCalls(b *testing.B) {
	e := newEpoll(b)
	listener, addr := listen(b, e, "127.0.0.1")
	client, server := dial(b, e, listener, addr)
	idle := newEpoll(b)
	ready := newEpoll(b)
	if err := ready.Add(server, Out, 1); err != nil {
		b.Fatal(err)
	}
	if err := e.Add(server, In, 1); err != nil {
		b.Fatal(err)
	}
	var batch [64]Event
	buf := make([]byte, 279)
	for _, c := range []struct {
		name string
		call func()
	}{
		{"WaitNothing", func() { idle.Wait(batch[:], 0) }},
		{"WaitOne", func() { ready.Wait(batch[:], 0) }},
		{"WaitOneMayBlock", func() { ready.Wait(batch[:], -1) }},
		{"WakeAndWait", func() { idle.Wake(); idle.Wait(batch[:], -1) }},
		{"ReadEAGAIN", func() { e.Read(server, buf) }},
		{"PeekEAGAIN", func() { e.Peek(server, buf) }},
		{"AcceptEAGAIN", func() { e.Accept(listener) }},
		{"Modify", func() { e.Modify(server, In, 1) }},
		{"WriteAndRead279", func() { e.Write(client, buf); e.Read(server, buf) }},
		{"Now", func() { e.Now() }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				c.call()
			}
		})
	}
}
