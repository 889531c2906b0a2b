package main

import (
	"net/netip"
	"slices"
	"syscall"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/pipeline/tlsinspector"
	"edgewise.test/poller"
	"edgewise.test/proptest"
)

// inspector is a small event loop of the kind that proxies have: it accepts,
// peeks at each socket until the ClientHello is whole, and notes the name that it
// would route by. Sockets that take too long are closed.
//
// It has libevent's mapping of events, as Envoy's listener filters see them: an
// event with EPOLLERR is only ever "readable". A peek then shows the bytes that
// were there before, no further edge comes, and the slot of a client that is
// gone is held until the timeout.
type inspector struct {
	w      *proptest.World
	k      poller.Kernel
	listen poller.FD
	fixed  bool // an error ends the inspection at once
	parser tlsinspector.Parser
	slots  []slot   // by token
	routed []string // names
	buffer [4096]byte
}

type slot struct {
	fd       poller.FD
	deadline time.Duration
	reset    time.Duration // when EPOLLERR was reported; 0: never
}

const inspectTimeout = 15 * time.Second

// edges is what the inspector asks of the poller. Token 0 is the listener.
const edges = poller.In | poller.RdHup | poller.EdgeTriggered

func (in *inspector) run() {
	in.slots = append(in.slots[:0], slot{fd: -1})
	if err := in.k.Add(in.listen, poller.In, 0); err != nil {
		in.w.Fatalf("add the listener: %v", err)
	}
	var events [16]poller.Event
	for {
		n, err := in.k.Wait(events[:], in.timeout())
		if err != nil && err != syscall.EINTR {
			in.w.Fatalf("wait: %v", err)
		}
		for _, e := range events[:n] {
			if e.Token == 0 {
				in.accept()
			} else {
				in.onEvent(int(e.Token), e.Events)
			}
		}
		in.expire()
	}
}

func (in *inspector) timeout() time.Duration {
	next := time.Duration(-1)
	for _, s := range in.slots {
		if s.fd >= 0 && (next < 0 || s.deadline < next) {
			next = s.deadline
		}
	}
	if next < 0 {
		return -1
	}
	return max(next-in.k.Now(), 0)
}

func (in *inspector) accept() {
	fd, _, err := in.k.Accept(in.listen)
	if err != nil {
		return // level-triggered: the event comes again
	}
	in.slots = append(in.slots, slot{fd: fd, deadline: in.k.Now() + inspectTimeout})
	annotate(in.k, fd, "inspecting")
	if err := in.k.Add(fd, edges, poller.Token(len(in.slots)-1)); err != nil {
		in.close(len(in.slots)-1, "refused")
	}
}

func (in *inspector) onEvent(i int, events poller.Events) {
	s := &in.slots[i]
	if s.fd < 0 {
		return
	}
	if events&poller.Err != 0 {
		s.reset = in.k.Now() + 1
		if in.fixed {
			in.close(i, "reset")
			return
		}
	}
	n, err := in.k.Peek(s.fd, in.buffer[:])
	switch {
	case err == syscall.EAGAIN:
		return
	case err != nil || n == 0:
		in.close(i, "closed by the client")
		return
	}
	hello, status := in.parser.Parse(in.buffer[:n])
	switch status {
	case tlsinspector.Found:
		in.routed = append(in.routed, string(hello.ServerName))
		in.close(i, "routed")
	case tlsinspector.NeedMore:
		annotate(in.k, s.fd, "wants more")
		if events&(poller.RdHup|poller.Err) == poller.RdHup {
			in.close(i, "closed by the client")
		}
	default:
		in.close(i, "not TLS")
	}
}

// expire closes what took too long. A slot of a client whose reset the kernel
// reported should have been gone by then.
func (in *inspector) expire() {
	now := in.k.Now()
	for i := range in.slots {
		s := &in.slots[i]
		if s.fd < 0 || s.deadline > now {
			continue
		}
		if s.reset != 0 {
			in.w.Errorf("slot leak: fd %d was held until its timeout at %v, though its client's reset was reported at %v", s.fd, now, s.reset-1)
		}
		in.close(i, "timed out")
	}
}

func (in *inspector) close(i int, why string) {
	s := &in.slots[i]
	if s.fd < 0 {
		return
	}
	annotate(in.k, s.fd, why)
	in.k.Remove(s.fd)
	in.k.Close(s.fd)
	s.fd = -1
}

func annotate(k poller.Kernel, fd poller.FD, state string) {
	if a, ok := k.(poller.Annotator); ok {
		a.Annotate(fd, state)
	}
}

var listenAddr = netip.MustParseAddrPort("127.0.0.1:443")

// hiddenReset lets three clients dial the inspector at once.
func hiddenReset(fixed bool) func(*proptest.World) {
	return func(w *proptest.World) {
		k := w.NewWorker()
		in := &inspector{w: w, k: k, fixed: fixed}
		var err error
		if in.listen, err = poller.ListenTCP(k, listenAddr, poller.ListenConfig{}); err != nil {
			w.Fatalf("listen: %v", err)
		}
		k.Go(in.run)
		clients := []string{"alice.test", "bob.test", "carol.test"}
		for _, name := range clients {
			w.Peer(name, func(p *fakepoller.Peer) {
				c, err := p.Dial(listenAddr)
				if err != nil {
					return
				}
				c.Write(clientHello(name))
				c.Read(make([]byte, 1)) // until the inspector closes
			})
		}
		w.Run()
		for _, name := range in.routed {
			if !slices.Contains(clients, name) {
				w.Errorf("wrong route: %q, which nobody asked for", name)
			}
		}
	}
}
