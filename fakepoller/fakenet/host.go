package fakenet

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"

	"edgewise.test/fakepoller"
)

// Host is a process with a descriptor table of its own: a program or a client.
// Its name is the actor in traces, and labels what it dials.
type Host struct {
	n    *Net
	name string
	k    *fakepoller.Worker
	seq  [kinds]int // under Net.mu
	next *Host
}

// Listen is [net.Listen]. Network is "tcp", "tcp4" or "tcp6".
func (h *Host) Listen(network, address string) (net.Listener, error) {
	to, err := h.n.resolve(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	s, err := h.listen(to)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.TCPAddrFromAddrPort(to), Err: systemError("bind", err)}
	}
	return newListener(s), nil
}

// Dial is [net.Dial].
func (h *Host) Dial(network, address string) (net.Conn, error) {
	return h.DialContext(context.Background(), network, address)
}

// DialContext is that of [net.Dialer].
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := h.n.resolve(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	if err := ctx.Err(); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(to), Err: contextError(err)}
	}
	s, err := h.dial(ctx, to)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(to), Err: systemError("connect", err)}
	}
	return newConn(s), nil
}

//go:norace
func (h *Host) listen(to netip.AddrPort) (*socket, error) {
	raceDisable()
	o := h.n.newOp(kindListen)
	o.host, o.from, o.addr = h.name, h, to
	h.n.call(o)
	made, err := o.made, o.err
	h.n.freeOp(o)
	raceEnable()
	return made, err
}

//go:norace
func (h *Host) dial(ctx context.Context, to netip.AddrPort) (*socket, error) {
	// A recycled operation would order this goroutine behind its earlier owner,
	// because the wait for ctx has to count.
	o := &op{done: make(chan struct{}, 1)}
	o.kind, o.host, o.from, o.addr = kindDial, h.name, h, to
	e := &edge{}
	raceRelease(e)
	o.edge = e
	raceDisable()
	ok := h.n.submit(o)
	raceEnable()
	if !ok {
		return nil, errStopped
	}
	select {
	case <-o.done:
	case <-ctx.Done():
		raceDisable()
		o.cancelled.Store(true)
		h.n.wake()
		<-o.done
		raceEnable()
		if _, err := o.result(); err == errCancelled {
			return nil, contextError(ctx.Err())
		}
	}
	return o.result()
}

// result is what the scheduler has left in a dial.
//
//go:norace
func (o *op) result() (*socket, error) {
	err := o.err
	if o.failed != "" {
		err = os.NewSyscallError(o.failed, err)
	}
	return o.made, err
}

// resolve finds an address. There is no DNS: names are those of Config.Hosts.
func (n *Net) resolve(network, address string) (netip.AddrPort, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	name, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		known, err := net.LookupPort(network, service)
		if err != nil {
			return netip.AddrPort{}, err
		}
		port = uint64(known)
	}
	ip, err := netip.ParseAddr(name)
	if err == nil {
		return netip.AddrPortFrom(ip.Unmap(), uint16(port)), nil
	}
	ip, ok := n.cfg.Hosts[name]
	switch {
	case ok:
	case name == "" || name == "localhost":
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	default:
		return netip.AddrPort{}, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return netip.AddrPortFrom(ip, uint16(port)), nil
}
