package pollertest

import (
	"fmt"
	"net/netip"
	"strconv"
	"syscall"

	"edgewise.test/poller"
)

// numbers is how many descriptors a sequence can tell apart: more than it opens.
const numbers = 40

// Play runs a sequence on a machine and returns what each step said: the result
// of the call, then the bits of every open descriptor, which a further epoll is asked
// for. Descriptors are counted from the lowest number that was free at the
// beginning, and tokens are shown as label@step, so that two machines with the
// same behaviour say the same. A step that had nothing to act on says "". At the
// end everything is closed.
func Play(world World, steps []Step) (said []string, err error) {
	p := &player{world: world}
	defer p.release()
	if err := p.prepare(); err != nil {
		return nil, err
	}
	said = make([]string, len(steps))
	for i, step := range steps {
		p.word = p.word[:0]
		if !p.step(i, step) {
			continue
		}
		world.Settle()
		p.bits()
		said[i] = string(p.word)
	}
	return said, nil
}

// player is a sequence that runs.
type player struct {
	world   World
	systems []poller.System // epolls of them, and the probe
	sys     poller.System   // the first of them, which does what is not about an epoll
	probe   poller.System
	nobody  poller.FD              // bound, and does not listen
	fds     [numbers]poller.FD     // in the order in which they are given out
	used    int                    // no number from here on was ever given out
	named   map[int]poller.FD      // number that a label stands for
	addrs   map[int]netip.AddrPort // where a label was bound
	restore func()
	word    []byte
	batch   [16]poller.Event
	buf     [64]byte
}

func (p *player) prepare() error {
	p.named, p.addrs, p.nobody = map[int]poller.FD{}, map[int]netip.AddrPort{}, -1
	for range epolls + 1 {
		sys, err := p.world.NewSystem()
		if err != nil {
			return err
		}
		p.systems = append(p.systems, sys)
	}
	p.sys, p.probe = p.systems[0], p.systems[epolls]
	var err error
	if p.nobody, err = p.sys.Socket(poller.DomainOf(p.world.Loopback().Addr())); err != nil {
		return err
	}
	if err := p.sys.Bind(p.nobody, p.world.Loopback()); err != nil {
		return err
	}
	for i := range p.fds {
		if p.fds[i], err = p.sys.Dup(p.nobody); err != nil {
			return err
		}
	}
	for _, fd := range p.fds {
		p.sys.Close(fd)
	}
	return nil
}

// release closes everything, without a FIN that would leave a port in TIME-WAIT.
func (p *player) release() {
	p.unlimit()
	for _, fd := range p.fds[:p.used] {
		p.sys.SetSockOpt(fd, poller.SOLinger, 0)
		p.sys.Close(fd)
	}
	if p.nobody >= 0 {
		p.sys.Close(p.nobody)
	}
	for _, sys := range p.systems {
		sys.Release()
	}
	p.world.Settle()
}

func (p *player) unlimit() {
	if p.restore != nil {
		p.restore()
		p.restore = nil
	}
}

func (p *player) text(s string) { p.word = append(p.word, s...) }

func (p *player) result(err error) { p.text(poller.ErrnoName(err)) }

func (p *player) count(n int, err error) {
	if err != nil {
		p.result(err)
		return
	}
	p.word = strconv.AppendInt(p.word, int64(n), 10)
}

// step does one step, and returns false when there was nothing to act on.
func (p *player) step(i int, s Step) bool {
	switch s.op {
	case opSocket:
		fd, err := p.sys.Socket(poller.DomainOf(p.world.Loopback().Addr()))
		p.made(s, fd, err)
		if err == nil { // small writes are not to wait for acknowledgements
			p.sys.SetSockOpt(fd, poller.TCPNoDelay, 1)
		}
		return true
	case opWait:
		p.wait(s)
		return true
	case opNoFile:
		p.noFile(s)
		return true
	}
	fd, ok := p.named[s.on]
	if !ok {
		return false
	}
	p.act(i, s, fd)
	return true
}

func (p *player) act(i int, s Step, fd poller.FD) {
	switch s.op {
	case opBind:
		p.result(p.sys.Bind(fd, p.world.Loopback()))
		p.note(s.on, fd)
	case opListen:
		p.result(p.sys.Listen(fd, s.n))
		p.note(s.on, fd)
	case opConnect:
		p.result(p.sys.Connect(fd, p.address(s.to)))
	case opAccept:
		made, from, err := p.sys.Accept(fd)
		p.made(s, made, err)
		if err == nil && !from.IsValid() {
			p.text(" from nowhere")
		}
	case opDup:
		made, err := p.sys.Dup(fd)
		p.made(s, made, err)
	case opClose:
		p.result(p.sys.Close(fd))
	case opReset:
		p.result(p.sys.SetSockOpt(fd, poller.SOLinger, 0))
		p.text(" ")
		p.result(p.sys.Close(fd))
	case opRead:
		p.count(p.sys.Read(fd, p.buf[:s.n]))
	case opPeek:
		p.count(p.sys.Peek(fd, p.buf[:s.n]))
	case opWrite:
		p.count(p.sys.Write(fd, p.buf[:s.n]))
	case opShutdown:
		p.result(p.sys.Shutdown(fd, poller.How(s.n)))
	case opSoError:
		pending, err := p.sys.SocketError(fd)
		p.result(err)
		p.text(" ")
		p.result(pending)
	case opRcvLowat:
		p.result(p.sys.SetSockOpt(fd, poller.SORcvLowat, s.n))
	case opLocalAddr:
		p.addr(p.sys.LocalAddr(fd))
	case opPeerAddr:
		p.addr(p.sys.PeerAddr(fd))
	case opAdd:
		p.result(p.systems[s.epoll].Add(fd, s.events, poller.MakeToken(uint32(s.on), uint32(i))))
	case opModify:
		p.result(p.systems[s.epoll].Modify(fd, s.events, poller.MakeToken(uint32(s.on), uint32(i))))
	case opRemove:
		p.result(p.systems[s.epoll].Remove(fd))
	}
}

// made names a new descriptor.
func (p *player) made(s Step, fd poller.FD, err error) {
	if err != nil {
		p.result(err)
		return
	}
	p.named[s.made] = fd
	for i, known := range p.fds {
		if known == fd {
			p.used = max(p.used, i+1)
			p.text("fd ")
			p.count(i, nil)
			return
		}
	}
	p.word = fmt.Appendf(p.word, "fd %d that was not free", fd)
}

// note remembers where to connect to when the label is dialled.
func (p *player) note(label int, fd poller.FD) {
	if addr, err := p.sys.LocalAddr(fd); err == nil && addr.Port() != 0 {
		p.addrs[label] = addr
	}
}

func (p *player) address(label int) netip.AddrPort {
	if addr, ok := p.addrs[label]; ok {
		return addr
	}
	addr, _ := p.sys.LocalAddr(p.nobody)
	return addr
}

// addr says what can be compared of an address: ports are the kernel's choice.
func (p *player) addr(addr netip.AddrPort, err error) {
	p.result(err)
	if err == nil {
		p.text(" ")
		p.text(addr.Addr().String())
		if addr.Port() == 0 {
			p.text(":0")
		}
	}
}

func (p *player) wait(s Step) {
	n, err := p.systems[s.epoll].Wait(p.batch[:s.n], 0)
	if err != nil {
		p.result(err)
		return
	}
	p.text("[")
	for i, ev := range p.batch[:n] {
		if i > 0 {
			p.text(" ")
		}
		p.word = fmt.Appendf(p.word, "s%d@%d:%s", ev.Token.Slot(), ev.Token.Generation(), ev.Events)
	}
	p.text("]")
}

// noFile makes room for n descriptors in all, or takes the limit away.
func (p *player) noFile(s Step) {
	p.unlimit()
	if s.n >= 0 {
		var err error
		p.restore, err = p.world.SetNoFile(int(p.fds[min(s.n, numbers-1)]))
		p.result(err)
		return
	}
	p.result(nil)
}

// bits adds what a fresh registration of each open descriptor reports.
func (p *player) bits() {
	p.text(" |")
	for i, fd := range p.fds[:p.used] {
		if err := p.probe.Add(fd, anyBit, 0); err != nil {
			if err != syscall.EBADF {
				p.word = fmt.Appendf(p.word, " %d:%s", i, poller.ErrnoName(err))
			}
			continue
		}
		n, err := p.probe.Wait(p.batch[:1], 0)
		switch {
		case err != nil:
			p.word = fmt.Appendf(p.word, " %d:%s", i, poller.ErrnoName(err))
		case n == 0:
			p.word = fmt.Appendf(p.word, " %d:none", i)
		default:
			p.word = fmt.Appendf(p.word, " %d:%s", i, p.batch[0].Events)
		}
		p.probe.Remove(fd)
	}
}
