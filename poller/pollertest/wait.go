package pollertest

import (
	"fmt"
	"time"

	"edgewise.test/poller"
)

// trio makes three connections that e watches with the given masks.
func (e *env) trio(masks ...poller.Events) (socks, peers [3]*sock) {
	e.t.Helper()
	for i, name := range []string{"A", "B", "C"} {
		socks[i], peers[i] = e.pair(name)
		e.watch(socks[i], masks[i%len(masks)])
	}
	return socks, peers
}

// readyTrio makes A, B and C ready, in that order.
func (e *env) readyTrio(masks ...poller.Events) (socks, peers [3]*sock) {
	e.t.Helper()
	socks, peers = e.trio(masks...)
	for _, p := range peers {
		p.send(1)
	}
	return socks, peers
}

// waitCases are about the order of batches and their size (EW).
func waitCases() []testCase {
	return []testCase{
		{id: "EW-01", name: "the order of a batch is the order of becoming ready", run: func(e *env) {
			_, p := e.trio(in)
			p[2].send(1)
			p[0].send(1)
			p[1].send(1)
			e.wait()
			e.say("; again")
			e.wait()
			e.say("; again")
			e.wait()
		}, want: "[C:IN A:IN B:IN]; again [C:IN A:IN B:IN]; again [C:IN A:IN B:IN]"},

		{id: "EW-02", name: "sockets that are ready already come in the order of Add", run: func(e *env) {
			a, pa := e.pair("A")
			b, pb := e.pair("B")
			c, pc := e.pair("C")
			for _, p := range []*sock{pa, pb, pc} {
				p.send(1)
			}
			e.watch(b, in)
			e.watch(c, in)
			e.watch(a, in)
			e.wait()
		}, want: "[B:IN C:IN A:IN]"},

		{id: "EW-03", name: "three level-triggered sockets take turns when there is room for one", run: func(e *env) {
			e.readyTrio(in)
			for range 7 {
				e.waitMax(1)
			}
		}, want: "[A:IN] [B:IN] [C:IN] [A:IN] [B:IN] [C:IN] [A:IN]"},

		{id: "EW-04", name: "and when there is room for two", run: func(e *env) {
			e.readyTrio(in)
			for range 4 {
				e.waitMax(2)
			}
		}, want: "[A:IN B:IN] [C:IN A:IN] [B:IN C:IN] [A:IN B:IN]"},

		{id: "EW-05", name: "edge-triggered ones come once each", run: func(e *env) {
			_, p := e.trio(in | et)
			p[1].send(1)
			p[2].send(1)
			p[0].send(1)
			for range 4 {
				e.waitMax(1)
			}
		}, want: "[B:IN] [C:IN] [A:IN] []"},

		{id: "EW-06", name: "drained and waited for, a socket that refills goes to the tail", run: func(e *env) {
			s, p := e.readyTrio(in)
			e.wait()
			s[0].drain()
			e.say("; A drained")
			e.wait()
			p[0].send(1)
			e.say("; A refilled")
			e.wait()
		}, want: "[A:IN B:IN C:IN]; A drained [B:IN C:IN]; A refilled [B:IN C:IN A:IN]"},

		{id: "EW-07", name: "drained and refilled with no Wait between, it keeps its place", run: func(e *env) {
			s, p := e.readyTrio(in)
			e.wait()
			s[0].drain()
			p[0].send(1)
			e.say(";")
			e.wait()
		}, want: "[A:IN B:IN C:IN]; [A:IN B:IN C:IN]"},

		{id: "EW-08", name: "more data and Modify do not move a socket that is queued", run: func(e *env) {
			s, p := e.readyTrio(in)
			p[0].send(1)
			e.say("more data on A")
			e.wait()
			e.rearm(s[0], in)
			e.say("; MOD A")
			e.wait()
			e.rearm(s[0], 0)
			e.rearm(s[0], in)
			e.say("; MOD A to 0 and back")
			e.wait()
		}, want: "more data on A [A:IN B:IN C:IN]; MOD A [A:IN B:IN C:IN]; MOD A to 0 and back [A:IN B:IN C:IN]"},

		{id: "EW-09", name: "an edge that fires again goes behind the level-triggered ones", run: func(e *env) {
			_, p := e.readyTrio(in|et, in, in|et)
			e.wait()
			p[0].send(1)
			e.say("; more on A")
			e.wait()
			e.say("; then")
			e.wait()
		}, want: "[A:IN B:IN C:IN]; more on A [B:IN A:IN]; then [B:IN]"},

		{id: "EW-10", name: "a newly ready socket comes after one that was left unread", run: func(e *env) {
			_, p := e.trio(in)
			p[1].send(1)
			e.wait()
			p[0].send(1)
			e.say(";")
			e.wait()
			e.say("; max=1")
			e.waitMax(1)
			e.waitMax(1)
		}, want: "[B:IN]; [B:IN A:IN]; max=1 [B:IN] [A:IN]"},

		{id: "EW-11", name: "a file that is registered three times wakes its newest registration first", run: func(e *env) {
			first, p := e.pair("first")
			e.watch(first, in)
			e.watch(first.dup("second"), in)
			e.watch(first.dup("third"), in)
			p.send(1)
			e.wait()
		}, want: "[third:IN second:IN first:IN]"},

		{id: "EW-12", name: "ONESHOT fires once, stays registered, and Modify arms it again", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|oneShot)
			b.send(1)
			e.wait()
			e.say("then")
			e.wait()
			e.say(";")
			e.add("ADD", a, in)
			b.send(1)
			e.say("; more data")
			e.wait()
			e.rearm(a, in|oneShot)
			e.say("; MOD")
			e.wait()
			e.say("then")
			e.wait()
			b.reset()
			e.say("; RST while disarmed")
			e.wait()
			e.rearm(a, in|oneShot)
			e.say("; MOD")
			e.wait()
		}, want: "[A:IN] then []; ADD=EEXIST; more data []; MOD [A:IN] then []; RST while disarmed []; MOD [A:IN+ERR+HUP]"},

		{id: "EW-13", name: "ONESHOT disarms only what was reported", run: func(e *env) {
			e.readyTrio(in | oneShot)
			for range 4 {
				e.waitMax(1)
			}
		}, want: "[A:IN] [B:IN] [C:IN] []"},

		{id: "EW-14", name: "ONESHOT that is armed again goes to the tail", run: func(e *env) {
			s, _ := e.readyTrio(in|oneShot, in, in)
			e.wait()
			e.rearm(s[0], in|oneShot)
			e.say(";")
			e.wait()
		}, want: "[A:IN B:IN C:IN]; [B:IN C:IN A:IN]"},

		{id: "EW-15", name: "time-outs are never early, and a negative one waits for the event", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|et)
			e.say("0 ->")
			e.wait()
			for _, timeout := range []time.Duration{30 * time.Millisecond, 300 * time.Microsecond} {
				start := e.sys.Now()
				e.say("; %v ->", timeout)
				e.waitFor(8, timeout)
				e.say("early=%t", e.sys.Now()-start < timeout)
			}
			for _, timeout := range []time.Duration{-1, -5 * time.Second} {
				b.send(1)
				e.say("; %v ->", timeout)
				e.waitFor(8, timeout)
			}
		}, want: "0 -> []; 30ms -> [] early=false; 300µs -> [] early=false; -1ns -> [A:IN]; -5s -> [A:IN]"},

		{id: "EW-23", name: "200 ready sockets come in one batch, in order", run: func(e *env) {
			const n = 200
			var peers []*sock
			want := "["
			for i := range n {
				s, p := e.pair(fmt.Sprint(i))
				e.watch(s, in)
				peers = append(peers, p)
				want += fmt.Sprintf("%d:IN ", n-1-i)
			}
			for i := range peers {
				peers[n-1-i].send(1)
			}
			got := e.batch(512, 0)
			e.say("in ready order=%t", got == want[:len(want)-1]+"]")
		}, want: "in ready order=true"},

		{id: "EW-24", name: "an edge whose data is gone when Wait looks is dropped", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|et)
			b.send(1)
			a.drain()
			e.say("drained first")
			e.wait()
			b.send(1)
			e.say("; new data")
			e.wait()
		}, want: "drained first []; new data [A:IN]"},

		{id: "EW-25", name: "bits are sampled when Wait looks, not at the edge", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|out|rdhup|et)
			e.wait()
			b.send(1)
			b.shut(shutWR)
			e.say("; data+FIN")
			e.wait()
			x, y := e.pair("X")
			e.watch(x, in|rdhup|et)
			y.send(1)
			y.reset()
			e.say("; data+RST")
			e.wait()
		}, want: "[A:OUT]; data+FIN [A:IN+OUT+RDHUP]; data+RST [X:IN+ERR+HUP+RDHUP]"},
	}
}
