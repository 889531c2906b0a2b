package pollertest

// resetCases are about a peer that is gone: by RST, or by a close that becomes
// one (CL).
func resetCases() []testCase {
	return []testCase{
		{id: "CL-08", name: "the peer closes with unread bytes: a RST", run: func(e *env) {
			a := e.closedUnread("A")
			a.bits()
			a.read(1)
			a.read(1)
			a.write(1)
			a.bits()
		}, want: "bits IN+OUT+ERR+HUP+RDHUP read=ECONNRESET read=0 write=EPIPE bits IN+OUT+HUP+RDHUP"},

		{id: "CL-09", name: "the same, told by write", run: func(e *env) {
			a := e.closedUnread("A")
			a.write(1)
			a.write(1)
			a.read(1)
		}, want: "write=ECONNRESET write=EPIPE read=0"},

		{id: "CL-10", name: "a RST is told once, to whichever call comes first", run: func(e *env) {
			a := e.resetPair("A", 0)
			a.read(1)
			a.read(1)
			a.write(1)
			e.say(";")
			a = e.resetPair("A", 0)
			a.write(1)
			a.write(1)
			a.read(1)
			e.say(";")
			a = e.resetPair("A", 0)
			a.soError()
			a.soError()
			a.read(1)
			a.write(1)
			a.bits()
		}, want: "read=ECONNRESET read=0 write=EPIPE; write=ECONNRESET write=EPIPE read=0; " +
			"SO_ERROR=ECONNRESET SO_ERROR=0 read=0 write=EPIPE bits IN+OUT+HUP+RDHUP"},

		{id: "CL-11", name: "bytes that were there before the RST are read first", run: func(e *env) {
			a := e.resetPair("A", 5)
			a.bits()
			a.read(3)
			a.read(3)
			a.read(3)
			a.read(3)
		}, want: "bits IN+OUT+ERR+HUP+RDHUP read=3 read=2 read=ECONNRESET read=0"},

		{id: "CL-12", name: "also when the error was taken before", run: func(e *env) {
			a := e.resetPair("A", 5)
			a.soError()
			a.read(10)
			a.read(10)
			e.say(";")
			a = e.resetPair("A", 5)
			a.write(1)
			a.read(10)
			a.read(10)
		}, want: "SO_ERROR=ECONNRESET read=5 read=0; write=ECONNRESET read=5 read=0"},

		{id: "CL-13", name: "write to a peer that has closed succeeds, and brings a RST; then read", run: func(e *env) {
			a, b := e.pair("A")
			b.end()
			a.bits()
			a.write(5)
			e.say(";")
			a.bits()
			a.read(1)
			a.read(1)
			a.write(1)
			a.soError()
		}, want: "bits IN+OUT+RDHUP write=5; bits IN+OUT+ERR+HUP+RDHUP read=0 read=0 write=EPIPE SO_ERROR=0"},

		{id: "CL-14", name: "the same, then write; then SO_ERROR", run: func(e *env) {
			a := e.wroteToClosed("A", 0)
			a.write(1)
			a.write(1)
			a.read(1)
			a.bits()
			e.say(";")
			a = e.wroteToClosed("A", 0)
			a.soError()
			a.read(1)
			a.write(1)
			a.bits()
		}, want: "write=EPIPE write=EPIPE read=0 bits IN+OUT+HUP+RDHUP; SO_ERROR=EPIPE read=0 write=EPIPE bits IN+OUT+HUP+RDHUP"},

		{id: "CL-15", name: "the same with unread bytes here", run: func(e *env) {
			a := e.wroteToClosed("A", 7)
			a.bits()
			a.read(10)
			a.read(10)
		}, want: "bits IN+OUT+ERR+HUP+RDHUP read=7 read=0"},

		{id: "CL-16", name: "two writes in a row after the peer closed", run: func(e *env) {
			a, b := e.pair("A")
			b.end()
			e.say("write=%s", countOf(e.sys.Write(a.fd, make([]byte, 5))))
			a.writeAs("at once", 5)
		}, want: "write=5 at once=EPIPE", or: []string{"write=5 at once=5"}}, // the RST may be under way still

		{id: "CL-18", name: "a RST after our own shutdown(WR)", run: func(e *env) {
			a, b := e.pair("A")
			a.shut(shutWR)
			b.reset()
			a.bits()
			a.read(1)
			a.read(1)
			a.write(1)
		}, want: "bits IN+OUT+ERR+HUP+RDHUP read=ECONNRESET read=0 write=EPIPE"},

		{id: "CL-19", name: "a RST after a FIN that was read: EPIPE, and read gives 0", run: func(e *env) {
			a, b := e.pair("A")
			b.shut(shutWR)
			a.read(1)
			b.reset()
			a.bits()
			a.read(1)
			a.soError()
			a.write(1)
		}, want: "read=0 bits IN+OUT+ERR+HUP+RDHUP read=0 SO_ERROR=EPIPE write=EPIPE"},

		{id: "CL-20", name: "failing writes, none of which raises SIGPIPE", run: func(e *env) {
			a, _ := e.pair("A")
			a.shut(shutWR)
			a.write(1)
			a.writev(1, 1)
			a.writeAs("write0", 0)
			a = e.resetPair("A", 0)
			e.say("; RST")
			a.writev(1)
			a.writev(1)
			e.say("; fresh")
			e.fresh("S").writev(1)
		}, want: "write=EPIPE writev=EPIPE write0=EPIPE; RST writev=ECONNRESET writev=EPIPE; fresh writev=EPIPE"},

		{id: "CL-26", name: "the peer writes, then closes with our bytes unread: its bytes survive the RST", run: func(e *env) {
			a, b := e.pair("A")
			a.send(3)
			b.send(5)
			b.end()
			a.bits()
			a.read(10)
			a.read(10)
			a.read(10)
		}, want: "bits IN+OUT+ERR+HUP+RDHUP read=5 read=ECONNRESET read=0"},

		{id: "CL-27", name: "bytes that the peer had not sent when it reset are lost", run: func(e *env) {
			a, b := e.smallPair("A")
			written := b.fill()
			b.reset()
			read, last := a.readToTheEnd()
			e.say("less than written=%t then read=%s", 0 < read && read < written, last)
		}, want: "less than written=true then read=ECONNRESET"},

		{id: "CL-28", name: "we close with unread bytes: what we wrote arrives before the peer's error", run: func(e *env) {
			a, b := e.pair("A")
			b.send(3)
			a.send(6)
			a.end()
			b.read(10)
			b.read(10)
		}, want: "read=6 read=ECONNRESET"},

		{id: "CL-31", name: "ERR goes away with the error", run: func(e *env) {
			a := e.resetPair("A", 0)
			a.bits()
			a.soError()
			a.bits()
		}, want: "bits IN+OUT+ERR+HUP+RDHUP SO_ERROR=ECONNRESET bits IN+OUT+HUP+RDHUP"},

		{id: "CL-34", name: "close of a reset socket, and a second close", run: func(e *env) {
			a := e.resetPair("A", 0)
			a.close()
			a.close()
		}, want: "close=ok close=EBADF"},
	}
}

// closedUnread is a connection whose peer closed with a byte of ours unread.
func (e *env) closedUnread(name string) *sock {
	e.t.Helper()
	a, b := e.pair(name)
	a.send(1)
	b.end()
	return a
}

// resetPair is a connection whose peer sent n bytes and reset.
func (e *env) resetPair(name string, n int) *sock {
	e.t.Helper()
	a, b := e.pair(name)
	if n > 0 {
		b.send(n)
	}
	b.reset()
	return a
}

// wroteToClosed is a connection whose peer sent n bytes, closed, and was then
// written to.
func (e *env) wroteToClosed(name string, n int) *sock {
	e.t.Helper()
	a, b := e.pair(name)
	if n > 0 {
		b.send(n)
	}
	b.end()
	a.send(5)
	return a
}
