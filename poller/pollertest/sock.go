package pollertest

import (
	"net/netip"
	"syscall"

	"edgewise.test/poller"
)

// sock is one descriptor of a script. See env for which methods add to the line.
type sock struct {
	e    *env
	name string
	fd   poller.FD
}

// send writes n bytes, all of them.
func (s *sock) send(n int) {
	s.e.t.Helper()
	got, err := s.e.sys.Write(s.fd, make([]byte, n))
	s.e.must("Write", err)
	if got != n {
		s.e.t.Fatalf("after %q: Write of %d bytes: got %d", s.e.line(), n, got)
	}
	s.e.settle()
}

// drain reads until nothing is queued or the stream ends, and returns how many
// bytes came.
func (s *sock) drain() int {
	s.e.t.Helper()
	total, buf := 0, make([]byte, 65536)
	for {
		n, err := s.e.sys.Read(s.fd, buf)
		if n == 0 || err != nil {
			if err != nil && err != syscall.EAGAIN {
				s.e.must("Read", err)
			}
			s.e.settle()
			return total
		}
		total += n
	}
}

// fill writes until EAGAIN, and returns how many bytes went.
func (s *sock) fill() int {
	s.e.t.Helper()
	total, chunk := 0, make([]byte, 4096)
	for {
		n, err := s.e.sys.Write(s.fd, chunk)
		if err == syscall.EAGAIN {
			// What is in flight may still make room.
			s.e.rest()
			if n, err = s.e.sys.Write(s.fd, chunk); err == syscall.EAGAIN {
				return total
			}
		}
		s.e.must("Write", err)
		total += n
	}
}

// drainAll reads what the other side has written, until n bytes have come, and
// lets the acknowledgements out.
func (s *sock) drainAll(n int) {
	s.e.t.Helper()
	for idle := 0; n > 0; {
		got := s.drain()
		if n -= got; got > 0 {
			idle = 0
			continue
		}
		if idle++; idle > 10 {
			s.e.t.Fatalf("after %q: %d bytes never came", s.e.line(), n)
		}
		s.e.rest()
	}
	s.e.rest()
}

// smallBuffers makes the socket fill up after some hundred thousand bytes. With
// smaller ones the window opens so late that the sender's probe timer (200 ms)
// has to help.
func (s *sock) smallBuffers() {
	s.e.t.Helper()
	s.set(poller.SOSndBuf, 32768)
	s.set(poller.SORcvBuf, 32768)
}

func (s *sock) shut(how poller.How) {
	s.e.t.Helper()
	s.e.must("Shutdown", s.e.sys.Shutdown(s.fd, how))
	s.e.settle()
}

// end closes the descriptor.
func (s *sock) end() {
	s.e.t.Helper()
	delete(s.e.open, s.fd)
	s.e.must("Close", s.e.sys.Close(s.fd))
	s.e.settle()
}

// reset closes with SO_LINGER 0.
func (s *sock) reset() {
	s.e.t.Helper()
	s.set(poller.SOLinger, 0)
	s.end()
}

func (s *sock) dup(name string) *sock {
	s.e.t.Helper()
	fd, err := s.e.sys.Dup(s.fd)
	s.e.must("Dup", err)
	return s.e.sock(name, fd)
}

func (s *sock) set(opt poller.SockOpt, value int) {
	s.e.t.Helper()
	s.e.must(opt.String(), s.e.sys.SetSockOpt(s.fd, opt, value))
}

func (s *sock) get(opt poller.SockOpt) int {
	s.e.t.Helper()
	value, err := s.e.sys.SockOpt(s.fd, opt)
	s.e.must(opt.String(), err)
	return value
}

func (s *sock) local() netip.AddrPort {
	s.e.t.Helper()
	addr, err := s.e.sys.LocalAddr(s.fd)
	s.e.must("LocalAddr", err)
	return addr
}

func (s *sock) peer() netip.AddrPort {
	s.e.t.Helper()
	addr, err := s.e.sys.PeerAddr(s.fd)
	s.e.must("PeerAddr", err)
	return addr
}

// start connects; the result of the connection is not looked at.
func (s *sock) start(to netip.AddrPort) {
	s.e.t.Helper()
	s.e.must("Connect", inProgress(s.e.sys.Connect(s.fd, to)))
	s.e.settle()
}

// take accepts.
func (s *sock) take(name string) *sock {
	s.e.t.Helper()
	accepted, err := s.tryTake(name)
	s.e.must("Accept", err)
	return accepted
}

func (s *sock) tryTake(name string) (*sock, error) {
	fd, _, err := s.e.sys.Accept(s.fd)
	if err != nil {
		return nil, err
	}
	s.e.settle()
	return s.e.sock(name, fd), nil
}

func (s *sock) accept() *sock { return s.acceptAs("") }

func (s *sock) acceptAs(name string) *sock {
	accepted, err := s.tryTake(name)
	s.e.result("accept", err)
	return accepted
}

// read asks for up to n bytes.
func (s *sock) read(n int) { s.readAs("read", n) }

func (s *sock) readAs(label string, n int) {
	s.e.say("%s=%s", label, countOf(s.e.sys.Read(s.fd, make([]byte, n))))
	s.e.settle()
}

func (s *sock) peek(n int) {
	s.e.say("peek=%s", countOf(s.e.sys.Peek(s.fd, make([]byte, n))))
	s.e.settle()
}

func (s *sock) write(n int) { s.writeAs("write", n) }

func (s *sock) writeAs(label string, n int) {
	s.e.say("%s=%s", label, countOf(s.e.sys.Write(s.fd, make([]byte, n))))
	s.e.settle()
}

// writev writes slices of the given lengths.
func (s *sock) writev(lengths ...int) {
	bufs := make([][]byte, len(lengths))
	for i, n := range lengths {
		bufs[i] = make([]byte, n)
	}
	s.e.say("writev=%s", countOf(s.e.sys.Writev(s.fd, bufs)))
	s.e.settle()
}

func (s *sock) shutdown(label string, how poller.How) {
	s.e.result(label, s.e.sys.Shutdown(s.fd, how))
	s.e.settle()
}

func (s *sock) close() {
	delete(s.e.open, s.fd)
	s.e.result("close", s.e.sys.Close(s.fd))
	s.e.settle()
}

func (s *sock) connect(to netip.AddrPort) {
	s.e.result("connect", s.e.sys.Connect(s.fd, to))
	s.e.settle()
}

func (s *sock) soError() {
	pending, err := s.e.sys.SocketError(s.fd)
	switch {
	case err != nil:
		s.e.say("getsockopt=%s", poller.ErrnoName(err))
	case pending == nil:
		s.e.say("SO_ERROR=0")
	default:
		s.e.say("SO_ERROR=%s", poller.ErrnoName(pending))
	}
}

func (s *sock) getpeername() {
	_, err := s.e.sys.PeerAddr(s.fd)
	s.e.result("getpeername", err)
}

// bits adds what a fresh registration reports.
func (s *sock) bits() { s.e.say("bits %s", s.ready(anyBit)) }

// mask0 adds what is reported whatever was asked for.
func (s *sock) mask0() { s.e.say("mask0 %s", s.ready(0)) }

func (s *sock) ready(events poller.Events) poller.Events {
	s.e.t.Helper()
	var batch [1]poller.Event
	s.e.must("Add", s.e.probe.Add(s.fd, events, 1))
	n, err := s.e.probe.Wait(batch[:], 0)
	s.e.must("Wait", err)
	s.e.must("Remove", s.e.probe.Remove(s.fd))
	if n == 0 {
		return 0
	}
	return batch[0].Events
}

// readToTheEnd reads until the stream ends, and tells how it did.
func (s *sock) readToTheEnd() (total int, last string) {
	buf := make([]byte, 65536)
	for {
		n, err := s.e.sys.Read(s.fd, buf)
		if n == 0 || err != nil {
			return total, countOf(n, err)
		}
		total += n
	}
}
