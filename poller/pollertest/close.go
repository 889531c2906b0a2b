package pollertest

import (
	"time"

	"edgewise.test/poller"
)

// closeCases are about orderly ends, of one direction or of both (CL).
func closeCases() []testCase {
	return []testCase{
		{id: "CL-01", name: "the peer's shutdown(WR): read 0 for ever, writes go through", run: func(e *env) {
			a, b := e.pair("A")
			b.shut(shutWR)
			a.bits()
			e.say("(IN only: %v)", a.ready(in))
			a.read(1)
			a.read(1)
			a.write(5)
			e.say("; peer")
			b.read(10)
			e.say("; after")
			a.bits()
		}, want: "bits IN+OUT+RDHUP (IN only: IN) read=0 read=0 write=5; peer read=5; after bits IN+OUT+RDHUP"},

		{id: "CL-02", name: "RDHUP shows although data is unread", run: func(e *env) {
			a, b := e.pair("A")
			b.send(5)
			b.shut(shutWR)
			a.bits()
			a.read(10)
			a.bits()
			a.read(10)
		}, want: "bits IN+OUT+RDHUP read=5 bits IN+OUT+RDHUP read=0"},

		{id: "CL-03", name: "own shutdown(WR)", run: func(e *env) {
			a, b := e.pair("A")
			a.shutdown("shutdown", shutWR)
			a.bits()
			a.write(1)
			e.say("; peer")
			b.bits()
			b.read(1)
			a.shutdown("; again", shutWR)
			b.send(4)
			a.read(10)
		}, want: "shutdown=ok bits OUT write=EPIPE; peer bits IN+OUT+RDHUP read=0; again=ok read=4"},

		{id: "CL-04", name: "both directions shut: HUP", run: func(e *env) {
			a, b := e.pair("A")
			a.shut(shutWR)
			b.shut(shutWR)
			a.bits()
			e.say("peer")
			b.bits()
			a.read(1)
			a.write(1)
		}, want: "bits IN+OUT+HUP+RDHUP peer bits IN+OUT+HUP+RDHUP read=0 write=EPIPE"},

		{id: "CL-05", name: "own shutdown(RD) ends neither the peer's writing nor our reading of it", run: func(e *env) {
			a, b := e.pair("A")
			a.shutdown("shutdown", shutRD)
			a.bits()
			a.read(1)
			e.say("; peer")
			b.bits()
			b.write(5)
			e.say(";")
			a.bits()
			a.read(10)
			a.read(10)
			e.say("; peer")
			b.bits()
		}, want: "shutdown=ok bits IN+OUT+RDHUP read=0; peer bits OUT write=5; bits IN+OUT+RDHUP read=5 read=0; peer bits OUT"},

		{id: "CL-06", name: "own shutdown(RDWR), then the peer writes: both ends are reset", run: func(e *env) {
			a, b := e.pair("A")
			a.shutdown("shutdown", shutRDWR)
			a.bits()
			a.read(1)
			a.write(1)
			e.say("; peer")
			b.bits()
			b.read(1)
			b.write(5)
			e.say("; peer")
			b.bits()
			b.soError()
			e.say("; own")
			a.bits()
			a.soError()
		}, want: "shutdown=ok bits IN+OUT+HUP+RDHUP read=0 write=EPIPE; peer bits IN+OUT+RDHUP read=0 write=5; " +
			"peer bits IN+OUT+ERR+HUP+RDHUP SO_ERROR=EPIPE; own bits IN+OUT+ERR+HUP+RDHUP SO_ERROR=ECONNRESET"},

		{id: "CL-07", name: "errors of shutdown", run: func(e *env) {
			a, b := e.pair("A")
			a.shutdown("how 3", 3)
			a.shutdown("how -1", -1)
			e.fresh("S").shutdown("; fresh", shutRD)
			dead := e.resetPair("R", 0)
			dead.shutdown("; after RST WR", shutWR)
			dead.shutdown("RD", shutRD)
			a.shut(shutWR)
			b.shut(shutWR)
			a.shutdown("; after both FIN WR", shutWR)
			a.shutdown("RD", shutRD)
			a.end()
			a.shutdown("; closed", shutRD)
		}, want: "how 3=EINVAL how -1=EINVAL; fresh=ENOTCONN; after RST WR=ENOTCONN RD=ENOTCONN; " +
			"after both FIN WR=ENOTCONN RD=ENOTCONN; closed=EBADF"},

		{id: "CL-17", name: "write to a peer that has only shut its reading", run: func(e *env) {
			a, b := e.pair("A")
			b.shut(shutRD)
			a.write(5)
			a.bits()
		}, want: "write=5 bits OUT"},

		{id: "CL-21", name: "close with queued output: the reader gets every byte, then the end", run: func(e *env) {
			a, b := e.smallPair("A")
			n := a.fill()
			a.end()
			b.drainAll(n)
			e.say("all;")
			b.read(1)
		}, want: "all; read=0"},

		{id: "CL-22", name: "close with SO_LINGER above 0 blocks, on a nonblocking socket too", slow: true, run: func(e *env) {
			a, _ := e.smallPair("A")
			a.fill()
			a.set(poller.SOLinger, 1)
			start := e.sys.Now()
			a.close()
			e.say("early=%t", e.sys.Now()-start < time.Second)
		}, want: "close=ok early=false"},

		{id: "CL-23", name: "close of one of two dups sends no FIN; shutdown of one is for both", run: func(e *env) {
			a, b := e.pair("A")
			d := a.dup("D")
			a.end()
			b.bits()
			d.shut(shutWR)
			e.say("; after shutdown")
			b.bits()
		}, want: "bits OUT; after shutdown bits IN+OUT+RDHUP"},

		{id: "CL-24", name: "after a FIN a level of RDHUP spins, and mask 0 is silent", run: func(e *env) {
			a, b := e.pair("A")
			e.watch(a, rdhup)
			b.shut(shutWR)
			e.wait()
			e.wait()
			e.say(";")
			a.read(1)
			e.wait()
			e.rearm(a, 0)
			e.say("; mask 0")
			e.wait()
		}, want: "[A:RDHUP] [A:RDHUP]; read=0 [A:RDHUP]; mask 0 []"},

		{id: "CL-25", name: "the peer writes and closes, we never sent: a clean end", run: func(e *env) {
			a, b := e.pair("A")
			b.send(5)
			b.end()
			a.bits()
			a.read(10)
			a.read(10)
			e.say(";")
			a.close()
		}, want: "bits IN+OUT+RDHUP read=5 read=0; close=ok"},

		{id: "CL-29", name: "both ends shut at the same time", run: func(e *env) {
			a, b := e.pair("A")
			e.must("Shutdown", e.sys.Shutdown(a.fd, shutRDWR))
			b.shut(shutRDWR)
			a.bits()
			e.say("peer")
			b.bits()
		}, want: "bits IN+OUT+HUP+RDHUP peer bits IN+OUT+HUP+RDHUP"},

		{id: "CL-30", name: "the peer closed, and we shut our writing", run: func(e *env) {
			a, b := e.pair("A")
			b.end()
			a.shut(shutWR)
			a.bits()
			a.read(1)
			a.write(1)
			a.soError()
		}, want: "bits IN+OUT+HUP+RDHUP read=0 write=EPIPE SO_ERROR=0"},

		{id: "CL-32", name: "addresses after a FIN, after both, after a RST", run: func(e *env) {
			a, b := e.pair("A")
			b.shut(shutWR)
			e.say("FIN")
			a.getpeername()
			a.shut(shutWR)
			e.say("; both FIN")
			a.getpeername()
			a, b = e.pair("A")
			before := a.local()
			b.reset()
			e.say("; RST")
			a.getpeername()
			e.say("getsockname kept=%t", a.local() == before)
		}, want: "FIN getpeername=ok; both FIN getpeername=ENOTCONN; RST getpeername=ENOTCONN getsockname kept=true"},

		{id: "CL-36", name: "shutdown(WR) with a full buffer: OUT, and the peer gets every byte, then the end", run: func(e *env) {
			a, b := e.smallPair("A")
			n := a.fill()
			e.say("full")
			a.bits()
			a.shutdown("; shutdown", shutWR)
			a.bits()
			b.drainAll(n)
			e.say("; all;")
			b.read(1)
		}, want: "full bits none; shutdown=ok bits OUT; all; read=0"},
	}
}
