package pollertest

import (
	"time"

	"edgewise.test/poller"
)

// foundCases is what random sequences, and mutants that no other case noticed,
// have shown to need a row. They have no number in the table of measurements.
func foundCases() []testCase {
	return []testCase{
		{id: "RS-01", name: "a refused connect gives its port back", run: func(e *env) {
			s := e.refused("S")
			e.result("bind", e.sys.Bind(s.fd, e.loopback(0)))
		}, want: "bind=ok"},

		{id: "RS-02", name: "shutdown of a failed attempt ends the use of the socket", run: func(e *env) {
			s := e.refused("S")
			s.shutdown("shutdown", shutRDWR)
			s.connect(e.listener.local())
			s.soError()
			s.connect(e.listener.local())
		}, want: "shutdown=ENOTCONN connect=EINVAL SO_ERROR=ECONNREFUSED connect=EINVAL"},

		{id: "RS-03", name: "connect that tells of a failure is an edge", run: func(e *env) {
			s := e.refused("S")
			e.watch(s, rdhup|et)
			e.wait()
			s.connect(e.listener.local())
			e.wait()
		}, want: "[S:ERR+HUP+RDHUP] connect=ECONNREFUSED [S:HUP]"},

		{id: "RS-04", name: "connect forgets the error of an attempt that shutdown ended", run: func(e *env) {
			s := e.unanswered("S")
			s.shutdown("shutdown", shutRD)
			s.bits()
			s.connect(e.listener.local())
			s.bits()
		}, want: "shutdown=ok bits OUT+ERR+HUP connect=EINPROGRESS bits OUT"},

		{id: "RS-05", name: "what is shut before connect or listen stays shut, and is inherited", run: func(e *env) {
			s := e.fresh("S")
			s.shutdown("shutdown", shutRD)
			s.connect(e.listener.local())
			s.bits()
			for _, how := range []poller.How{shutRD, shutWR} {
				l := e.fresh("L")
				l.shutdown("; shutdown", how)
				e.must("Bind", e.sys.Bind(l.fd, e.loopback(0)))
				e.must("Listen", e.sys.Listen(l.fd, 1))
				c := e.dial("C", l)
				a := l.accept()
				c.bits()
				a.bits()
			}
		}, want: "shutdown=ENOTCONN connect=EINPROGRESS bits IN+OUT+RDHUP; " +
			"shutdown=ENOTCONN accept=ok bits OUT bits IN+OUT+RDHUP; shutdown=ENOTCONN accept=ok bits IN+OUT+RDHUP bits OUT"},

		{id: "RS-06", name: "data queues who asked for PRI; what is told is another matter", run: func(e *env) {
			a, peerA := e.pair("A")
			b, peerB := e.pair("B")
			e.watch(a, poller.Pri)
			e.watch(b, poller.Pri)
			peerB.send(1)
			peerA.reset()
			peerB.reset()
			e.wait()
		}, want: "[B:ERR+HUP A:ERR+HUP]"},

		{id: "RS-07", name: "setting SO_RCVLOWAT after a FIN is an edge with nothing queued", run: func(e *env) {
			a, peer := e.pair("A")
			peer.shut(shutWR)
			e.watch(a, in|et)
			e.wait()
			a.set(poller.SORcvLowat, 1)
			e.wait()
		}, want: "[A:IN] [A:IN]"},

		{id: "RS-08", name: "data below SO_RCVLOWAT is no edge for OUT either", run: func(e *env) {
			a, peer := e.pair("A")
			a.set(poller.SORcvLowat, 4)
			e.watch(a, in|out|et)
			e.wait()
			peer.send(3)
			e.wait()
			peer.send(1)
			e.wait()
		}, want: "[A:OUT] [] [A:IN+OUT]"},

		{id: "RS-09", name: "an exclusive registration is woken after the others", run: func(e *env) {
			a, peer := e.pair("A")
			d := a.dup("D")
			e.watch(a, in|et)
			e.watch(d, in|et|exclusive)
			peer.send(1)
			e.wait()
		}, want: "[A:IN D:IN]"},

		{id: "RS-10", name: "a little room in a full buffer is not OUT", run: func(e *env) {
			a, peer := e.smallPair("A")
			a.fill()
			a.bits()
			peer.read(4096)
			e.rest()
			a.bits()
		}, want: "bits none read=4096 bits none"},

		{id: "RS-11", name: "getsockname of a failed attempt", run: func(e *env) {
			s := e.refused("S")
			e.say("%v", s.local().Addr() == e.world.Loopback().Addr())
			s.connect(e.listener.local())
			e.say("%v", s.local().Addr().IsUnspecified())
		}, want: "true connect=ECONNREFUSED true"},

		{id: "RS-12", name: "without TCP_QUICKACK the listener hears of a connection with its first bytes", run: func(e *env) {
			l, s := e.halfOpen("S")
			s.bits()
			l.accept()
			s.write(1)
			e.settle()
			l.acceptAs("A").bits()
		}, want: "bits OUT accept=EAGAIN write=1 accept=ok bits IN+OUT"},

		{id: "RS-13", name: "without TCP_QUICKACK and bytes it hears after 200 ms", run: func(e *env) {
			l, _ := e.halfOpen("S")
			e.rest()
			l.accept()
			e.world.Sleep(300 * time.Millisecond)
			e.settle()
			l.acceptAs("A").bits()
		}, want: "accept=EAGAIN accept=ok bits OUT"},

		{id: "RS-14", name: "without TCP_QUICKACK it hears with the FIN", run: func(e *env) {
			l, s := e.halfOpen("S")
			s.shut(shutWR)
			l.acceptAs("A").bits()
		}, want: "accept=ok bits IN+OUT+RDHUP"},

		{id: "RS-15", name: "TCP_QUICKACK acknowledges what it has held back", run: func(e *env) {
			l, s := e.halfOpen("S")
			s.set(poller.TCPQuickAck, 1)
			e.settle()
			l.acceptAs("A").bits()
		}, want: "accept=ok bits OUT"},

		{id: "RS-16", name: "without TCP_QUICKACK a reset leaves nothing to accept", run: func(e *env) {
			l, s := e.halfOpen("S")
			s.reset()
			e.world.Sleep(300 * time.Millisecond)
			e.settle()
			l.accept()
		}, want: "accept=EAGAIN"},

		{id: "RS-17", name: "a listener that ends before TCP_QUICKACK lets it know resets the first bytes", run: func(e *env) {
			l, s := e.halfOpen("S")
			l.close()
			s.bits()
			s.write(1)
			e.settle()
			s.bits()
			s.soError()
		}, want: "close=ok bits OUT write=1 bits IN+OUT+ERR+HUP+RDHUP SO_ERROR=ECONNRESET"},
	}
}

// halfOpen is a socket that is connected, and whose listener does not know.
func (e *env) halfOpen(name string) (listener, s *sock) {
	listener, s = e.listen("L", poller.ListenConfig{}), e.fresh(name)
	s.set(poller.TCPQuickAck, 0)
	s.start(listener.local())
	return listener, s
}
