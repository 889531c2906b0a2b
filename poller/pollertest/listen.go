package pollertest

import (
	"fmt"
	"net/netip"
	"time"

	"edgewise.test/poller"
)

// listenCases are about the queue of a listener and its life (LN).
func listenCases() []testCase {
	cases := []testCase{
		{id: "LN-01", name: "a listener shows IN or nothing", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			e.say("empty")
			l.bits()
			e.dial("C", l)
			e.say("; queued")
			l.bits()
		}, want: "empty bits none; queued bits IN"},

		{id: "LN-02", name: "a level-triggered listener is ready until the last accept", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			e.watch(l, in)
			e.dial("C", l)
			e.dial("D", l)
			e.wait()
			l.accept()
			e.wait()
			l.accept()
			e.wait()
			l.accept()
		}, want: "[L:IN] accept=ok [L:IN] accept=ok [] accept=EAGAIN"},

		{id: "LN-03", name: "connections are accepted in the order in which they were made", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			var clients []*sock
			for range 20 {
				clients = append(clients, e.dial("C", l))
			}
			fifo := true
			for _, c := range clients {
				fifo = l.take("A").peer() == c.local() && fifo
			}
			e.say("fifo=%t", fifo)
		}, want: "fifo=true"},

		{id: "LN-05", name: "options that an accepted socket has from its listener", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{ReusePort: true})
			for _, o := range []struct {
				opt   poller.SockOpt
				value int
			}{
				{poller.SOKeepAlive, 1}, {poller.TCPNoDelay, 1}, {poller.SORcvLowat, 7}, {poller.SOSndBuf, 40000},
				{poller.SORcvBuf, 40000}, {poller.SOLinger, 7},
			} {
				l.set(o.opt, o.value)
			}
			e.dial("C", l)
			a := l.take("A")
			for _, opt := range []poller.SockOpt{
				poller.SOKeepAlive, poller.TCPNoDelay, poller.SOReuseAddr, poller.SOReusePort, poller.SORcvLowat,
				poller.SOSndBuf, poller.SORcvBuf, poller.SOLinger,
			} {
				e.say("%v %d", opt, a.get(opt))
			}
			a.set(poller.SOLinger, -1) // or release would wait for the peer
		}, want: "SO_KEEPALIVE 1 TCP_NODELAY 1 SO_REUSEADDR 1 SO_REUSEPORT 1 SO_RCVLOWAT 7 SO_SNDBUF 80000 SO_RCVBUF 80000 SO_LINGER 7"},

		{id: "LN-07", name: "listen on sockets that are not bound, connected, listening already, closed", run: func(e *env) {
			s := e.fresh("S")
			e.result("unbound", e.sys.Listen(s.fd, 1))
			addr := s.local()
			e.say("port assigned=%t unspecified=%t", addr.Port() != 0, addr.Addr().IsUnspecified())
			a, _ := e.pair("A")
			e.result("; connected", e.sys.Listen(a.fd, 1))
			l := e.backlog("L", 0)
			e.dial("C", l)
			e.result("; again", e.sys.Listen(l.fd, 1))
			e.say("one more fits:")
			e.dial("D", l).bits()
			l.end()
			e.result("; closed", e.sys.Listen(l.fd, 1))
		}, want: "unbound=ok port assigned=true unspecified=true; connected=EINVAL; again=ok one more fits: bits OUT; closed=EBADF"},

		{id: "LN-09", name: "a connect that is stuck on a full queue completes a second after its SYN", slow: true, run: func(e *env) {
			l := e.backlog("L", 0)
			e.dial("C", l)
			x := e.dial("X", l)
			e.watch(x, out)
			e.wait()
			l.take("A")
			e.say("; slot freed")
			e.wait()
			e.world.Sleep(1300 * time.Millisecond)
			e.say("; a second later")
			e.wait()
			e.say(";")
			l.accept()
		}, want: "[]; slot freed []; a second later [X:OUT]; accept=ok"},

		{id: "LN-17", name: "a connection that was reset keeps its place in the queue", run: func(e *env) {
			l := e.backlog("L", 0)
			e.dial("C", l).reset()
			e.say("second connect")
			e.dial("D", l).bits()
		}, want: "second connect bits none"},

		{id: "LN-21", name: "close of a listener resets what is queued", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			addr := l.local()
			c := e.dial("C", l)
			d := e.dial("D", l)
			d.send(5)
			l.end()
			c.bits()
			c.read(10)
			c.read(10)
			e.say("; client that wrote")
			d.bits()
			d.write(1)
			d.write(1)
			x := e.fresh("X")
			x.start(addr)
			e.say("; new connect")
			x.soError()
		}, want: "bits IN+OUT+ERR+HUP+RDHUP read=ECONNRESET read=0; " +
			"client that wrote bits IN+OUT+ERR+HUP+RDHUP write=ECONNRESET write=EPIPE; new connect SO_ERROR=ECONNREFUSED"},

		{id: "LN-22", name: "a connection that was accepted outlives its listener", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			c := e.dial("C", l)
			a := l.take("A")
			l.end()
			c.send(3)
			a.read(10)
		}, want: "read=3"},

		{id: "LN-23", name: "shutdown of a listener: WR does nothing, RD ends the listening", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			addr := l.local()
			e.watch(l, in|out)
			c := e.dial("C", l)
			l.shutdown("WR", shutWR)
			e.wait()
			e.say(";")
			l.shutdown("RD", shutRD)
			e.wait()
			l.accept()
			e.say("; queued client")
			c.bits()
			c.read(10)
			x := e.fresh("X")
			x.start(addr)
			e.say("; new connect")
			x.soError()
			e.result("; listen again", e.sys.Listen(l.fd, 8))
			e.say("same port=%t", l.local() == addr)
			explicit := e.listenOn("E", e.freePort(), poller.ListenConfig{})
			addr = explicit.local()
			explicit.shut(shutRD)
			e.result("; explicit port: listen again", e.sys.Listen(explicit.fd, 8))
			e.say("same port=%t", explicit.local() == addr)
			explicit.bits()
			e.say(";")
			explicit.shutdown("RDWR", shutRDWR)
			explicit.accept()
		}, want: "WR=ok [L:IN]; RD=ok [L:OUT+HUP] accept=EINVAL; " +
			"queued client bits IN+OUT+ERR+HUP+RDHUP read=ECONNRESET; new connect SO_ERROR=ECONNREFUSED; " +
			"listen again=ok same port=false; explicit port: listen again=ok same port=true bits none; " +
			"RDWR=ok accept=EINVAL"},

		{id: "LN-25", name: "a socket that is watched before it listens", run: func(e *env) {
			s := e.fresh("S")
			e.must("Bind", e.sys.Bind(s.fd, e.loopback(0)))
			e.watch(s, in|out)
			e.say("bound")
			e.wait()
			e.must("Listen", e.sys.Listen(s.fd, 8))
			e.settle()
			e.say("; listen")
			e.wait()
			e.dial("C", s)
			e.say("; connect")
			e.wait()
		}, want: "bound [S:OUT+HUP]; listen []; connect [S:IN]"},

		{id: "LN-30", name: "SO_REUSEPORT: each of two listeners gets some, in order", run: func(e *env) {
			l1, l2 := e.reusePortPair()
			order := map[netip.AddrPort]int{}
			for i := range 64 {
				order[e.dial("C", l1).local()] = i
			}
			n1, fifo1 := l1.takeAll(order)
			n2, fifo2 := l2.takeAll(order)
			e.say("sum=%d both>0=%t fifo=%t", n1+n2, n1 > 0 && n2 > 0, fifo1 && fifo2)
		}, want: "sum=64 both>0=true fifo=true"},

		{id: "LN-31", name: "SO_REUSEPORT: close of one resets its queue, the other goes on alone", run: func(e *env) {
			l1, l2 := e.reusePortPair()
			var clients []*sock
			for range 40 {
				clients = append(clients, e.dial("C", l1))
			}
			l2.end()
			reset := 0
			for _, c := range clients {
				if c.ready(anyBit)&poller.Err != 0 {
					reset++
				}
			}
			n, _ := l1.takeAll(nil)
			e.say("some reset=%t the rest kept=%t", reset > 0, n == 40-reset)
			for range 10 {
				e.dial("C", l1)
			}
			n, _ = l1.takeAll(nil)
			e.say("; later=%d", n)
		}, want: "some reset=true the rest kept=true; later=10"},

		{id: "LN-32", name: "what may be bound to an address that is in use", run: func(e *env) {
			e.say("plain vs listening:")
			e.bindTwice(true)
			e.say("; REUSEADDR both, first listening:")
			e.bindTwice(true, poller.SOReuseAddr, poller.SOReuseAddr)
			e.say("; REUSEADDR both, first only bound:")
			e.bindTwice(false, poller.SOReuseAddr, poller.SOReuseAddr)
			e.say("; REUSEPORT both:")
			e.bindTwice(true, poller.SOReusePort, poller.SOReusePort)
			e.say("; REUSEPORT second only:")
			e.bindTwice(true, 0, poller.SOReusePort)
			for reuse := range 2 {
				l := e.listen("L", poller.ListenConfig{})
				addr := l.local()
				c := e.dial("C", l)
				l.take("A").end() // closes first: TIME_WAIT is here
				c.end()
				l.end()
				s := e.fresh("S")
				s.set(poller.SOReuseAddr, reuse)
				e.result(fmt.Sprintf("; TIME_WAIT, REUSEADDR=%d: bind", reuse), e.sys.Bind(s.fd, addr))
			}
		}, want: "plain vs listening: bind=EADDRINUSE; REUSEADDR both, first listening: bind=EADDRINUSE; " +
			"REUSEADDR both, first only bound: bind=ok listen=ok; REUSEPORT both: bind=ok listen=ok; " +
			"REUSEPORT second only: bind=EADDRINUSE; " +
			"TIME_WAIT, REUSEADDR=0: bind=EADDRINUSE; TIME_WAIT, REUSEADDR=1: bind=ok"},

		{id: "LN-33", name: "a listener is no stream", run: func(e *env) {
			l := e.listen("L", poller.ListenConfig{})
			l.soError()
			l.read(1)
			l.write(1)
			l.connect(e.listener.local())
		}, want: "SO_ERROR=0 read=ENOTCONN write=EPIPE connect=EISCONN"},

		{id: "LN-39", name: "of two stuck connects the one whose SYN is sent again first gets in first", slow: true, run: func(e *env) {
			l := e.backlog("L", 0)
			e.dial("C", l)
			a := e.dial("A", l)
			e.world.Sleep(500 * time.Millisecond)
			b := e.dial("B", l)
			e.watch(a, out)
			e.watch(b, out)
			e.world.Sleep(700 * time.Millisecond)
			e.say("at 1.2s")
			e.wait()
			l.take("C")
			e.world.Sleep(500 * time.Millisecond)
			e.say("; at 1.7s")
			e.wait()
		}, want: "at 1.2s []; at 1.7s [B:OUT]"},
	}
	for _, backlog := range []int{0, 1, 2, 3, 8} {
		cases = append(cases, testCase{
			id:   fmt.Sprintf("LN-08.%d", backlog),
			name: fmt.Sprintf("backlog %d holds %d connections, further ones are not answered", backlog, backlog+1),
			run: func(e *env) {
				l := e.backlog("L", backlog)
				established := 0
				var last *sock
				for range backlog + 3 {
					last = e.dial("C", l)
					if last.ready(anyBit) == out {
						established++
					}
				}
				e.say("established %d; the rest", established)
				last.bits()
				last.soError()
				last.write(1)
				last.read(1)
			},
			want: fmt.Sprintf("established %d; the rest bits none SO_ERROR=0 write=EAGAIN read=EAGAIN", backlog+1),
		})
	}
	return cases
}

// freePort is an address whose port was free a moment ago.
func (e *env) freePort() netip.AddrPort {
	e.t.Helper()
	s := e.listen("", poller.ListenConfig{})
	addr := s.local()
	s.end()
	return addr
}

func (e *env) reusePortPair() (l1, l2 *sock) {
	e.t.Helper()
	l1 = e.listen("L1", poller.ListenConfig{ReusePort: true})
	return l1, e.listenOn("L2", l1.local(), poller.ListenConfig{ReusePort: true})
}

// takeAll accepts until nothing is queued: how many, and whether order rose.
func (s *sock) takeAll(order map[netip.AddrPort]int) (n int, rising bool) {
	s.e.t.Helper()
	last := -1
	rising = true
	for {
		accepted, err := s.tryTake("")
		if err != nil {
			return n, rising
		}
		n++
		if order != nil {
			at := order[accepted.peer()]
			rising = rising && at > last
			last = at
		}
	}
}

// bindTwice binds two sockets to one address, with an option each, and adds what
// came of the second.
func (e *env) bindTwice(firstListens bool, opts ...poller.SockOpt) {
	e.t.Helper()
	var socks [2]*sock
	for i := range socks {
		socks[i] = e.fresh("S")
		if i < len(opts) && opts[i] != 0 {
			socks[i].set(opts[i], 1)
		}
	}
	e.must("Bind", e.sys.Bind(socks[0].fd, e.loopback(0)))
	if firstListens {
		e.must("Listen", e.sys.Listen(socks[0].fd, 8))
	}
	err := e.sys.Bind(socks[1].fd, socks[0].local())
	e.result("bind", err)
	if err == nil {
		e.result("listen", e.sys.Listen(socks[1].fd, 8))
	}
}
