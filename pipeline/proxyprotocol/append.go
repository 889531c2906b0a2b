package proxyprotocol

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
)

// AppendV1 appends a header of version 1 to dst. When one address is not known
// (the zero AddrPort) it is UNKNOWN: the receiver takes the addresses of the
// connection. An IPv4 address beside an IPv6 one is written as an IPv6 one. Zones
// are left out.
func AppendV1(dst []byte, source, destination netip.AddrPort) []byte {
	from, to, ok := pair(source, destination)
	if !ok {
		return append(dst, signatureV1+"UNKNOWN\r\n"...)
	}
	family := "TCP6"
	if from.Is4() {
		family = "TCP4"
	}
	return fmt.Appendf(dst, "%s%s %v %v %d %d\r\n", signatureV1, family, from, to, source.Port(), destination.Port())
}

// AppendV2 appends a header of version 2, for a TCP stream, to dst. When one
// address is not known it is LOCAL. The error says that the TLVs are too long for
// one header; dst is returned as it was.
func AppendV2(dst []byte, source, destination netip.AddrPort, tlvs ...TLV) ([]byte, error) {
	from, to, ok := pair(source, destination)
	command, family := byte(versionV2|commandProxy), byte(familyInet6|stream)
	rest := addressesInet6
	switch {
	case !ok:
		command, family, rest = versionV2|commandLocal, 0, 0
	case from.Is4():
		family, rest = familyInet|stream, addressesInet
	}
	for _, t := range tlvs {
		rest += tlvHeader + len(t.Value)
	}
	if rest > math.MaxUint16 {
		return dst, fmt.Errorf("PROXY header: got %d bytes of addresses and TLVs, want at most %d", rest, math.MaxUint16)
	}
	dst = append(dst, signatureV2...)
	dst = append(dst, command, family)
	dst = binary.BigEndian.AppendUint16(dst, uint16(rest))
	if ok {
		dst = append(dst, from.AsSlice()...)
		dst = append(dst, to.AsSlice()...)
		dst = binary.BigEndian.AppendUint16(dst, source.Port())
		dst = binary.BigEndian.AppendUint16(dst, destination.Port())
	}
	for _, t := range tlvs {
		dst = t.appendTo(dst)
	}
	return dst, nil
}

// pair returns the addresses in one family, without zones.
func pair(source, destination netip.AddrPort) (from, to netip.Addr, ok bool) {
	from, to = source.Addr().Unmap().WithZone(""), destination.Addr().Unmap().WithZone("")
	if from.Is4() != to.Is4() && from.IsValid() && to.IsValid() {
		from, to = netip.AddrFrom16(from.As16()), netip.AddrFrom16(to.As16())
	}
	return from, to, from.IsValid() && to.IsValid()
}
