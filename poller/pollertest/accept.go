package pollertest

import (
	"net/netip"

	"edgewise.test/poller"
)

// acceptCases are about accept and what it hands out (LN).
func acceptCases() []testCase {
	return []testCase{
		{id: "LN-06", name: "accept on what is not a listener", run: func(e *env) {
			a, _ := e.pair("A")
			e.say("connected")
			a.accept()
			e.say("; fresh")
			e.fresh("S").accept()
			a.end()
			e.say("; closed")
			a.accept()
		}, want: "connected accept=EINVAL; fresh accept=EINVAL; closed accept=EBADF"},

		{id: "LN-12", name: "the peer reset before accept: it is accepted all the same, dead", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			e.watch(l, in)
			e.dial("C", l).reset()
			e.wait()
			a := l.accept()
			e.say(";")
			a.getpeername()
			a.bits()
			a.read(10)
			a.read(10)
			a.write(1)
			a.soError()
			a.bits()
		}, want: "[L:IN] accept=ok; getpeername=ENOTCONN bits IN+OUT+ERR+HUP+RDHUP read=ECONNRESET read=0 write=EPIPE " +
			"SO_ERROR=0 bits IN+OUT+HUP+RDHUP"},

		{id: "LN-13", name: "accept tells the address of a peer that reset", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			c := e.dial("C", l)
			addr := c.local()
			c.reset()
			fd, got, err := e.sys.Accept(l.fd)
			e.must("Accept", err)
			e.sock("A", fd)
			e.say("address right=%t", got == addr)
		}, want: "address right=true"},

		{id: "LN-14", name: "the peer sent 5 bytes and reset before accept", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			c := e.dial("C", l)
			c.send(5)
			c.reset()
			a := l.accept()
			a.bits()
			a.read(10)
			a.read(10)
			a.read(10)
		}, want: "accept=ok bits IN+OUT+ERR+HUP+RDHUP read=5 read=ECONNRESET read=0"},

		{id: "LN-15", name: "the peer sent 5 bytes and a FIN before accept", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			c := e.dial("C", l)
			c.send(5)
			c.shut(shutWR)
			a := l.accept()
			a.bits()
			a.read(10)
			a.read(10)
			a.write(1)
		}, want: "accept=ok bits IN+OUT+RDHUP read=5 read=0 write=1"},

		{id: "LN-16", name: "a client can write before it is accepted", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			c := e.dial("C", l)
			c.write(100)
			c.bits()
			b := l.take("B")
			e.watch(b, in|out)
			e.say(";")
			e.wait()
			b.read(200)
		}, want: "write=100 bits OUT; [B:IN+OUT] read=100"},

		{id: "LN-18", name: "addresses of a connection to a listener on 0.0.0.0", ipv4: true, run: func(e *env) {
			l := e.listenOn("L", netip.MustParseAddrPort("0.0.0.0:0"), poller.ListenConfig{})
			c := e.fresh("C")
			c.start(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.5"), l.local().Port()))
			a := l.take("A")
			e.say("listener %v accepted %v client %v", l.local().Addr(), a.local().Addr(), c.local().Addr())
		}, want: "listener 0.0.0.0 accepted 127.0.0.5 client 127.0.0.1"},

		{id: "LN-19", name: "at the limit of descriptors: EMFILE, also on an empty queue, and a level keeps firing", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			e.watch(l, in)
			e.dial("C", l)
			e.atLimit(func() {
				l.accept()
				e.wait()
				e.wait()
				l.accept()
			})
			e.say("; raised")
			l.accept()
			e.atLimit(func() {
				e.say("; empty queue")
				l.accept()
				_, err := e.sys.Dup(l.fd)
				e.result("dup", err)
				_, err = e.sys.Socket(poller.DomainOf(e.world.Loopback().Addr()))
				e.result("socket", err)
			})
			e.say("; raised")
			l.accept()
		}, want: "accept=EMFILE [L:IN] [L:IN] accept=EMFILE; raised accept=ok; " +
			"empty queue accept=EMFILE dup=EMFILE socket=EMFILE; raised accept=EAGAIN"},

		{id: "LN-20", name: "EMFILE on an edge-triggered listener: silence until the next connection", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			e.watch(l, in|et)
			e.dial("C", l)
			d := e.fresh("D")
			e.wait()
			e.atLimit(func() {
				l.accept()
				e.wait()
				d.start(l.local())
				e.say("; connect")
				e.wait()
			})
		}, want: "[L:IN] accept=EMFILE []; connect [L:IN]"},

		{id: "LN-26", name: "two epolls on one listener: the second accept finds nothing", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			e2 := e.newEpoll()
			e.watch(l, in)
			e2.watch(l, in)
			e.dial("C", l)
			e.wait()
			e2.wait()
			l.accept()
			l.accept()
		}, want: "[L:IN] [L:IN] accept=ok accept=EAGAIN"},

		{id: "LN-34", name: "accept of a client that has closed", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			e.watch(l, in)
			e.dial("C", l).end()
			e.wait()
			l.accept()
		}, want: "[L:IN] accept=ok"},

		{id: "LN-35", name: "a client is writable before anybody accepts", run: func(e *env) {
			c := e.dial("C", e.listener)
			c.bits()
			c.getpeername()
		}, want: "bits OUT getpeername=ok"},

		{id: "LN-37", name: "a connection between EAGAIN and the next Wait makes an edge", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			e.watch(l, in|et)
			e.dial("C", l)
			e.wait()
			l.accept()
			l.accept()
			e.dial("D", l)
			e.say(";")
			e.wait()
		}, want: "[L:IN] accept=ok accept=EAGAIN; [L:IN]"},

		{id: "LN-40", name: "at the limit EMFILE comes before every other answer but EBADF", run: func(e *env) {
			a, _ := e.pair("A")
			s := e.fresh("S")
			closed := e.fresh("X")
			closed.end()
			e.atLimit(func() {
				e.say("connected")
				a.accept()
				e.say("; fresh")
				s.accept()
				e.say("; closed")
				closed.accept()
			})
		}, want: "connected accept=EMFILE; fresh accept=EMFILE; closed accept=EBADF"},
	}
}
