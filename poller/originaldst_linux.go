package poller

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// soOriginalDst is SO_ORIGINAL_DST of linux/netfilter_ipv4.h and
// IP6T_SO_ORIGINAL_DST of linux/netfilter_ipv6/ip6_tables.h.
const soOriginalDst = 80

// OriginalDst implements the interface of its name: first what the REDIRECT and DNAT
// targets of netfilter have remembered, then, for a transparent socket (TPROXY),
// its own address. An IPv4 connection may be on an Inet6 socket.
func (e *Epoll) OriginalDst(fd FD) (netip.AddrPort, error) {
	domain, err := e.getInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return netip.AddrPort{}, err
	}
	transparent := [2]int{unix.SOL_IP, unix.IP_TRANSPARENT}
	if Domain(domain) == Inet6 {
		transparent = [2]int{unix.SOL_IPV6, unix.IPV6_TRANSPARENT}
		if addr, err := e.originalDst(fd, unix.SOL_IPV6); err == nil {
			return addr, nil
		}
	}
	addr, err := e.originalDst(fd, unix.SOL_IP)
	if err == nil {
		return addr, nil
	}
	if on, failed := e.getInt(fd, transparent[0], transparent[1]); failed == nil && on != 0 {
		return e.LocalAddr(fd)
	}
	return netip.AddrPort{}, err
}

func (e *Epoll) originalDst(fd FD, level int) (netip.AddrPort, error) {
	b := &e.sock
	size := uintptr(unix.SizeofSockaddrInet4)
	if level == unix.SOL_IPV6 {
		size = unix.SizeofSockaddrInet6
	}
	if err := e.getsockopt(fd, level, soOriginalDst, unsafe.Pointer(&b.addr), size); err != nil {
		return netip.AddrPort{}, err
	}
	return addrPortOf(&b.addr), nil
}
