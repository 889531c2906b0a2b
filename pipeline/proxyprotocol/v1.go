package proxyprotocol

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// maxV1 is how many bytes a line may have, its CR LF included. The specification
// counts 107, and Envoy one more.
const maxV1 = 108

// parseV1 judges a stream that begins with signatureV1.
func parseV1(b []byte) (Header, Status) {
	h := Header{Version: V1}
	line, _, whole := bytes.Cut(b[:min(len(b), maxV1)], []byte("\r\n"))
	switch {
	case !whole && len(b) < maxV1:
		return h, NeedMore
	case !whole:
		return h, Invalid
	}
	fields := strings.Split(string(line[len(signatureV1):]), " ")
	if fields[0] == "UNKNOWN" { // what follows is to be ignored
		return Header{Version: V1, Local: true, Len: len(line) + 2}, Found
	}
	if len(fields) != 5 || fields[0] != "TCP4" && fields[0] != "TCP6" {
		return h, Invalid
	}
	source, ok := addrPort(fields[0], fields[1], fields[3])
	destination, ok2 := addrPort(fields[0], fields[2], fields[4])
	if !ok || !ok2 {
		return h, Invalid
	}
	return Header{Version: V1, Source: source, Destination: destination, Len: len(line) + 2}, Found
}

// addrPort reads one end of the connection.
func addrPort(family, address, port string) (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Is4() != (family == "TCP4") || ip.Zone() != "" || !unicast(ip) {
		return netip.AddrPort{}, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip, uint16(n)), true
}
