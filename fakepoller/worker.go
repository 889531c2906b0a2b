package fakepoller

import (
	"net/netip"
	"syscall"
	"time"

	"edgewise.test/faults"
	"edgewise.test/poller"
)

// Worker is one event loop's view of a process: the shared descriptor table and
// an epoll instance of its own. It implements [poller.System]. Unlike a real
// one it may be used from any actor of its world.
type Worker struct {
	chooser
	w      *World
	p      *Process
	ep     epoll
	wakeup eventfd
	epfd   poller.FD
	wakefd poller.FD
	one    [1][]byte
	actor  actor
}

var (
	_ poller.System    = (*Worker)(nil)
	_ poller.Annotator = (*Worker)(nil)
)

// wakeToken marks the worker's own eventfd.
const wakeToken = ^poller.Token(0)

// NewWorker adds a worker to the world's first process.
func (w *World) NewWorker() *Worker { return w.processes[0].NewWorker() }

// NewWorker adds a worker. Like a real poller it takes two descriptors, for the
// epoll and for the eventfd that wakes it; there is no limit on these.
func (p *Process) NewWorker() *Worker {
	w := p.w
	k := &Worker{w: w, p: p}
	w.workers = append(w.workers, k)
	k.kind, k.index, k.view = kindWorker, int32(len(w.workers)), &p.view
	k.ep.w, k.wakeup.w = w, w
	limit := p.limit
	p.limit = len(p.fds) + stdio + 2
	k.epfd, _ = p.free()
	p.install(k.epfd, &k.ep)
	k.wakefd, _ = p.free()
	p.install(k.wakefd, &k.wakeup)
	p.limit = limit
	k.ep.add(&k.wakeup, k.wakefd, poller.In|poller.EdgeTriggered, wakeToken)
	return k
}

// Go runs f, which is to be the worker's loop, as a coroutine. Preemption is
// possible at every boundary call.
func (k *Worker) Go(f func()) {
	k.actor.kind, k.actor.index = k.kind, k.index
	k.w.spawn(&k.actor, f)
}

// World returns the world that k is in.
func (k *Worker) World() *World { return k.w }

// enter begins a boundary call. It fails only while the world is being closed.
func (k *Worker) enter() error { return k.w.enter() }

// lookup finds the socket behind fd, or says what Linux says.
func (k *Worker) lookup(c Call, fd poller.FD) (*sock, error) {
	f := k.p.get(fd)
	if f == nil {
		k.w.badFD(k, c, fd)
		return nil, syscall.EBADF
	}
	s, ok := f.(*sock)
	if !ok {
		if c == CallRead || c == CallWrite {
			return nil, syscall.EINVAL
		}
		return nil, syscall.ENOTSOCK
	}
	return s, nil
}

// begin is enter and lookup.
func (k *Worker) begin(c Call, fd poller.FD) (*sock, error) {
	if err := k.enter(); err != nil {
		return nil, err
	}
	s, err := k.lookup(c, fd)
	if err != nil {
		k.w.note(&k.chooser, nil, c, fd, -1, 0, err)
	}
	return s, err
}

// Now implements [poller.Clock].
func (k *Worker) Now() time.Duration { return k.w.now }

// Annotate implements [poller.Annotator].
func (k *Worker) Annotate(fd poller.FD, state string) {
	w := k.w
	c := &k.chooser
	if s, ok := k.p.get(fd).(*sock); ok {
		c = &s.chooser
	}
	w.cover(c, coverText(state))
	if w.cfg.Trace {
		e := Event{Step: w.steps, At: w.now, Actor: w.name(&k.chooser), Call: CallAnnotate, FD: fd, N: -1, Text: state}
		w.trace.events = append(w.trace.events, e)
	}
}

// Add implements [poller.Poller].
func (k *Worker) Add(fd poller.FD, events poller.Events, token poller.Token) error {
	f, err := k.watchable(CallAdd, fd)
	if err == nil && token == wakeToken {
		err = syscall.EINVAL
	}
	if err == nil {
		err = k.ep.checkAdd(f, fd, events)
	}
	if err == nil && k.w.cfg.Hostile {
		err = faults.Resource.Errno(k.w.choose(&k.chooser, faults.Resource, faults.Resource.Range()))
	}
	if err == nil {
		k.ep.add(f, fd, events, token)
	}
	k.noteFile(f, CallAdd, fd, events, err)
	return err
}

// Modify implements [poller.Poller].
func (k *Worker) Modify(fd poller.FD, events poller.Events, token poller.Token) error {
	f, err := k.watchable(CallModify, fd)
	if err == nil {
		it := k.ep.find(f, fd)
		switch {
		case f == file(&k.ep), token == wakeToken:
			err = syscall.EINVAL
		case it == nil && events&poller.Exclusive != 0:
			err = syscall.EINVAL
		case it == nil:
			err = syscall.ENOENT
		case (it.events|events)&poller.Exclusive != 0:
			err = syscall.EINVAL
		default:
			k.ep.modify(it, events, token)
		}
	}
	k.noteFile(f, CallModify, fd, events, err)
	return err
}

// Remove implements [poller.Poller].
func (k *Worker) Remove(fd poller.FD) error {
	f, err := k.watchable(CallRemove, fd)
	if err == nil {
		if f == file(&k.ep) {
			err = syscall.EINVAL
		} else if it := k.ep.find(f, fd); it != nil && it.token != wakeToken {
			it.remove()
		} else {
			err = syscall.ENOENT
		}
	}
	k.noteFile(f, CallRemove, fd, 0, err)
	return err
}

func (k *Worker) watchable(c Call, fd poller.FD) (file, error) {
	if err := k.enter(); err != nil {
		return nil, err
	}
	if k.p.get(k.epfd) != file(&k.ep) {
		return nil, syscall.EBADF // released
	}
	f := k.p.get(fd)
	if f == nil {
		k.w.badFD(k, c, fd)
		return nil, syscall.EBADF
	}
	return f, nil
}

func (k *Worker) noteFile(f file, c Call, fd poller.FD, bits poller.Events, err error) {
	var about *chooser
	if s, ok := f.(*sock); ok {
		about = &s.chooser
	}
	k.w.note(&k.chooser, about, c, fd, -1, bits, err)
}

// Wait implements [poller.Poller]. With nothing ready it hands over to the next
// actor; when there is none, virtual time moves. EDEADLK means that nothing
// can ever happen again; only the test itself gets it.
func (k *Worker) Wait(events []poller.Event, timeout time.Duration) (int, error) {
	if err := k.enter(); err != nil {
		return 0, err
	}
	w := k.w
	var err error
	switch {
	case k.p.get(k.epfd) != file(&k.ep):
		err = syscall.EBADF
	case len(events) == 0:
		err = syscall.EINVAL
	case w.current.stuck || w.over:
		w.current.stuck = false
		err = syscall.EDEADLK
	}
	if err != nil {
		w.note(&k.chooser, nil, CallWait, -1, -1, 0, err)
		return 0, err
	}
	n, err := k.wait(events, timeout)
	w.note(&k.chooser, nil, CallWait, -1, n, 0, err)
	for _, e := range events[:n] {
		w.note(&k.chooser, nil, CallEvent, -1, int(uint32(e.Token)), e.Events, nil)
		if w.cfg.Trace {
			w.trace.events[len(w.trace.events)-1].FD, w.trace.events[len(w.trace.events)-1].About = k.registered(e.Token)
		}
	}
	return n, err
}

// registered says, for the trace, which fd a token stands for.
func (k *Worker) registered(token poller.Token) (poller.FD, string) {
	for it := k.ep.all; it != nil; it = it.nextOfEp {
		if it.token == token {
			return it.fd, k.w.fileName(it.f)
		}
	}
	return -1, ""
}

func (k *Worker) wait(events []poller.Event, timeout time.Duration) (int, error) {
	w := k.w
	deadline, interrupt := time.Duration(-1), time.Duration(-1)
	if timeout >= 0 {
		deadline = w.now + timeout
	}
	if timeout == 0 && w.cfg.Hostile && k.ep.readyCount() > 0 && w.choose(&k.chooser, faults.Empty, faults.Empty.Range()) > 0 {
		return 0, nil
	}
	for first := true; ; first = false {
		if n, woken := k.collect(events); n > 0 || woken {
			return n, nil
		}
		if timeout == 0 || deadline >= 0 && w.now >= deadline && !first {
			return 0, nil
		}
		if interrupt >= 0 && w.now >= interrupt {
			return 0, syscall.EINTR
		}
		if first {
			switch w.choose(&k.chooser, faults.Interrupt, faults.Interrupt.Range()) {
			case 1:
				return 0, syscall.EINTR
			case 2:
				interrupt = w.now + time.Second
				if timeout > 0 {
					interrupt = w.now + timeout/2
				}
			}
			if it := k.spurious(); it != nil {
				events[0] = it.report(poller.In)
				return 1, nil
			}
			if timeout > 0 {
				deadline += w.chooseTime(&k.chooser, faults.Timer)
			}
		}
		until := deadline
		if interrupt >= 0 {
			until = interrupt
		}
		k.ep.waiters = append(k.ep.waiters, w.current)
		_, idle := w.block(until, "wait")
		k.ep.forget(w.current)
		if idle {
			w.find(Finding{Kind: Deadlock, Text: w.name(&k.chooser) + " waits and nothing can ever happen"})
			return 0, syscall.EDEADLK
		}
	}
}

// spurious returns a registration that is to be told IN with nothing behind it,
// if the source wants one.
func (k *Worker) spurious() *item {
	if !k.w.cfg.Hostile {
		return nil
	}
	it := k.ep.reader()
	if it == nil || k.w.choose(&k.chooser, faults.Spurious, faults.Spurious.Range()) == 0 {
		return nil
	}
	return it
}

// collect takes a batch and the worker's own wake-up out of it.
func (k *Worker) collect(events []poller.Event) (n int, woken bool) {
	if k.ep.ready.head == nil {
		return 0, false
	}
	w, max := k.w, len(events)
	if !w.calm {
		if ready := k.ep.readyCount(); ready > 1 {
			if first := w.choose(&k.chooser, faults.Order, ready); first > 0 {
				k.ep.first(first)
			}
			if few := w.choose(&k.chooser, faults.Wait, ready); few > 0 {
				max = min(max, few)
			}
			if max < ready {
				w.reach(PartOfABatch)
			}
		}
	}
	n = k.ep.collect(events, max)
	for i := 0; i < n; i++ {
		if events[i].Token == wakeToken {
			copy(events[i:], events[i+1:n])
			n--
			woken = true
			break
		}
	}
	return n, woken
}

// Wake implements [poller.Poller].
func (k *Worker) Wake() error {
	if err := k.enter(); err != nil {
		return err
	}
	if k.p.get(k.wakefd) != file(&k.wakeup) {
		return syscall.EBADF
	}
	k.w.note(&k.w.current.chooser, nil, CallWake, -1, int(k.index), 0, nil)
	k.view.fold(uint64(CallWake)) // whoever wakes it has been in its memory
	k.wakeup.add(1)
	return nil
}

// Release implements [poller.System].
func (k *Worker) Release() error {
	if err := k.enter(); err != nil {
		return err
	}
	if k.p.get(k.epfd) != file(&k.ep) {
		return syscall.EBADF
	}
	k.p.close(k.wakefd)
	k.p.close(k.epfd)
	return nil
}

// Accept implements [poller.Sockets]. The checks come in Linux's order: at the
// limit EMFILE is said before the socket is looked at (LN-19, LN-40).
func (k *Worker) Accept(fd poller.FD) (poller.FD, netip.AddrPort, error) {
	if err := k.enter(); err != nil {
		return -1, netip.AddrPort{}, err
	}
	f := k.p.get(fd)
	if f == nil {
		k.w.badFD(k, CallAccept, fd)
		k.w.note(&k.chooser, nil, CallAccept, fd, -1, 0, syscall.EBADF)
		return -1, netip.AddrPort{}, syscall.EBADF
	}
	nfd, addr, err := k.accept(f)
	k.noteFile(f, CallAccept, fd, 0, err)
	if err == nil && k.w.cfg.Trace {
		k.w.trace.events[len(k.w.trace.events)-1].N = int(nfd)
	}
	return nfd, addr, err
}

func (k *Worker) accept(f file) (poller.FD, netip.AddrPort, error) {
	nfd, err := k.p.free()
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	l, ok := f.(*sock)
	switch {
	case !ok:
		return -1, netip.AddrPort{}, syscall.ENOTSOCK
	case l.state != tcpListen:
		return -1, netip.AddrPort{}, syscall.EINVAL
	case l.pending() == 0:
		return -1, netip.AddrPort{}, syscall.EAGAIN
	}
	if err := faults.Accept.Errno(k.w.choose(&l.chooser, faults.Accept, faults.Accept.Range())); err != nil {
		if k.w.handshaking() {
			k.w.reach(AcceptFailedWhileHandshaking)
		}
		return -1, netip.AddrPort{}, err
	}
	s := l.pop()
	l.progress++
	if s.state == tcpClose {
		k.w.reach(ResetBeforeAccept)
	}
	k.p.install(nfd, s)
	return nfd, s.remote, nil
}

// Read implements [poller.Sockets].
func (k *Worker) Read(fd poller.FD, p []byte) (int, error) { return k.read(CallRead, fd, p) }

// Peek implements [poller.Sockets].
func (k *Worker) Peek(fd poller.FD, p []byte) (int, error) { return k.read(CallPeek, fd, p) }

func (k *Worker) read(c Call, fd poller.FD, p []byte) (int, error) {
	s, err := k.begin(c, fd)
	if err != nil {
		return 0, err
	}
	n, err := s.read(p, c == CallRead)
	if n > 0 {
		s.peeked = c == CallPeek
		if c == CallRead {
			s.progress++
		}
	}
	k.w.note(&k.chooser, &s.chooser, c, fd, n, 0, err)
	return n, err
}

// Write implements [poller.Sockets].
func (k *Worker) Write(fd poller.FD, p []byte) (int, error) {
	k.one[0] = p
	n, err := k.Writev(fd, k.one[:])
	k.one[0] = nil
	return n, err
}

// maxIov is UIO_MAXIOV.
const maxIov = 1024

// Writev implements [poller.Sockets].
func (k *Worker) Writev(fd poller.FD, bufs [][]byte) (int, error) {
	s, err := k.begin(CallWrite, fd)
	if err != nil {
		return 0, err
	}
	n, mark := 0, len(k.w.trace.events)
	if len(bufs) > maxIov {
		err = syscall.EINVAL
	} else {
		n, err = s.write(bufs)
	}
	if n > 0 {
		s.progress++
	}
	k.w.note(&k.chooser, &s.chooser, CallWrite, fd, n, 0, err)
	k.w.hoist(mark)
	return n, err
}

// Shutdown implements [poller.Sockets].
func (k *Worker) Shutdown(fd poller.FD, how poller.How) error {
	s, err := k.begin(CallShutdown, fd)
	if err != nil {
		return err
	}
	s.progress++
	mark := len(k.w.trace.events)
	err = s.shutdown(how)
	k.w.note(&k.chooser, &s.chooser, CallShutdown, fd, int(how), 0, err)
	k.w.hoist(mark)
	return err
}

// Close implements [poller.Sockets].
func (k *Worker) Close(fd poller.FD) error {
	if err := k.enter(); err != nil {
		return err
	}
	f := k.p.get(fd)
	if f == nil {
		k.w.badFD(k, CallClose, fd)
		k.w.note(&k.chooser, nil, CallClose, fd, -1, 0, syscall.EBADF)
		return syscall.EBADF
	}
	k.noteFile(f, CallClose, fd, 0, nil)
	k.p.close(fd)
	if s, ok := f.(*sock); ok && s.linger > 0 && s.refs == 0 {
		k.w.lingerOn(s)
	}
	return nil
}

// lingerOn blocks the caller until the peer has everything, or until the seconds
// of SO_LINGER have passed: a nonblocking socket's close too (CL-22).
func (w *World) lingerOn(s *sock) {
	deadline := w.now + time.Duration(s.linger)*time.Second
	for w.now < deadline && (s.state == tcpFinWait1 || s.state == tcpClosing || s.state == tcpLastAck) {
		if w.blockOn(&s.watched, deadline, "close") {
			break
		}
	}
}

// Dup implements [poller.System].
func (k *Worker) Dup(fd poller.FD) (poller.FD, error) {
	if err := k.enter(); err != nil {
		return -1, err
	}
	f := k.p.get(fd)
	if f == nil {
		k.w.badFD(k, CallDup, fd)
		return -1, syscall.EBADF
	}
	nfd, err := k.p.free()
	if err == nil {
		k.p.install(nfd, f)
	}
	k.noteFile(f, CallDup, fd, 0, err)
	return nfd, err
}

// Socket implements [poller.Sockets].
func (k *Worker) Socket(domain poller.Domain) (poller.FD, error) {
	if err := k.enter(); err != nil {
		return -1, err
	}
	var fd poller.FD = -1
	var err error
	if domain != poller.Inet && domain != poller.Inet6 {
		err = syscall.EAFNOSUPPORT
	}
	if err == nil && k.w.cfg.Hostile {
		err = faults.Resource.Errno(k.w.choose(&k.chooser, faults.Resource, faults.Resource.Range()))
	}
	if err == nil {
		fd, err = k.p.free()
	}
	if err != nil {
		k.w.note(&k.chooser, nil, CallSocket, -1, -1, 0, err)
		return -1, err
	}
	k.p.install(fd, k.w.newSock())
	k.w.note(&k.chooser, nil, CallSocket, fd, int(fd), 0, nil)
	return fd, nil
}

// Connect implements [poller.Sockets].
func (k *Worker) Connect(fd poller.FD, to netip.AddrPort) error {
	s, err := k.begin(CallConnect, fd)
	if err != nil {
		return err
	}
	s.progress++
	mark := len(k.w.trace.events)
	err = s.connect(to)
	k.w.note(&k.chooser, &s.chooser, CallConnect, fd, -1, 0, err)
	k.w.noteRoute(s.local, s.remote)
	k.w.hoist(mark)
	return err
}

// SocketError implements [poller.Sockets].
func (k *Worker) SocketError(fd poller.FD) (pending, err error) {
	s, err := k.begin(CallSocketError, fd)
	if err != nil {
		return nil, err
	}
	pending = s.takeError()
	k.w.note(&k.chooser, &s.chooser, CallSocketError, fd, -1, 0, pending)
	return pending, nil
}

// LocalAddr implements [poller.Sockets].
func (k *Worker) LocalAddr(fd poller.FD) (netip.AddrPort, error) {
	s, err := k.begin(CallLocalAddr, fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr := s.local
	if !addr.IsValid() {
		addr = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	k.w.note(&k.chooser, &s.chooser, CallLocalAddr, fd, -1, 0, nil)
	return addr, nil
}

// PeerAddr implements [poller.Sockets].
func (k *Worker) PeerAddr(fd poller.FD) (netip.AddrPort, error) {
	s, err := k.begin(CallPeerAddr, fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr := s.remote
	if s.state == tcpClose || s.state == tcpSynSent || s.state == tcpListen {
		addr, err = netip.AddrPort{}, syscall.ENOTCONN
	}
	k.w.note(&k.chooser, &s.chooser, CallPeerAddr, fd, -1, 0, err)
	return addr, err
}

// Bind implements [poller.Binder].
func (k *Worker) Bind(fd poller.FD, addr netip.AddrPort) error {
	s, err := k.begin(CallBind, fd)
	if err != nil {
		return err
	}
	err = s.bind(addr)
	k.w.note(&k.chooser, &s.chooser, CallBind, fd, -1, 0, err)
	return err
}

// Listen implements [poller.Binder].
func (k *Worker) Listen(fd poller.FD, backlog int) error {
	s, err := k.begin(CallListen, fd)
	if err != nil {
		return err
	}
	err = s.listen(backlog)
	k.w.note(&k.chooser, &s.chooser, CallListen, fd, -1, 0, err)
	return err
}
