package fakenet

import (
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"

	"edgewise.test/poller"
)

// step takes o one step further: the effect, or the return to its goroutine.
func (s *scheduler) step(o *op) {
	if o.phase == ended {
		s.giveBack(o)
		return
	}
	if !s.perform(o) {
		return
	}
	s.a.Fold(o.digest())
	if o.kind == kindRead || o.kind == kindAccept {
		s.giveBack(o) // nobody else can see the effect, so one step does
		return
	}
	o.phase = ended
	s.remove(o)
	s.pending = append(s.pending, o)
}

func (s *scheduler) giveBack(o *op) {
	s.remove(o)
	if o.on != nil {
		o.on.waits--
	}
	s.woke = true
	o.release()
}

func (s *scheduler) remove(o *op) {
	for i, p := range s.pending {
		if p == o {
			s.pending = append(s.pending[:i], s.pending[i+1:]...)
			return
		}
	}
}

// perform tries o and tells whether it is done.
func (s *scheduler) perform(o *op) bool {
	if o.on == nil {
		h := o.from
		if h.k == nil {
			h.k = s.a.NewWorker(h.name)
		}
		if o.kind == kindListen {
			s.listen(o)
			return true
		}
		return s.dial(o)
	}
	if o.kind == kindClose {
		s.close(o)
		return true
	}
	k, fd := o.on.host.k, o.on.fd
	switch {
	case o.on.gone || o.on.closed.Load():
		o.err = net.ErrClosed
		return true
	case s.late(o):
		o.err = os.ErrDeadlineExceeded
		return true
	}
	switch o.kind {
	case kindAccept:
		return s.accept(o)
	case kindRead:
		n, err := k.Read(fd, o.buf)
		if err == syscall.EAGAIN {
			return false
		}
		if o.n, o.err = n, err; n == 0 && err == nil && len(o.buf) > 0 {
			o.err = io.EOF
		}
	case kindWrite:
		n, err := k.Write(fd, o.buf[o.n:])
		if err == syscall.EAGAIN {
			o.phase = waiting
			return false
		}
		o.n, o.err = o.n+n, err
		if o.phase = waiting; err == nil && o.n < len(o.buf) {
			return false
		}
	case kindCloseRead:
		o.err = k.Shutdown(fd, poller.ShutRead)
	case kindCloseWrite:
		o.err = k.Shutdown(fd, poller.ShutWrite)
	}
	return true
}

// apply does what does not park.
func (s *scheduler) apply(o *op) {
	switch {
	case o.kind == kindClose:
		s.close(o)
	case !o.on.gone:
		o.on.host.k.SetSockOpt(o.on.fd, o.opt, o.value)
	}
	raceDisable()
	s.n.freeOp(o)
	raceEnable()
}

func (s *scheduler) close(o *op) {
	o.on.gone = true
	o.on.host.k.Close(o.on.fd)
}

func (s *scheduler) listen(o *op) {
	h := o.from
	fd, err := poller.ListenTCP(h.k, o.addr, poller.ListenConfig{})
	if err != nil {
		o.err = err
		return
	}
	local, _ := h.k.LocalAddr(fd)
	o.made = s.newSocket(h, fd, key{class: classListener}, o.key, local, netip.AddrPort{})
}

func (s *scheduler) accept(o *op) bool {
	h := o.on.host
	fd, remote, err := h.k.Accept(o.on.fd)
	switch err {
	case syscall.EAGAIN, syscall.EINTR, syscall.ECONNABORTED: // as internal/poll.FD.Accept
		return false
	case nil:
		local, _ := h.k.LocalAddr(fd)
		o.made = s.newSocket(h, fd, key{class: classServer}, o.key, local, remote)
		link := s.links[o.made.key.index]
		o.made.in, o.made.out = link[0], link[1]
	default:
		o.err = err
	}
	return true
}

func (s *scheduler) dial(o *op) bool {
	k := o.from.k
	if o.phase == begun {
		fd, err := k.Socket(poller.DomainOf(o.addr.Addr()))
		if err != nil {
			o.failed, o.err = "socket", err
			return true
		}
		if o.fd, err = fd, k.Connect(fd, o.addr); err != syscall.EINPROGRESS && err != nil {
			k.Close(fd)
			o.err = err
			return true
		}
		s.links[s.a.Conn(k, fd)] = [2]*edge{o.edge, {}}
		o.phase = waiting
		return false
	}
	if o.cancelled.Load() {
		k.Close(o.fd)
		o.err = errCancelled
		return true
	}
	if pending, _ := k.SocketError(o.fd); pending != nil {
		k.Close(o.fd)
		o.err = pending
		return true
	}
	local, _ := k.LocalAddr(o.fd)
	o.made = s.newSocket(o.from, o.fd, key{class: classConn}, o.key, local, o.addr)
	link := s.links[o.made.key.index]
	o.made.out, o.made.in = link[0], link[1]
	return true
}

func (s *scheduler) newSocket(h *Host, fd poller.FD, k, by key, local, remote netip.AddrPort) *socket {
	k.index = s.a.Conn(h.k, fd)
	made := &socket{n: s.n, host: h, fd: fd, key: k, by: by, local: local, remote: remote}
	s.sockets = append(s.sockets, made)
	return made
}

// digest identifies an operation and its result.
func (o *op) digest() uint64 {
	h := uint64(14695981039346656037)
	fold := func(x uint64) { h = (h ^ x) * 0x9e3779b97f4a7c15; h ^= h >> 29 }
	for i := range len(o.host) {
		fold(uint64(o.host[i]))
	}
	fold(uint64(o.class)<<56 ^ uint64(o.kind)<<48 ^ uint64(o.index))
	fold(uint64(o.seq)<<32 ^ uint64(o.n))
	if errno, ok := o.err.(syscall.Errno); ok {
		fold(uint64(poller.LinuxErrno(errno)) + 1)
	} else if o.err != nil {
		fold(1)
	}
	if o.kind == kindRead {
		p := o.buf[:o.n]
		for ; len(p) >= 8; p = p[8:] {
			fold(uint64(p[0]) | uint64(p[1])<<8 | uint64(p[2])<<16 | uint64(p[3])<<24 | uint64(p[4])<<32 | uint64(p[5])<<40 | uint64(p[6])<<48 | uint64(p[7])<<56)
		}
		for _, b := range p {
			fold(uint64(b))
		}
	}
	return h
}
