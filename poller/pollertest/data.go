package pollertest

import "edgewise.test/poller"

// dataCases are about bytes: reads, peeks, writes, SO_RCVLOWAT (DT).
func dataCases() []testCase {
	return []testCase{
		{id: "DT-01", name: "a stream keeps no boundaries", run: func(e *env) {
			a, b := e.pair("A")
			for range 3 {
				b.send(10)
			}
			a.read(100)
			b.send(30)
			e.say("; in sevens")
			for range 6 {
				a.read(7)
			}
		}, want: "read=30; in sevens read=7 read=7 read=7 read=7 read=2 read=EAGAIN"},

		{id: "DT-02", name: "calls of length zero", run: func(e *env) {
			a, b := e.pair("A")
			a.readAs("idle read0", 0)
			a.writeAs("write0", 0)
			e.say("peer")
			b.bits()
			b.send(1)
			a.readAs("; data read0", 0)
			b.shut(shutWR)
			a.readAs("; FIN read0", 0)
			a, b = e.pair("A")
			b.reset()
			a.readAs("; RST read0", 0)
			a.bits()
			a.writeAs("write0", 0)
			a.writeAs("write0", 0)
			a, _ = e.pair("A")
			a.shut(shutWR)
			a.writeAs("; own shutdown write0", 0)
		}, want: "idle read0=0 write0=0 peer bits OUT; data read0=0; FIN read0=0; " +
			"RST read0=0 bits IN+OUT+ERR+HUP+RDHUP write0=ECONNRESET write0=EPIPE; own shutdown write0=EPIPE"},

		{id: "DT-03", name: "Peek repeats, follows what is appended, sees a FIN only when nothing is queued, takes the error", run: func(e *env) {
			a, b := e.pair("A")
			a.peek(10)
			b.send(3)
			e.say(";")
			a.peek(10)
			a.peek(2)
			b.send(4)
			e.say("; more")
			a.peek(10)
			a.read(5)
			a.peek(10)
			b.shut(shutWR)
			a.read(10)
			e.say("; FIN")
			a.peek(10)
			a.peek(10)
			a, b = e.pair("A")
			b.reset()
			e.say("; RST")
			a.peek(10)
			a.peek(10)
		}, want: "peek=EAGAIN; peek=3 peek=2; more peek=7 read=5 peek=2 read=2; FIN peek=0 peek=0; RST peek=ECONNRESET peek=0"},

		{id: "DT-06", name: "Writev with empty parts, no parts, 1024 and 1025 parts", run: func(e *env) {
			a, b := e.pair("A")
			a.writev(3, 0, 4)
			b.read(100)
			e.say(";")
			a.writev()
			a.writev(0, 0)
			ones := make([]int, 1025)
			for i := range ones {
				ones[i] = 1
			}
			e.say("; 1024")
			a.writev(ones[:1024]...)
			e.say("; 1025")
			a.writev(ones...)
			b.read(4096)
		}, want: "writev=7 read=7; writev=0 writev=0; 1024 writev=1024; 1025 writev=EINVAL read=1024"},

		{id: "DT-07", name: "buffer sizes are doubled, and have a minimum", run: func(e *env) {
			a, _ := e.pair("A")
			for _, size := range []int{10000, 1} {
				a.set(poller.SOSndBuf, size)
				a.set(poller.SORcvBuf, size)
				e.say("set %d -> %d/%d", size, a.get(poller.SOSndBuf), a.get(poller.SORcvBuf))
			}
		}, want: "set 10000 -> 20000/20000 set 1 -> 4608/2304"},

		{id: "DT-10", name: "a write that does not fit is short, and EAGAIN comes after it", run: func(e *env) {
			a, _ := e.smallPair("A")
			n, err := e.sys.Write(a.fd, make([]byte, 1<<20))
			e.must("Write", err)
			e.say("short=%t", 0 < n && n < 1<<20)
			a.fill()
			a.write(1)
			a.bits()
		}, want: "short=true write=EAGAIN bits none"},

		{id: "DT-13", name: "SO_RCVLOWAT moves IN but not what a read returns", run: func(e *env) {
			a, b := e.pair("A")
			a.set(poller.SORcvLowat, 100)
			b.send(50)
			e.say("50")
			a.bits()
			a.read(100)
			b.send(100)
			e.say("; 100")
			a.bits()
			a.read(10)
			a.bits()
			b.shut(shutWR)
			e.say("; 90+FIN")
			a.bits()
			a, b = e.pair("A")
			a.set(poller.SORcvLowat, 100)
			b.send(50)
			b.reset()
			e.say("; 50+RST")
			a.bits()
			a, _ = e.pair("A")
			a.set(poller.SORcvLowat, 0)
			e.say("; set 0 -> %d", a.get(poller.SORcvLowat))
		}, want: "50 bits OUT read=50; 100 bits IN+OUT read=10 bits OUT; 90+FIN bits IN+OUT+RDHUP; " +
			"50+RST bits IN+OUT+ERR+HUP+RDHUP; set 0 -> 1"},

		{id: "DT-19", name: "reads of pieces of one big write are full", run: func(e *env) {
			a, b := e.pair("A")
			b.send(100000)
			a.read(30000)
			a.read(30000)
			a.read(65536)
		}, want: "read=30000 read=30000 read=40000"},

		{id: "DT-24", name: "Peek without spinning: SO_RCVLOWAT one above what is there", run: func(e *env) {
			for _, then := range []string{"more", "FIN", "RST"} {
				a, b := e.pair("A")
				e.watch(a, in|rdhup)
				b.send(5)
				e.say("; %s", then)
				e.wait()
				a.peek(100)
				a.set(poller.SORcvLowat, 6)
				e.wait()
				switch then {
				case "more":
					b.send(1)
				case "FIN":
					b.shut(shutWR)
				case "RST":
					b.reset()
				}
				e.say("then")
				e.wait()
				a.peek(100)
				e.forget(a)
			}
		}, want: "; more [A:IN] peek=5 [] then [A:IN] peek=6; FIN [A:IN] peek=5 [] then [A:IN+RDHUP] peek=5; " +
			"RST [A:IN] peek=5 [] then [A:IN+ERR+HUP+RDHUP] peek=5"},

		{id: "DT-25", name: "5 bytes, then a RST: the bytes first, to Peek and Read alike", run: func(e *env) {
			a, b := e.pair("A")
			b.send(5)
			b.reset()
			a.peek(10)
			a.peek(10)
			a.read(10)
			a.peek(10)
			a.peek(10)
		}, want: "peek=5 peek=5 read=5 peek=ECONNRESET peek=0"},
	}
}
