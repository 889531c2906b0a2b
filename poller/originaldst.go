package poller

import "net/netip"

// OriginalDst is an optional power of a Kernel, found by assertion: it tells where
// a connection was going before this machine redirected it to a listener of ours.
type OriginalDst interface {
	// OriginalDst returns the destination that the client has asked for. A socket
	// that was not redirected gives ENOENT, or ENOPROTOOPT where the system does
	// not track connections.
	OriginalDst(fd FD) (netip.AddrPort, error)
}
