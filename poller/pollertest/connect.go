package pollertest

import (
	"net/netip"

	"edgewise.test/poller"
)

// connectCases are about sockets on their way to a connection (CN).
func connectCases() []testCase {
	return []testCase{
		{id: "CN-01", name: "the bits of a fresh socket, and of one that is only bound", run: func(e *env) {
			s := e.fresh("S")
			e.say("all %v; IN %v; 0 %v", s.ready(anyBit), s.ready(in), s.ready(0))
			e.must("Bind", e.sys.Bind(s.fd, e.loopback(0)))
			e.say("; bound")
			s.bits()
		}, want: "all OUT+HUP; IN HUP; 0 HUP; bound bits OUT+HUP"},

		{id: "CN-02", name: "calls on a fresh socket", run: func(e *env) {
			s := e.fresh("S")
			s.read(1)
			s.write(1)
			s.getpeername()
			s.shutdown("shutdown", shutWR)
			s.soError()
			e.say(";")
			s.readAs("read0", 0)
			s.writeAs("write0", 0)
			s.bits()
		}, want: "read=ENOTCONN write=EPIPE getpeername=ENOTCONN shutdown=ENOTCONN SO_ERROR=0; read0=0 write0=EPIPE bits OUT+HUP"},

		{id: "CN-03", name: "connect, and connect again after success", run: func(e *env) {
			s := e.fresh("S")
			to := e.listener.local()
			s.connect(to)
			s.soError()
			s.bits()
			e.say("; again")
			s.connect(to)
			s.connect(to)
		}, want: "connect=EINPROGRESS SO_ERROR=0 bits OUT; again connect=ok connect=EISCONN"},

		{id: "CN-05", name: "a refused connect, and its error is told once", run: func(e *env) {
			s := e.fresh("S")
			s.connect(e.freePort())
			s.bits()
			s.soError()
			s.soError()
			s.bits()
			e.say(";")
			s.read(1)
			s.write(1)
		}, want: "connect=EINPROGRESS bits IN+OUT+ERR+HUP+RDHUP SO_ERROR=ECONNREFUSED SO_ERROR=0 bits IN+OUT+HUP+RDHUP; read=0 write=EPIPE"},

		{id: "CN-06", name: "a refused connect, told by read, by write, by connect", run: func(e *env) {
			s := e.refused("S")
			s.read(1)
			s.read(1)
			s.write(1)
			s.bits()
			e.say(";")
			s = e.refused("S")
			s.write(1)
			s.write(1)
			s.read(1)
			s.bits()
			e.say(";")
			s = e.refused("S")
			to := e.freePort()
			s.connect(to)
			s.connect(to)
			s.connect(to)
		}, want: "read=ECONNREFUSED read=0 write=EPIPE bits IN+OUT+HUP+RDHUP; " +
			"write=ECONNREFUSED write=EPIPE read=0 bits IN+OUT+HUP+RDHUP; " +
			"connect=ECONNREFUSED connect=EINPROGRESS connect=ECONNREFUSED"},

		{id: "CN-07", name: "after SO_ERROR has told the refusal, the next connect is aborted", run: func(e *env) {
			s := e.refused("S")
			s.soError()
			s.connect(e.listener.local())
			s.bits()
		}, want: "SO_ERROR=ECONNREFUSED connect=ECONNABORTED bits OUT+HUP"},

		{id: "CN-08", name: "a socket whose SYN is not answered", run: func(e *env) {
			s := e.unanswered("S")
			s.bits()
			s.read(1)
			s.write(1)
			s.soError()
			s.getpeername()
			e.say("port assigned=%t", s.local().Port() != 0)
			s.connect(e.listener.local())
		}, want: "bits none read=EAGAIN write=EAGAIN SO_ERROR=0 getpeername=ENOTCONN port assigned=true connect=EALREADY"},

		{id: "CN-09", name: "shutdown of a socket whose SYN is not answered", run: func(e *env) {
			for _, how := range []poller.How{shutWR, shutRD, shutRDWR} {
				s := e.unanswered("S")
				e.watch(s, anyBit)
				e.say("; %v before", how)
				e.wait()
				s.shutdown("shutdown", how)
				e.wait()
				s.soError()
				s.read(1)
				e.forget(s)
			}
		}, want: "; write before [] shutdown=ok [S:OUT+ERR+HUP] SO_ERROR=ECONNRESET read=ENOTCONN; " +
			"read before [] shutdown=ok [S:OUT+ERR+HUP] SO_ERROR=ECONNRESET read=ENOTCONN; " +
			"both before [] shutdown=ok [S:OUT+ERR+HUP] SO_ERROR=ECONNRESET read=ENOTCONN"},

		{id: "CN-10", name: "edges of a socket that is registered around its connect", run: func(e *env) {
			s := e.dial("S", e.listener)
			e.watch(s, anyBit|et)
			e.say("established")
			e.wait()
			e.say("then")
			e.wait()
			x := e.fresh("X")
			e.watch(x, anyBit|et)
			e.say("; fresh")
			e.wait()
			x.start(e.freePort())
			e.say("; refused")
			e.wait()
			e.say("then")
			e.wait()
			e.say(";")
			x.soError()
			e.wait()
		}, want: "established [S:OUT] then []; fresh [X:OUT+HUP]; refused [X:IN+OUT+ERR+HUP+RDHUP] then []; SO_ERROR=ECONNREFUSED []"},

		{id: "CN-11", name: "a refused connect is reported for ever, whatever the mask", run: func(e *env) {
			s := e.refused("S")
			e.watch(s, 0)
			e.wait()
			e.wait()
			e.say(";")
			s.soError()
			e.wait()
		}, want: "[S:ERR+HUP] [S:ERR+HUP]; SO_ERROR=ECONNREFUSED [S:HUP]"},

		{id: "CN-12", name: "a socket that connects to itself", run: func(e *env) {
			s := e.fresh("S")
			e.must("Bind", e.sys.Bind(s.fd, e.loopback(0)))
			s.connect(s.local())
			s.bits()
			s.write(3)
			s.read(10)
		}, want: "connect=EINPROGRESS bits OUT write=3 read=3"},

		{id: "CN-13", name: "connect to 0.0.0.0 and to port 0", ipv4: true, run: func(e *env) {
			s := e.fresh("S")
			s.connect(netip.AddrPortFrom(netip.IPv4Unspecified(), e.listener.local().Port()))
			e.say("peer %v; port 0", s.peer().Addr())
			s = e.fresh("S")
			s.connect(e.loopback(0))
			s.soError()
		}, want: "connect=EINPROGRESS peer 127.0.0.1; port 0 connect=EINPROGRESS SO_ERROR=ECONNREFUSED"},

		{id: "CN-14", name: "bind to a foreign address, bind twice, connect from a bound address", ipv4: true, run: func(e *env) {
			s := e.fresh("S")
			e.result("8.8.8.8", e.sys.Bind(s.fd, netip.MustParseAddrPort("8.8.8.8:0")))
			addr := netip.MustParseAddrPort("127.0.0.9:0")
			e.must("Bind", e.sys.Bind(s.fd, addr))
			e.result("twice", e.sys.Bind(s.fd, addr))
			s.start(e.listener.local())
			e.say("; peer address %v", e.listener.take("A").peer().Addr())
		}, want: "8.8.8.8=EADDRNOTAVAIL twice=EINVAL; peer address 127.0.0.9"},

		{id: "CN-15", name: "close before the SYN is answered leaves nothing to accept", run: func(e *env) {
			l := e.backlog("L", 0)
			e.dial("C", l)
			e.dial("X", l).end()
			l.accept()
			l.accept()
		}, want: "accept=ok accept=EAGAIN"},

		{id: "CN-16", name: "nothing can be written before the SYN is answered", run: func(e *env) {
			s := e.unanswered("S")
			s.write(1)
			s.readAs("read0", 0)
			s.writeAs("write0", 0)
		}, want: "write=EAGAIN read0=0 write0=EAGAIN"},

		{id: "CN-18", name: "shutdown of a fresh socket fails, but shuts and wakes", run: func(e *env) {
			for _, how := range []poller.How{shutRD, shutWR, shutRDWR} {
				s := e.fresh("S")
				e.watch(s, anyBit|et)
				e.say("; %v", how)
				e.wait()
				s.shutdown("shutdown", how)
				e.wait()
				s.read(1)
			}
			s := e.fresh("S")
			s.shutdown("; shutdown", shutWR)
			s.connect(e.listener.local())
			s.bits()
			s.write(1)
		}, want: "; read [S:OUT+HUP] shutdown=ENOTCONN [S:IN+OUT+HUP+RDHUP] read=0; " +
			"write [S:OUT+HUP] shutdown=ENOTCONN [S:OUT+HUP] read=ENOTCONN; " +
			"both [S:OUT+HUP] shutdown=ENOTCONN [S:IN+OUT+HUP+RDHUP] read=0; " +
			"shutdown=ENOTCONN connect=EINPROGRESS bits OUT write=EPIPE"},
	}
}

// refused is a socket whose connect has failed, and nobody has taken the error.
func (e *env) refused(name string) *sock {
	e.t.Helper()
	s := e.fresh(name)
	s.start(e.freePort())
	return s
}

// unanswered is a socket in SYN_SENT.
func (e *env) unanswered(name string) *sock {
	e.t.Helper()
	l := e.backlog("full", 0)
	e.dial("", l)
	return e.dial(name, l)
}
