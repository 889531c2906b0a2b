package poller

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// putAddrPort writes addr as the sockaddr_in or sockaddr_in6 of ip(7) and
// ipv6(7). mapped makes a sockaddr_in6 of an IPv4 address. The zero AddrPort has no
// family: EINVAL.
func putAddrPort(sa *unix.RawSockaddrAny, addr netip.AddrPort, mapped bool) error {
	ip := addr.Addr()
	switch {
	case !ip.IsValid():
		return syscall.EINVAL
	case (ip.Is4() || ip.Is4In6()) && !mapped:
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		*sa4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: ip.Unmap().As4()}
		putPort(&sa4.Port, addr.Port())
		return nil
	}
	scope, err := scopeOf(ip.Zone())
	if err != nil {
		return err
	}
	sa6 := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
	*sa6 = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: ip.As16(), Scope_id: scope}
	putPort(&sa6.Port, addr.Port())
	return nil
}

// addrPortOf reads what the kernel wrote. Mapped addresses come out as IPv4, so
// that a peer has one form whichever socket it came through (Envoy does the
// same: address_impl.cc addressFromSockAddr). A zone is the number of the
// interface. Another family gives the zero AddrPort.
func addrPortOf(sa *unix.RawSockaddrAny) netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa4.Addr), port(&sa4.Port))
	case unix.AF_INET6:
		sa6 := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		ip := netip.AddrFrom16(sa6.Addr).Unmap()
		if sa6.Scope_id != 0 && ip.Is6() {
			ip = ip.WithZone(strconv.FormatUint(uint64(sa6.Scope_id), 10))
		}
		return netip.AddrPortFrom(ip, port(&sa6.Port))
	}
	return netip.AddrPort{}
}

// scopeOf accepts the number or the name of an interface: ENODEV for a name that
// there is not.
func scopeOf(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	ifi, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, syscall.ENODEV
	}
	return uint32(ifi.Index), nil
}

func putPort(field *uint16, port uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(field))[:], port)
}

func port(field *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(field))[:])
}
