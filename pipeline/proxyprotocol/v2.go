package proxyprotocol

import (
	"encoding/binary"
	"net/netip"
)

// The fixed part of version 2: signature, version and command, family and
// transport, length of the rest.
const fixedV2 = 16

const (
	versionV2    = 0x20 // high half of byte 12
	commandLocal = 0    // low half
	commandProxy = 1

	familyInet  = 0x10 // high half of byte 13
	familyInet6 = 0x20
	stream      = 1 // low half
	dgram       = 2

	addressesInet  = 4 + 4 + 2 + 2
	addressesInet6 = 16 + 16 + 2 + 2
)

// parseV2 judges a stream that begins with signatureV2.
func parseV2(b []byte) (Header, Status) {
	h := Header{Version: V2}
	local, addresses := false, 0
	if len(b) > 12 {
		if b[12] != versionV2|commandLocal && b[12] != versionV2|commandProxy {
			return h, Invalid
		}
		local = b[12] == versionV2|commandLocal
	}
	if len(b) > 13 && !local {
		switch b[13] {
		case familyInet | stream, familyInet | dgram:
			addresses = addressesInet
		case familyInet6 | stream, familyInet6 | dgram:
			addresses = addressesInet6
		default:
			return h, Invalid
		}
	}
	if len(b) < fixedV2 {
		return h, NeedMore
	}
	rest := int(binary.BigEndian.Uint16(b[14:]))
	if rest < addresses {
		return h, Invalid
	}
	h.Len = fixedV2 + rest
	if len(b) < h.Len {
		return h, NeedMore
	}
	if local { // family and the rest are to be ignored
		h.Local = true
		return h, Found
	}
	source, destination := addressPair(b[fixedV2:], addresses)
	tlvs := TLVs(b[fixedV2+addresses : h.Len : h.Len])
	if !unicast(source.Addr()) || !unicast(destination.Addr()) || !tlvs.wellFormed() {
		return h, Invalid
	}
	h.Source, h.Destination, h.TLVs = source, destination, tlvs
	return h, Found
}

// addressPair reads the addresses and ports of version 2, size bytes.
func addressPair(b []byte, size int) (source, destination netip.AddrPort) {
	n := size/2 - 2 // bytes of an address
	from, _ := netip.AddrFromSlice(b[:n])
	to, _ := netip.AddrFromSlice(b[n : 2*n])
	return netip.AddrPortFrom(from, binary.BigEndian.Uint16(b[2*n:])),
		netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2*n+2:]))
}
