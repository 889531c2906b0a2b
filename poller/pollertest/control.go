package pollertest

import (
	"edgewise.test/poller"
)

// controlCases are about registrations and descriptor numbers (EC).
func controlCases() []testCase {
	return []testCase{
		{id: "EC-02", name: "a second Add of a number is refused", run: func(e *env) {
			a, _ := e.pair("A")
			e.watch(a, in)
			e.add("ADD again", a, in)
		}, want: "ADD again=EEXIST"},

		{id: "EC-03", name: "a dup is a registration of its own, woken first because it is newer", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in)
			e.add("ADD dup", a.dup("dupA"), in)
			b.send(1)
			e.say("; after data")
			e.wait()
			e.say("; again")
			e.wait()
		}, want: "ADD dup=ok; after data [dupA:IN A:IN]; again [dupA:IN A:IN]"},

		{id: "EC-04", name: "Modify and Remove of an open number that is not registered", run: func(e *env) {
			a, _ := e.pair("A")
			e.modify("MOD", a, in)
			e.remove("DEL", a)
		}, want: "MOD=ENOENT DEL=ENOENT"},

		{id: "EC-05", name: "a closed number, -1, and a released poller", run: func(e *env) {
			released := e.newEpoll()
			e.must("Release", released.sys.Release())
			none := &sock{e: e, fd: -1}
			a, _ := e.pair("A")
			closed := a.dup("closed")
			closed.end()
			e.say("ADD")
			e.add("closed", closed, in)
			e.add("-1", none, in)
			released.add("released", a, in)
			e.say("; MOD")
			e.modify("closed", closed, in)
			e.modify("-1", none, in)
			released.modify("released", a, in)
			e.say("; DEL")
			e.remove("closed", closed)
			e.remove("-1", none)
			released.remove("released", a)
		}, want: "ADD closed=EBADF -1=EBADF released=EBADF; MOD closed=EBADF -1=EBADF released=EBADF; " +
			"DEL closed=EBADF -1=EBADF released=EBADF"},

		{id: "EC-11", name: "mask 0 still reports HUP and ERR", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, 0)
			b.send(1)
			e.say("data")
			e.wait()
			b.shut(shutWR)
			e.say("; FIN")
			e.wait()
			a.shut(shutWR)
			e.say("; both FIN")
			e.wait()
			e.forget(a)
			x, y := e.pair("X")
			e.watch(x, 0)
			y.reset()
			e.say("; RST")
			e.wait()
		}, want: "data []; FIN []; both FIN [A:HUP]; RST [X:ERR+HUP]"},

		{id: "EC-13", name: "Wait with no room, and on a released poller", run: func(e *env) {
			_, err := e.sys.Wait(nil, 0)
			e.result("max 0", err)
			released := e.newEpoll()
			e.must("Release", released.sys.Release())
			_, err = released.sys.Wait(make([]poller.Event, 1), 0)
			e.result("released", err)
		}, want: "max 0=EINVAL released=EBADF"},

		{id: "EC-14", name: "Modify replaces the token", run: func(e *env) {
			a, b := e.pair("first")
			e.watch(a, in)
			b.send(1)
			e.wait()
			a.name = "second"
			e.say(";")
			e.modify("MOD", a, in)
			e.wait()
		}, want: "[first:IN]; MOD=ok [second:IN]"},

		{id: "EC-15", name: "one socket in two epolls", run: func(e *env) {
			e2 := e.newEpoll()
			a, b := e.pair("A1")
			e.watch(a, in)
			a.name = "A2"
			e2.watch(a, in)
			b.send(1)
			e.say("e1")
			e.wait()
			e.say("e2")
			e2.wait()
			e.say(";")
			e.remove("DEL from e1", a)
			e.say("; e1")
			e.wait()
			e.say("e2")
			e2.wait()
		}, want: "e1 [A1:IN] e2 [A2:IN]; DEL from e1=ok; e1 [] e2 [A2:IN]"},

		{id: "EC-16", name: "what EXCLUSIVE goes together with", run: func(e *env) {
			a, _ := e.pair("A")
			for _, events := range []poller.Events{
				exclusive, exclusive | in, exclusive | in | out, exclusive | in | et,
				exclusive | in | poller.Err | poller.Hup,
				exclusive | in | oneShot, exclusive | in | rdhup, exclusive | in | poller.Pri,
			} {
				e.add(events.String(), a, events)
				e.sys.Remove(a.fd)
			}
			e.watch(a, exclusive|in)
			e.say("; MOD of exclusive")
			e.modify("to IN", a, in)
			e.modify("to EXCLUSIVE", a, exclusive|in)
			e.remove("DEL", a)
			e.watch(a, in)
			e.say("; MOD of plain")
			e.modify("to EXCLUSIVE", a, exclusive|in)
		}, want: "EXCLUSIVE=ok IN+EXCLUSIVE=ok IN+OUT+EXCLUSIVE=ok IN+EXCLUSIVE+ET=ok IN+ERR+HUP+EXCLUSIVE=ok " +
			"IN+EXCLUSIVE+ONESHOT=EINVAL IN+RDHUP+EXCLUSIVE=EINVAL IN+PRI+EXCLUSIVE=EINVAL; " +
			"MOD of exclusive to IN=EINVAL to EXCLUSIVE=EINVAL DEL=ok; MOD of plain to EXCLUSIVE=EINVAL"},

		{id: "EC-17", name: "EXCLUSIVE with nobody waiting makes every epoll ready", run: func(e *env) {
			for _, mask := range []poller.Events{in, in | exclusive} {
				listener := e.listen("L", poller.ListenConfig{})
				epolls := []*epoll{e.newEpoll(), e.newEpoll(), e.newEpoll()}
				for _, p := range epolls {
					p.watch(listener, mask)
				}
				e.dial("C", listener)
				e.say("; %s", mask)
				for _, p := range epolls {
					p.wait()
				}
			}
		}, want: "; IN [L:IN] [L:IN] [L:IN]; IN+EXCLUSIVE [L:IN] [L:IN] [L:IN]"},

		{id: "EC-20", name: "close removes the registration; the next file on the number has none", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in)
			b.send(1)
			a.end()
			e.say("wait after close")
			e.wait()
			e.say(";")
			e.modify("MOD closed", a, in)
			n := e.fresh("N")
			e.say("; same number=%t", n.fd == a.fd)
			e.modify("MOD", n, in)
			e.add("ADD", n, in)
		}, want: "wait after close []; MOD closed=EBADF; same number=true MOD=ENOENT ADD=ok"},

		{id: "EC-21", name: "close while a dup is open leaves a registration that the number no longer reaches", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in)
			d := a.dup("D")
			b.send(1)
			a.end()
			e.wait()
			e.say(";")
			e.remove("DEL old number", a)
			e.modify("MOD old number", a, in)
			e.remove("DEL dup number", d)
			n := e.fresh("N")
			e.say("; reused=%t", n.fd == a.fd)
			e.add("ADD", n, in)
			e.wait()
			e.say(";")
			e.remove("DEL", n)
			e.wait()
			d.end()
			e.say("; last dup closed")
			e.wait()
		}, want: "[A:IN]; DEL old number=EBADF MOD old number=EBADF DEL dup number=ENOENT; " +
			"reused=true ADD=ok [A:IN N:HUP]; DEL=ok [A:IN]; last dup closed []"},

		{id: "EC-22", name: "the same file back on the number reaches the old registration", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in)
			d := a.dup("D")
			b.send(1)
			a.end()
			again := d.dup("A")
			e.say("same number=%t", again.fd == a.fd)
			e.wait()
			e.say(";")
			e.add("ADD", again, in)
			e.modify("MOD", again, in)
			e.remove("DEL", again)
			e.say("; after DEL")
			e.wait()
		}, want: "same number=true [A:IN]; ADD=EEXIST MOD=ok DEL=ok; after DEL []"},

		{id: "EC-24", name: "every call that makes a descriptor takes the lowest free number", run: func(e *env) {
			listener := e.listen("L", poller.ListenConfig{})
			e.dial("C", listener)
			var d []*sock
			for range 6 {
				d = append(d, e.listener.dup("D"))
			}
			e.say("dups")
			for _, s := range d {
				e.say("%d", s.fd-d[0].fd)
			}
			d[4].end()
			d[1].end()
			d[2].end()
			e.say("; closed 4,1,2: socket=%d", e.fresh("S").fd-d[0].fd)
			e.say("accept=%d", listener.take("A").fd-d[0].fd)
			e.say("dup=%d", e.listener.dup("D").fd-d[0].fd)
			d[0].end()
			e.say("; closed 0: dup=%d", e.listener.dup("D").fd-d[0].fd)
		}, want: "dups 0 1 2 3 4 5; closed 4,1,2: socket=1 accept=2 dup=4; closed 0: dup=0"},

		{id: "EC-25", name: "close of a ready socket drops its event and no other", run: func(e *env) {
			a, b := e.pair("A")
			x, y := e.pair("X")
			e.watch(a, in)
			e.watch(x, in)
			b.send(1)
			y.send(1)
			a.end()
			e.wait()
		}, want: "[X:IN]"},

		{id: "EC-26", name: "an event of the batch whose number was closed and given out again", run: func(e *env) {
			listener := e.listen("L", poller.ListenConfig{})
			a, pa := e.pair("A")
			b, pb := e.pair("B")
			e.watch(a, in)
			e.watch(b, in)
			e.dial("C", listener)
			pa.send(1)
			pb.send(1)
			e.wait()
			b.end()
			n := listener.take("N")
			e.say("; same number=%t", n.fd == b.fd)
			n.read(10)
			e.say("; next")
			e.wait()
		}, want: "[A:IN B:IN]; same number=true read=EAGAIN; next [A:IN]"},

		{id: "EC-27", name: "Remove of a ready socket, then Add again", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in|et)
			b.send(1)
			e.remove("DEL", a)
			e.wait()
			e.watch(a, in|et)
			e.say("; re-ADD")
			e.wait()
			e.say("then")
			e.wait()
		}, want: "DEL=ok []; re-ADD [A:IN] then []"},

		{id: "EC-34", name: "Modify narrows and widens what is pending", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, in)
			b.send(1)
			e.rearm(a, out)
			e.say("MOD to OUT")
			e.wait()
			e.rearm(a, 0)
			e.say("; MOD to 0")
			e.wait()
			e.rearm(a, in|out)
			e.say("; MOD to IN+OUT")
			e.wait()
		}, want: "MOD to OUT [A:OUT]; MOD to 0 []; MOD to IN+OUT [A:IN+OUT]"},
	}
}
