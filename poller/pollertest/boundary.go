package pollertest

import (
	"time"

	"edgewise.test/poller"
)

// boundaryCases are about what the boundary adds to the system calls: tokens
// (TK), wake-ups (WU), the clock (CK), and a corner of Peek (PK).
func boundaryCases() []testCase {
	return []testCase{
		{id: "TK-01", name: "every bit of a token comes back", run: func(e *env) {
			a, b := e.pair("A")
			b.send(1)
			e.watch(a, in)
			tokens := []poller.Token{0, poller.MakeToken(1<<32-1, 0), poller.MakeToken(0, 1<<32-1), 1<<64 - 2, 1<<63 - 1}
			for bit := range 64 {
				tokens = append(tokens, 1<<bit)
			}
			wrong := 0
			var batch [2]poller.Event
			for _, token := range tokens {
				e.must("Modify", e.sys.Modify(a.fd, in, token))
				n, err := e.sys.Wait(batch[:], 0)
				e.must("Wait", err)
				if n != 1 || batch[0].Token != token {
					wrong++
				}
			}
			e.say("tokens %d wrong %d", len(tokens), wrong)
		}, want: "tokens 69 wrong 0"},

		{id: "TK-02", name: "the token of all ones belongs to the poller", run: func(e *env) {
			a, _ := e.pair("A")
			e.result("ADD", e.sys.Add(a.fd, in, 1<<64-1))
			e.watch(a, out)
			e.result("MOD", e.sys.Modify(a.fd, in, 1<<64-1))
			e.wait()
		}, want: "ADD=EINVAL MOD=EINVAL [A:OUT]"},

		{id: "WU-01", name: "Wake ends the next Wait, once", run: func(e *env) {
			e.result("wake", e.sys.Wake())
			e.waitFor(8, -1)
			e.wait()
		}, want: "wake=ok [] []"},

		{id: "WU-02", name: "Wakes before a Wait are one", run: func(e *env) {
			for range 3 {
				e.must("Wake", e.sys.Wake())
			}
			e.waitFor(8, -1)
			start := e.sys.Now()
			e.waitFor(8, 5*time.Millisecond)
			e.say("early=%t", e.sys.Now()-start < 5*time.Millisecond)
		}, want: "[] [] early=false"},

		{id: "WU-03", name: "a Wake is no event of a batch, and does not move the others", run: func(e *env) {
			_, p := e.trio(in)
			p[1].send(1)
			e.must("Wake", e.sys.Wake())
			p[0].send(1)
			e.wait()
			e.must("Wake", e.sys.Wake())
			e.wait()
			e.wait()
		}, want: "[B:IN A:IN] [B:IN A:IN] [B:IN A:IN]"},

		{id: "WU-04", name: "a Wake in a batch of one takes its place, and the socket comes next", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|et)
			e.must("Wake", e.sys.Wake())
			b.send(1)
			e.waitMax(1)
			e.waitMax(1)
			e.waitMax(1)
		}, want: "[] [A:IN] []"},

		{id: "WU-05", name: "Wake is for one poller, and fails after Release", run: func(e *env) {
			e2 := e.newEpoll()
			e.must("Wake", e2.sys.Wake())
			e.wait()
			e2.waitFor(8, -1)
			e.result("; release", e2.sys.Release())
			e.result("wake", e2.sys.Wake())
			e.result("release", e2.sys.Release())
		}, want: "[] []; release=ok wake=EBADF release=EBADF"},

		{id: "WU-06", name: "sockets outlive a poller that is released", run: func(e *env) {
			e2 := e.newEpoll()
			a, b := e.pair("A")
			e2.watch(a, in)
			e.must("Release", e2.sys.Release())
			b.send(3)
			a.read(10)
		}, want: "read=3"},

		{id: "PK-01", name: "Peek of length zero, unlike Read, asks the stream", run: func(e *env) {
			a, b := e.pair("A")
			e.say("idle")
			a.peek(0)
			b.send(1)
			e.say("; data")
			a.peek(0)
			a.drain()
			b.shut(shutWR)
			e.say("; FIN")
			a.peek(0)
			a = e.resetPair("A", 0)
			e.say("; RST")
			a.peek(0)
			a.soError()
			e.say("; fresh")
			e.fresh("S").peek(0)
		}, want: "idle peek=EAGAIN; data peek=0; FIN peek=0; RST peek=ECONNRESET SO_ERROR=0; fresh peek=ENOTCONN"},

		{id: "CK-01", name: "the clock is monotonic, and common to all pollers", run: func(e *env) {
			e2 := e.newEpoll()
			first := e.sys.Now()
			e.world.Sleep(2 * time.Millisecond)
			second := e2.sys.Now()
			third := e.sys.Now()
			e.say("slept=%t in order=%t", second-first >= 2*time.Millisecond, second <= third)
		}, want: "slept=true in order=true"},
	}
}
