package fakepoller

import (
	"net/netip"
	"syscall"

	"edgewise.test/poller"
)

var _ poller.OriginalDst = (*Worker)(nil)

// DialRedirected is [Peer.DialFrom] to original, which the machine of the listener
// redirects to a listener at to (the REDIRECT target of iptables(8)). The zero
// AddrPort picks from. Only [Worker.OriginalDst] tells of it, for this and for every
// later connection from the same address and port.
func (p *Peer) DialRedirected(from, original, to netip.AddrPort) (*Conn, error) {
	if from.Port() == 0 {
		ip := from.Addr()
		if !ip.IsValid() {
			ip = loopback(to.Addr())
		}
		from = netip.AddrPortFrom(ip, p.w.ephemeral())
	}
	if p.w.redirects == nil {
		p.w.redirects = make(map[netip.AddrPort]netip.AddrPort)
	}
	p.w.redirects[from] = original
	return p.DialFrom(from, to)
}

// OriginalDst implements [poller.OriginalDst].
func (k *Worker) OriginalDst(fd poller.FD) (netip.AddrPort, error) {
	s, err := k.begin(CallSockOpt, fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	original, ok := k.w.redirects[s.remote]
	if !ok {
		err = syscall.ENOENT
	}
	k.w.note(&k.chooser, &s.chooser, CallSockOpt, fd, -1, 0, err)
	return original, err
}
