package pollertest

import "edgewise.test/poller"

// edgeCases are about what makes an edge and what does not (ET).
func edgeCases() []testCase {
	return []testCase{
		{id: "ET-01", name: "one arrival, not read: one edge", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|et)
			e.say("ADD idle")
			e.wait()
			b.send(1)
			e.say("; data")
			e.wait()
			e.say("then")
			e.wait()
		}, want: "ADD idle []; data [A:IN] then []"},

		{id: "ET-02", name: "every arrival makes an edge, read or not", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|et)
			for i := range 3 {
				b.send(1)
				e.say("; write %d", i+1)
				e.wait()
				e.say("then")
				e.wait()
			}
		}, want: "; write 1 [A:IN] then []; write 2 [A:IN] then []; write 3 [A:IN] then []"},

		{id: "ET-03", name: "arrivals between two Waits are one event", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|et)
			for range 5 {
				b.send(1)
			}
			e.wait()
			e.say("then")
			e.wait()
		}, want: "[A:IN] then []"},

		{id: "ET-04", name: "a partial read leaves no edge; new data gives one", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|et)
			b.send(8)
			e.wait()
			a.read(4)
			e.wait()
			b.send(3)
			e.say("; new data")
			e.wait()
			a.read(100)
			e.wait()
		}, want: "[A:IN] read=4 []; new data [A:IN] read=7 []"},

		{id: "ET-05", name: "Modify with nothing new reports what is ready", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|et)
			b.send(1)
			e.wait()
			e.wait()
			e.rearm(a, in|et)
			e.say("; MOD")
			e.wait()
			e.wait()
			e.rearm(a, out|et)
			e.say("; MOD OUT")
			e.wait()
			e.rearm(a, out|et)
			e.say("; MOD OUT")
			e.wait()
			e.wait()
		}, want: "[A:IN] []; MOD [A:IN] []; MOD OUT [A:OUT]; MOD OUT [A:OUT] []"},

		{id: "ET-06", name: "Add of a socket that is ready already gives an edge", run: func(e *env) {
			a, b := e.pair("A")
			b.send(1)
			b.shut(shutWR)
			e.watch(a, in|out|rdhup|et)
			e.wait()
			e.say("then")
			e.wait()
		}, want: "[A:IN+OUT+RDHUP] then []"},

		{id: "ET-07", name: "an arrival repeats OUT", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|out|et)
			e.say("ADD")
			e.wait()
			e.wait()
			b.send(1)
			e.say("; data")
			e.wait()
			e.wait()
			a.drain()
			e.say("; after read")
			e.wait()
			b.send(1)
			e.say("; data")
			e.wait()
		}, want: "ADD [A:OUT] []; data [A:IN+OUT] []; after read []; data [A:IN+OUT]"},

		{id: "ET-08", name: "a buffer that was never full makes no OUT edge", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, out|et)
			e.say("ADD")
			e.wait()
			a.send(1000)
			e.say("; after write")
			e.wait()
			b.drain()
			e.say("; after peer read")
			e.wait()
		}, want: "ADD [A:OUT]; after write []; after peer read []"},

		{id: "ET-09", name: "data does not wake a mask of OUT; a FIN does, with OUT", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, out|et)
			e.say("ADD")
			e.wait()
			b.send(1)
			e.say("; data")
			e.wait()
			b.shut(shutWR)
			e.say("; FIN")
			e.wait()
			e.wait()
		}, want: "ADD [A:OUT]; data []; FIN [A:OUT] []"},

		{id: "ET-10", name: "mask RDHUP sees the FIN; mask 0 sees only the RST", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, rdhup|et)
			b.send(1)
			e.say("data")
			e.wait()
			b.shut(shutWR)
			e.say("; FIN")
			e.wait()
			x, y := e.pair("X")
			e.watch(x, et)
			y.end()
			e.say("; mask 0: FIN")
			e.wait()
			x.send(1)
			e.say("; RST")
			e.wait()
		}, want: "data []; FIN [A:RDHUP]; mask 0: FIN []; RST [X:ERR+HUP]"},

		{id: "ET-11", name: "data and FIN: two edges with a Wait between, one without", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|rdhup|et)
			b.send(1)
			e.say("data")
			e.wait()
			b.shut(shutWR)
			e.say("; FIN")
			e.wait()
			e.say("then")
			e.wait()
			x, y := e.pair("X")
			e.watch(x, in|rdhup|et)
			y.send(1)
			y.shut(shutWR)
			e.say("; data+FIN")
			e.wait()
			e.say("then")
			e.wait()
		}, want: "data [A:IN]; FIN [A:IN+RDHUP] then []; data+FIN [X:IN+RDHUP] then []"},

		{id: "ET-12", name: "close after a half-close is no edge", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|out|rdhup|et)
			e.discard()
			b.shut(shutWR)
			e.say("FIN")
			e.wait()
			b.end()
			e.say("; close")
			e.wait()
		}, want: "FIN [A:IN+OUT+RDHUP]; close []"},

		{id: "ET-13", name: "a RST is one edge, and taking the error is none", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|out|rdhup|et)
			e.discard()
			b.reset()
			e.say("RST")
			e.wait()
			e.say("then")
			e.wait()
			e.say(";")
			a.read(10)
			e.wait()
			e.rearm(a, in|out|rdhup|et)
			e.say("; MOD")
			e.wait()
		}, want: "RST [A:IN+OUT+ERR+HUP+RDHUP] then []; read=ECONNRESET []; MOD [A:IN+OUT+HUP+RDHUP]"},

		{id: "ET-14", name: "every shutdown makes an edge on the caller's own socket", run: func(e *env) {
			for _, how := range []poller.How{shutRD, shutWR, shutRDWR} {
				a, _ := e.pair("A")
				e.watch(a, in|out|rdhup|et)
				e.discard()
				a.shut(how)
				e.rest() // the acknowledgement of the FIN is an edge too
				e.say("; %v", how)
				e.wait()
				e.say("then")
				e.wait()
				a.shut(how)
				e.say("again")
				e.wait()
			}
		}, want: "; read [A:IN+OUT+RDHUP] then [] again [A:IN+OUT+RDHUP]; write [A:OUT] then [] again [A:OUT]; " +
			"both [A:IN+OUT+HUP+RDHUP] then [] again [A:IN+OUT+HUP+RDHUP]"},

		{id: "ET-15", name: "listener: connections between two Waits are one edge, accept makes none", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			e.watch(l, in|et)
			for range 3 {
				e.dial("C", l)
			}
			e.wait()
			e.say("then")
			e.wait()
			l.take("A")
			e.say("; accepted 1")
			e.wait()
			e.dial("C", l)
			e.say("; connect")
			e.wait()
			for range 3 {
				l.take("A")
			}
			e.say("; drained")
			e.wait()
		}, want: "[L:IN] then []; accepted 1 []; connect [L:IN]; drained []"},

		{id: "ET-16", name: "a full buffer is not writable; drained, it makes one OUT edge", run: func(e *env) {
			a, b := e.smallPair("A")
			e.watch(a, out|et)
			e.discard()
			n := a.fill()
			e.say("full")
			e.wait()
			b.drainAll(n)
			e.say("; drained")
			e.wait()
			e.wait()
		}, want: "full []; drained [A:OUT] []"},

		{id: "ET-17", name: "the edge comes after a short write that never saw EAGAIN", run: func(e *env) {
			a, b := e.smallPair("A")
			e.watch(a, out|et)
			e.discard()
			n, err := e.sys.Write(a.fd, make([]byte, 1<<20))
			e.must("Write", err)
			e.settle()
			e.say("short=%t", n < 1<<20)
			b.drainAll(n)
			e.say("; drained")
			e.wait()
		}, want: "short=true; drained [A:OUT]"},

		{id: "ET-18", name: "the write-space edge repeats IN for data that was there all along", run: func(e *env) {
			a, b := e.smallPair("A")
			b.send(1)
			e.watch(a, in|out|et)
			e.wait()
			n := a.fill()
			e.discard()
			b.drainAll(n)
			e.say("; space")
			e.wait()
		}, want: "[A:IN+OUT]; space [A:IN+OUT]"},

		{id: "ET-19", name: "write space does not wake a mask of IN", run: func(e *env) {
			a, b := e.smallPair("A")
			e.watch(a, in|et)
			b.drainAll(a.fill())
			e.wait()
		}, want: "[]"},

		{id: "ET-20", name: "level-triggered OUT goes away while full and comes back", run: func(e *env) {
			a, b := e.smallPair("A")
			e.watch(a, out)
			e.wait()
			n := a.fill()
			e.say("; full")
			e.wait()
			b.drainAll(n)
			e.say("; drained")
			e.wait()
		}, want: "[A:OUT]; full []; drained [A:OUT]"},

		{id: "ET-22", name: "a socket that is registered before it connects", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			s := e.fresh("S")
			e.watch(s, in|out|et)
			e.say("ADD")
			e.wait()
			e.say(";")
			s.connect(l.local())
			e.wait()
			e.say("then")
			e.wait()
			l.take("A").send(1)
			e.say("; data")
			e.wait()
		}, want: "ADD [S:OUT+HUP]; connect=EINPROGRESS [S:OUT] then []; data [S:IN+OUT]"},

		{id: "ET-23", name: "ONESHOT with an edge: Modify arms it with what is ready", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|et|oneShot)
			b.send(1)
			e.wait()
			b.send(1)
			e.say("; more")
			e.wait()
			e.rearm(a, in|et|oneShot)
			e.say("; MOD")
			e.wait()
			a.drain()
			e.rearm(a, in|et|oneShot)
			e.say("; MOD when drained")
			e.wait()
			b.send(1)
			e.say("; data")
			e.wait()
		}, want: "[A:IN]; more []; MOD [A:IN]; MOD when drained []; data [A:IN]"},

		{id: "ET-24", name: "Peek leaves a level ready and gives no further edge", run: func(e *env) {
			for _, mask := range []poller.Events{in, in | et} {
				a, b := e.pair("A")
				e.watch(a, mask)
				b.send(5)
				e.say("; %v", mask)
				e.wait()
				a.peek(100)
				e.wait()
				b.send(5)
				e.say("more")
				e.wait()
				a.peek(100)
				a.read(100)
				e.forget(a)
			}
		}, want: "; IN [A:IN] peek=5 [A:IN] more [A:IN] peek=10 read=10; " +
			"IN+ET [A:IN] peek=5 [] more [A:IN] peek=10 read=10"},

		{id: "ET-25", name: "SO_RCVLOWAT holds the edge back; setting it makes one", run: func(e *env) {
			a, b := e.pair("A")
			a.set(poller.SORcvLowat, 10)
			e.watch(a, in|et)
			b.send(5)
			e.say("5 bytes")
			e.wait()
			b.send(5)
			e.say("; 10 bytes")
			e.wait()
			a.drain()
			b.send(5)
			e.say("; 5 bytes")
			e.wait()
			a.set(poller.SORcvLowat, 3)
			e.say("; lowat:=3")
			e.wait()
			a.set(poller.SORcvLowat, 3)
			e.say("; lowat:=3 again")
			e.wait()
		}, want: "5 bytes []; 10 bytes [A:IN]; 5 bytes []; lowat:=3 [A:IN]; lowat:=3 again [A:IN]"},

		{id: "ET-27", name: "data that came after the event and was read with the rest is no event", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|et)
			b.send(1)
			e.wait()
			b.send(1)
			e.say("; drained %d", a.drain())
			e.wait()
		}, want: "[A:IN]; drained 2 []"},

		{id: "ET-28", name: "one big write makes at least one edge", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|et)
			n, err := e.sys.Write(b.fd, make([]byte, 200000))
			e.must("Write", err)
			e.settle()
			e.say("wrote all=%t", n == 200000)
			e.wait()
		}, want: "wrote all=true [A:IN]"},

		{id: "ET-29", name: "shutdown(WR) is an edge, and so is the acknowledgement of its FIN", run: func(e *env) {
			// The peer acknowledges late when it takes the connection for an exchange
			// of requests and replies.
			a, b := e.pair("A")
			for range 3 {
				a.send(1)
				b.drain()
				b.send(1)
				a.drain()
			}
			e.watch(a, in|out|rdhup|et)
			e.discard()
			e.must("Shutdown", e.sys.Shutdown(a.fd, shutWR))
			e.wait()
			e.rest()
			e.say("; acknowledged")
			e.wait()
			e.wait()
		}, want: "[A:OUT]; acknowledged [A:OUT] []", or: []string{"[A:OUT]; acknowledged [] []"}},
	}
}

// smallPair is pair with buffers that fill up soon.
func (e *env) smallPair(name string) (s, peer *sock) {
	e.t.Helper()
	s, peer = e.pair(name)
	s.smallBuffers()
	peer.smallBuffers()
	return s, peer
}
