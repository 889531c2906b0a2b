package pollertest

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgewise.test/poller"
)

// Short names, because the scripts are dense.
const (
	in, out, rdhup = poller.In, poller.Out, poller.RdHup
	et, oneShot    = poller.EdgeTriggered, poller.OneShot
	exclusive      = poller.Exclusive
	anyBit         = poller.In | poller.Out | poller.Pri | poller.RdHup
	shutRD         = poller.ShutRead
	shutWR         = poller.ShutWrite
	shutRDWR       = poller.ShutBoth
)

// env is what a script acts on. It is an epoll itself, the one that most scripts
// need. Methods named for a system call add a word with its result to the line;
// the others (pair, send, drain, shut, end, reset, watch, rearm, forget, ...) must
// succeed, add nothing, and end the case otherwise.
type env struct {
	t     *testing.T
	world World
	*epoll

	words    strings.Builder
	names    map[poller.Token]string
	probe    poller.System // answers bits
	listener *sock         // what pair dials
	open     map[poller.FD]bool
	systems  []poller.System
}

func newEnv(t *testing.T, world World) *env {
	e := &env{t: t, world: world, names: map[poller.Token]string{}, open: map[poller.FD]bool{}}
	e.epoll = e.newEpoll()
	e.probe = e.newEpoll().sys
	e.listener = e.listen("", poller.ListenConfig{})
	return e
}

// release closes what the script left open.
func (e *env) release() {
	for fd := range e.open {
		e.sys.Close(fd)
	}
	for _, sys := range e.systems {
		sys.Release()
	}
}

// say adds words. A word that begins with a semicolon needs no space before it.
func (e *env) say(format string, args ...any) {
	word := fmt.Sprintf(format, args...)
	if e.words.Len() > 0 && !strings.HasPrefix(word, ";") {
		e.words.WriteByte(' ')
	}
	e.words.WriteString(word)
}

func (e *env) line() string { return e.words.String() }

// result adds "label=ok" or "label=ERRNO".
func (e *env) result(label string, err error) {
	e.say("%s=%s", label, poller.ErrnoName(err))
}

// must ends the case when a step that only prepares goes wrong.
func (e *env) must(step string, err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatalf("after %q: %s: %s", e.line(), step, poller.ErrnoName(err))
	}
}

func (e *env) settle() { e.world.Settle() }

// rest lets delayed acknowledgements (40 ms) out as well.
func (e *env) rest() {
	e.world.Sleep(60 * time.Millisecond)
	e.settle()
}

// newEpoll makes a further epoll instance.
func (e *env) newEpoll() *epoll {
	sys, err := e.world.NewSystem()
	e.must("NewSystem", err)
	e.systems = append(e.systems, sys)
	return &epoll{e: e, sys: sys}
}

// epoll is one epoll instance.
type epoll struct {
	e   *env
	sys poller.System
}

// watch adds s; its events come under its name.
func (p *epoll) watch(s *sock, events poller.Events) {
	p.e.t.Helper()
	p.e.must("Add", p.sys.Add(s.fd, events, p.token(s)))
}

func (p *epoll) rearm(s *sock, events poller.Events) {
	p.e.t.Helper()
	p.e.must("Modify", p.sys.Modify(s.fd, events, p.token(s)))
}

func (p *epoll) forget(s *sock) {
	p.e.t.Helper()
	p.e.must("Remove", p.sys.Remove(s.fd))
}

func (p *epoll) add(label string, s *sock, events poller.Events) {
	p.e.result(label, p.sys.Add(s.fd, events, p.token(s)))
}

func (p *epoll) modify(label string, s *sock, events poller.Events) {
	p.e.result(label, p.sys.Modify(s.fd, events, p.token(s)))
}

func (p *epoll) remove(label string, s *sock) {
	p.e.result(label, p.sys.Remove(s.fd))
}

func (p *epoll) token(s *sock) poller.Token {
	token := poller.MakeToken(uint32(s.fd), uint32(len(p.e.names)))
	p.e.names[token] = s.name
	return token
}

// wait asks once, and adds the batch.
func (p *epoll) wait() { p.waitFor(512, 0) }

// waitMax is wait for at most n events.
func (p *epoll) waitMax(n int) { p.waitFor(n, 0) }

func (p *epoll) waitFor(n int, timeout time.Duration) {
	p.e.say("%s", p.batch(n, timeout))
}

// discard asks once, and forgets the batch.
func (p *epoll) discard() { p.batch(512, 0) }

func (p *epoll) batch(n int, timeout time.Duration) string {
	batch := make([]poller.Event, n)
	until := p.sys.Now() + timeout
	n, err := p.sys.Wait(batch, timeout)
	for err == syscall.EINTR { // a signal of Go's own scheduler, at any time
		if timeout > 0 {
			timeout = max(until-p.sys.Now(), 0)
		}
		n, err = p.sys.Wait(batch, timeout)
	}
	if err != nil {
		return poller.ErrnoName(err)
	}
	words := make([]string, n)
	for i, ev := range batch[:n] {
		name, ok := p.e.names[ev.Token]
		if !ok {
			name = fmt.Sprintf("token %#x", uint64(ev.Token))
		}
		words[i] = name + ":" + ev.Events.String()
	}
	return "[" + strings.Join(words, " ") + "]"
}

// loopback is an address of the world with the given port.
func (e *env) loopback(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(e.world.Loopback().Addr(), port)
}

// fresh makes a socket that is not connected.
func (e *env) fresh(name string) *sock {
	e.t.Helper()
	fd, err := e.sys.Socket(poller.DomainOf(e.world.Loopback().Addr()))
	e.must("Socket", err)
	return e.sock(name, fd)
}

func (e *env) sock(name string, fd poller.FD) *sock {
	e.open[fd] = true
	return &sock{e: e, name: name, fd: fd}
}

// listen makes a listener on a free port.
func (e *env) listen(name string, cfg poller.ListenConfig) *sock {
	e.t.Helper()
	return e.listenOn(name, e.loopback(0), cfg)
}

func (e *env) listenOn(name string, addr netip.AddrPort, cfg poller.ListenConfig) *sock {
	e.t.Helper()
	fd, err := poller.ListenTCP(e.sys, addr, cfg)
	e.must("ListenTCP", err)
	return e.sock(name, fd)
}

// backlog makes a listener whose queue holds n+1 connections.
func (e *env) backlog(name string, n int) *sock {
	e.t.Helper()
	s := e.fresh(name)
	e.must("Bind", e.sys.Bind(s.fd, e.loopback(0)))
	e.must("Listen", e.sys.Listen(s.fd, n))
	return s
}

// dial starts a connection to a listener and lets it finish, if it can.
func (e *env) dial(name string, listener *sock) *sock {
	e.t.Helper()
	s := e.fresh(name)
	s.start(listener.local())
	return s
}

// pair makes a connection: the accepted socket, called name, and its peer.
func (e *env) pair(name string) (s, peer *sock) {
	e.t.Helper()
	return e.pairFrom(name, e.listener)
}

func (e *env) pairFrom(name string, listener *sock) (s, peer *sock) {
	e.t.Helper()
	peer = e.dial("peer of "+name, listener)
	s = listener.take(name)
	s.set(poller.TCPNoDelay, 1)
	peer.set(poller.TCPNoDelay, 1)
	return s, peer
}

// atLimit runs f with no descriptor left.
func (e *env) atLimit(f func()) {
	e.t.Helper()
	lowest, err := e.sys.Dup(e.listener.fd)
	e.must("Dup", err)
	e.must("Close", e.sys.Close(lowest))
	restore, err := e.world.SetNoFile(int(lowest))
	e.must("SetNoFile", err)
	defer restore()
	f()
}

// countOf is the result of a call that counts: "5" or "EAGAIN".
func countOf(n int, err error) string {
	if err != nil {
		return poller.ErrnoName(err)
	}
	return fmt.Sprint(n)
}

// inProgress is how a connect is expected to start.
func inProgress(err error) error {
	if err == syscall.EINPROGRESS {
		return nil
	}
	return err
}
