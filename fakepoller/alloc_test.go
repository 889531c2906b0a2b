//go:build !race

package fakepoller

import (
	"testing"

	"edgewise.test/faults"
	"edgewise.test/poller"
)

// TestSteadyStateAllocatesNothing: memory is for connections, not for calls. Under
// the race detector counts mean nothing.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	for name, source := range map[string]faults.Source{"calm": nil, "asked": faults.Seed(0, faults.Profile{Only: []faults.Op{faults.Connect}})} {
		t.Run(name, func(t *testing.T) {
			_, k, fd, c := accepted(t, Config{Source: source, MaxSteps: 1 << 30})
			k.Add(fd, poller.In, tokenOf(fd))
			var events [8]poller.Event
			one, buf := []byte("x"), make([]byte, 64)
			vec := [][]byte{one, one}
			tests := []struct {
				name string
				call func()
			}{
				{"a byte arrives and is waited for, peeked at and read", func() {
					c.Write(one)
					if n, err := k.Wait(events[:], -1); n != 1 || err != nil {
						t.Fatalf("wait: got %d, %v, want 1", n, err)
					}
					k.Peek(fd, buf)
					k.Read(fd, buf)
				}},
				{"Read with nothing there", func() { k.Read(fd, buf) }},
				{"Wait with nothing there", func() { k.Wait(events[:], 0) }},
				{"Wait with a time-out", func() { k.Wait(events[:], 1) }},
				{"Write", func() { k.Write(fd, one); c.Read(buf) }},
				{"Writev", func() { k.Writev(fd, vec); c.Read(buf) }},
				{"Modify", func() { k.Modify(fd, poller.In|poller.RdHup, tokenOf(fd)) }},
				{"Remove and Add", func() { k.Remove(fd); k.Add(fd, poller.In, tokenOf(fd)) }},
				{"Wake", func() { k.Wake(); k.Wait(events[:], -1) }},
				{"SocketError", func() { k.SocketError(fd) }},
				{"PeerAddr and LocalAddr", func() { k.PeerAddr(fd); k.LocalAddr(fd) }},
				{"SetSockOpt and SockOpt", func() { k.SetSockOpt(fd, poller.TCPNoDelay, 1); k.SockOpt(fd, poller.TCPNoDelay) }},
				{"Socket and Close", func() { s, _ := k.Socket(poller.Inet); k.Close(s) }},
			}
			for _, test := range tests {
				if got := testing.AllocsPerRun(100, test.call); got != 0 {
					t.Errorf("%s: got %g allocations, want 0", test.name, got)
				}
			}
		})
	}
}
