package fakepoller_test

// mutant is one rule of the fake, broken: old, which must occur exactly once in
// file, becomes new.
type mutant struct {
	rule, file, old, new string
}

var mutants = []mutant{
	// Epoll.
	{"ADD of what is ready makes an event", "epoll.go", "if f.poll()&it.events != 0 {\n\t\tep.queue(ep.w, it)", "if false {\n\t\tep.queue(ep.w, it)"},
	{"MOD of what is ready makes an event", "epoll.go", "if it.f.poll()&it.events != 0 {\n\t\tep.queue(ep.w, it)", "if false {\n\t\tep.queue(ep.w, it)"},
	{"DEL takes a queued event away", "epoll.go", "\tif it.queued {\n\t\tep.ready.remove(it)\n\t}\n\tif it.prevOfFile == nil {", "\tif it.queued {\n\t\tep.ready.remove(it)\n\t\tep.ready.push(&item{ep: ep, f: it.f, events: it.events, token: it.token})\n\t}\n\tif it.prevOfFile == nil {"},
	{"ERR and HUP can not be masked", "epoll.go", "*it = item{ep: ep, f: f, fd: fd, events: events | alwaysBits,", "*it = item{ep: ep, f: f, fd: fd, events: events,"},
	{"level-triggered items are told again", "epoll.go", "if level {\n\t\t\tep.ready.push(it)", "if false && level {\n\t\t\tep.ready.push(it)"},
	{"level-triggered items go to the tail", "epoll.go", "\tep.ready.splice(walk)\n\treturn n", "\twalk.splice(ep.ready)\n\tep.ready = walk\n\treturn n"},
	{"edges are told once", "epoll.go", "it.events&(poller.OneShot|poller.EdgeTriggered) == 0", "it.events&poller.OneShot == 0"},
	{"one-shots are disarmed", "epoll.go", "\t\tit.events &= privateBits\n", ""},
	{"a disarmed one-shot stays silent", "file.go", "return (key == 0 || it.events&key != 0) && it.events&^privateBits != 0", "it.events |= alwaysBits\n\treturn key == 0 || it.events&key != 0"},
	{"bits are sampled by the wait", "epoll.go", "bits := it.f.poll() & it.events\n\t\tif bits == 0 {", "bits := it.f.poll() & it.events\n\t\tif bits == 0 && it.events&poller.EdgeTriggered != 0 {\n\t\t\tbits = poller.In & it.events\n\t\t}\n\t\tif bits == 0 {"},
	{"the ready list is first in, first out", "epoll.go", "\tif !it.queued {\n\t\tep.ready.push(it)", "\tif !it.queued {\n\t\tep.ready.pushFront(it)"},
	{"what is queued keeps its place", "epoll.go", "\tif !it.queued {\n\t\tep.ready.push(it)", "\tif it.queued {\n\t\tep.ready.remove(it)\n\t}\n\t{\n\t\tep.ready.push(it)"},
	{"what a full batch leaves over stays", "epoll.go", "\tep.ready.splice(walk)\n\treturn n", "\tfor walk.head != nil {\n\t\twalk.remove(walk.head)\n\t}\n\treturn n"},
	{"the same open file and number only once", "epoll.go", "return syscall.EEXIST", "return nil"},
	{"EXCLUSIVE goes with few bits", "epoll.go", "if nested || events&^(poller.In", "if nested || false && events&^(poller.In"},
	{"EXCLUSIVE waiters are woken one by one until one waits", "file.go", "if waiting {", "if true || waiting {"},
	{"EXCLUSIVE waiters come last", "file.go", "if it.events&poller.Exclusive != 0 {\n\t\t\texclusive = true", "if false {\n\t\t\texclusive = true"},
	{"data wakes only who asked for it", "file.go", "return (key == 0 || it.events&key != 0) &&", "return"},
	{"data wakes who asked for PRI", "sock.go", "const readable = poller.In | poller.Pri", "const readable = poller.In"},
	{"the newest registration of a file is woken first", "file.go", "for it := f.items; it != nil; it = it.nextOfFile {\n\t\toldest = it\n\t\tif", "for it := f.items; it != nil; it = it.nextOfFile {\n\t\toldest = it\n\t}\n\tfor it := oldest; it != nil; it = it.prevOfFile {\n\t\tif"},

	// Descriptors.
	{"the lowest free number is given out", "process.go", "p.lowest = min(p.lowest, int(fd))", "_ = fd"},
	{"the limit of descriptors", "process.go", "if p.lowest >= p.limit {", "if p.lowest > p.limit {"},
	{"a registration lives as long as the open file", "file.go", "if b.refs--; b.refs > 0 {\n", "for it := b.items; it != nil && b.refs > 1; it = b.items {\n\t\tit.remove()\n\t}\n\tif b.refs--; b.refs > 0 {\n"},
	{"close of a dup sends nothing", "file.go", "if b.refs--; b.refs > 0 {\n", "if b.refs--; b.refs > 0 {\n\t\tif s, ok := f.(*sock); ok && s.state == tcpEstablished {\n\t\t\ts.sendFin()\n\t\t}\n"},

	// Listener.
	{"backlog n holds n+1", "listener.go", "\tcase l.pending() > l.backlog:\n\t\twait :=", "\tcase l.pending() >= l.backlog:\n\t\twait :="},
	{"a full queue drops the SYN", "listener.go", "\tcase l.pending() > l.backlog:\n\t\twait :=", "\tcase l.pending() > l.backlog && s.synTries < 0:\n\t\twait :="},
	{"listen again resizes the queue", "listener.go", "\ts.backlog = backlog\n\tif s.state == tcpListen {", "\tif s.state != tcpListen {\n\t\ts.backlog = backlog\n\t}\n\tif s.state == tcpListen {"},
	{"the accept queue is first in, first out", "listener.go", "\tl.accepts = append(l.accepts, s)\n", "\tl.accepts = append(l.accepts, s)\n\tif i, n := l.accepted, len(l.accepts)-1; n > i {\n\t\tl.accepts[i], l.accepts[n] = l.accepts[n], l.accepts[i]\n\t}\n"},
	{"EMFILE comes before EAGAIN", "worker.go", "\tnfd, err := k.p.free()\n\tif err != nil {\n\t\treturn -1, netip.AddrPort{}, err\n\t}\n\tl, ok := f.(*sock)", "\tnfd, err := k.p.free()\n\tl, ok := f.(*sock)\n\tif ok && l.state == tcpListen && l.pending() == 0 {\n\t\treturn -1, netip.AddrPort{}, syscall.EAGAIN\n\t}\n\tif err != nil {\n\t\treturn -1, netip.AddrPort{}, err\n\t}"},
	{"accept of what does not listen is EINVAL", "worker.go", "case l.state != tcpListen:\n\t\treturn -1, netip.AddrPort{}, syscall.EINVAL", "case l.state != tcpListen:\n\t\treturn -1, netip.AddrPort{}, syscall.ENOTCONN"},
	{"the end of a listener resets its queue", "listener.go", "\t\tchild.orphan = true\n\t\tchild.sendRst()", "\t\tchild.orphan = true"},
	{"a queued connection that was reset is accepted", "listener.go", "\ts := l.accepts[l.accepted]\n", "\tfor l.pending() > 1 && l.accepts[l.accepted].state == tcpClose {\n\t\tl.accepted++\n\t}\n\ts := l.accepts[l.accepted]\n"},
	{"an accepted socket inherits options", "listener.go", "\tchild.inherit(l)\n", ""},
	{"a socket that was shut and then listens hands it on", "listener.go", "l.linger, l.flags, l.shut", "l.linger, l.flags, s.shut"},

	// Connect.
	{"without TCP_QUICKACK the last ACK waits", "listener.go", "if s.flags&optDelayAck != 0 {", "if false {"},
	{"bytes carry the last ACK", "sock.go", "if s.ackDue && seg.reset != 1 && seg.reset != ownReset {", "if s.ackDue && seg.fin {"},
	{"the FIN carries the last ACK", "sock.go", "if s.ackDue && seg.reset != 1 && seg.reset != ownReset {", "if s.ackDue && seg.n > 0 {"},
	{"the last ACK waits for 200 ms", "listener.go", "const delayedAck = 200 *", "const delayedAck = 2000 *"},
	{"TCP_QUICKACK sends an ACK that waits", "sockopt.go", "if value != 0 && s.ackDue {", "if false && s.ackDue {"},
	{"a reset without the last ACK is heard by nobody", "sock.go", "\t\ts.peer.awaiting, s.peer.orphan = nil, true\n", "\t\ts.peer.join()\n"},
	{"a refused connect is ECONNREFUSED", "sock.go", "errno = syscall.ECONNREFUSED", "errno = syscall.ECONNRESET"},
	{"a second connect is EALREADY", "listener.go", "return syscall.EALREADY", "return syscall.EINPROGRESS"},
	{"connect after success says so once", "listener.go", "\t\ts.conn = connected\n\t\treturn nil\n", "\t\treturn nil\n"},
	{"connect after SO_ERROR took the error is ECONNABORTED", "listener.go", "err = syscall.ECONNABORTED", "err = syscall.ECONNREFUSED"},
	{"a failed attempt can be followed by another", "listener.go", "\t\t\ts.disconnect()\n\t\t\treturn err\n", "\t\t\treturn err\n"},
	{"shutdown of a failed attempt ends the socket's use", "sock.go", "s.conn = disconnecting", "s.conn = inProgress"},
	{"shutdown in SYN-SENT leaves ECONNRESET", "sock.go", "\t\ts.err = syscall.ECONNRESET\n", ""},
	{"connect forgets an old error", "listener.go", "\ts.err, s.done = nil, false // tcp_connect_init\n", ""},
	{"nothing is ready in SYN-SENT", "sock.go", "if s.state != tcpSynSent {\n\t\tif s.visible", "if true {\n\t\tif s.visible"},
	{"the end of a connection frees a port that nobody asked for", "sock.go", "\t\ts.hasPort, s.autobound = false, false\n", ""},

	// Data.
	{"peek takes nothing", "sock.go", "\t\tif drop {\n\t\t\ts.in.discard(n)", "\t\tif drop || n > 0 {\n\t\t\ts.in.discard(n)"},
	{"peek of nothing asks the stream", "sock.go", "if len(p) == 0 && drop {", "if len(p) == 0 {"},
	{"SO_RCVLOWAT holds IN back", "sock.go", "if s.visible >= min(s.lowat, s.rcvbuf) && s.visible > 0 {", "if s.visible > 0 {"},
	{"SO_RCVLOWAT holds the edge back", "sock.go", "\t\tif r.visible >= r.lowat {\n", "\t\tif r.visible > 0 {\n"},
	{"setting SO_RCVLOWAT makes an edge", "sockopt.go", "\t\tif s.visible >= s.lowat || s.done {\n", "\t\tif false {\n"},
	{"OUT needs a third of the buffer", "sock.go", "s.sndbuf-q >= q/2", "s.sndbuf-q > 0"},
	{"room after a full buffer makes an edge", "sock.go", "\t\ts.nospace = false\n\t\ts.wake(s.w, poller.Out)\n", "\t\ts.nospace = false\n"},
	{"a full buffer is EAGAIN", "sock.go", "\t\ts.nospace = true\n\t\treturn 0, syscall.EAGAIN", "\t\ts.nospace = true\n\t\treturn 0, syscall.ENOBUFS"},

	// The end of a connection.
	{"a FIN does not hide queued data", "sock.go", "\tr.done = true\n", "\tr.done = true\n\tr.in.discard(r.visible)\n\tr.visible = 0\n"},
	{"a FIN shows RDHUP", "sock.go", "bits |= poller.In | poller.RdHup", "bits |= poller.In"},
	{"a FIN alone is no HUP", "sock.go", "if s.shut == bothShut || s.state == tcpClose {", "if s.shut == bothShut || s.state == tcpClose || s.done {"},
	{"a FIN wakes whatever the mask", "sock.go", "\tr.w.noteNet(r, \"FIN arrives\")\n\tr.wake(r.w, 0)\n", "\tr.w.noteNet(r, \"FIN arrives\")\n\tr.wake(r.w, readable|poller.RdHup)\n"},
	{"a reset does not drop queued data", "sock.go", "\ts.shut = bothShut\n\ts.in.truncate(s.visible)\n\ts.flying, s.flight", "\ts.shut = bothShut\n\ts.in.truncate(0)\n\ts.visible = 0\n\ts.flying, s.flight"},
	{"queued data comes before the error", "sock.go", "\tif s.visible > 0 {\n\t\tn := min(len(p), s.visible)", "\tif s.visible > 0 && s.err == nil {\n\t\tn := min(len(p), s.visible)"},
	{"an error is told once", "sock.go", "\terr := s.err\n\ts.err = nil\n", "\terr := s.err\n"},
	{"SO_ERROR clears the error", "worker.go", "pending = s.takeError()", "pending = s.err"},
	{"a pending error shows ERR", "sock.go", "bits |= poller.Err", "bits |= 0"},
	{"a reset is ECONNRESET", "sock.go", "\tdefault:\n\t\terrno = syscall.ECONNRESET\n", "\tdefault:\n\t\terrno = syscall.EPIPE\n"},
	{"a reset after a FIN is EPIPE", "sock.go", "\t\terrno = syscall.EPIPE\n", "\t\terrno = syscall.ECONNRESET\n"},
	{"a dead connection has no peer address", "worker.go", "if s.state == tcpClose || s.state == tcpSynSent || s.state == tcpListen {\n\t\taddr, err", "if s.state == tcpSynSent || s.state == tcpListen {\n\t\taddr, err"},
	{"close with unread data resets", "sock.go", "case s.visible > 0 || s.linger == 0:", "case s.linger == 0:"},
	{"SO_LINGER 0 resets", "sock.go", "case s.visible > 0 || s.linger == 0:", "case s.visible > 0:"},
	{"shutdown makes an edge of one's own", "sock.go", "\t\t\ts.sendFin()\n\t\t}\n\t}\n\ts.wake(s.w, 0)\n\treturn err", "\t\t\ts.sendFin()\n\t\t}\n\t}\n\treturn err"},
	{"shutdown of a dead socket is ENOTCONN", "sock.go", "\t\t\terr = syscall.ENOTCONN\n", "\t\t\terr = syscall.EPIPE\n"},
	{"shutdown for reading lets data in", "sock.go", "case seg.n > 0 && r.shut&rcvShut != 0 && (r.state == tcpFinWait1 || r.state == tcpFinWait2):", "case seg.n > 0 && r.shut&rcvShut != 0:"},
	{"data after shutdown of both resets both", "sock.go", "case seg.n > 0 && r.shut&rcvShut != 0 && (r.state == tcpFinWait1 || r.state == tcpFinWait2):", "case seg.n > 0 && r.shut&rcvShut != 0 && r.orphan && (r.state == tcpFinWait1 || r.state == tcpFinWait2):"},
	{"write after shutdown is EPIPE", "sock.go", "case s.shut&sndShut != 0, s.state == tcpClose, s.state == tcpListen:\n\t\treturn 0, syscall.EPIPE", "case s.shut&sndShut != 0, s.state == tcpClose, s.state == tcpListen:\n\t\treturn 0, syscall.ENOTCONN"},
}
