package traceview

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// The control bits of RFC 9293, 3.1.
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
)

// packet is a TCP segment in its IP packet.
type packet struct {
	at       time.Duration
	route    route
	seq, ack uint32
	flags    byte
	data     []byte
	comments []string
}

const (
	// window is what every packet announces. It is never full: all that arrives is
	// acknowledged at once.
	window = 65535
	// maxSegment is that of Linux's loopback with IPv6: what an IPv4 packet can hold
	// with a little to spare.
	maxSegment = 65475

	hopLimit    = 64
	protocolTCP = 6
	ipv4Header  = 20
	tcpHeader   = 20
	dontBreak   = 0x4000 // DF
	ipv6Version = 6 << 28
)

// bytes returns the packet from its IP header on.
func (p *packet) bytes() []byte {
	tcp := p.segment()
	from, to := family(p.route)
	if from.Is4() {
		var b []byte
		b = append(b, 4<<4|ipv4Header/4, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(ipv4Header+len(tcp)))
		b = append(b, 0, 0)
		b = binary.BigEndian.AppendUint16(b, dontBreak)
		b = append(b, hopLimit, protocolTCP, 0, 0)
		b = append(b, from.AsSlice()...)
		b = append(b, to.AsSlice()...)
		binary.BigEndian.PutUint16(b[10:], checksum(0, b))
		return append(b, tcp...)
	}
	var b []byte
	b = binary.BigEndian.AppendUint32(b, ipv6Version)
	b = binary.BigEndian.AppendUint16(b, uint16(len(tcp)))
	b = append(b, protocolTCP, hopLimit)
	b = append(b, from.AsSlice()...)
	b = append(b, to.AsSlice()...)
	return append(b, tcp...)
}

// segment returns the TCP header with its checksum, and the data.
func (p *packet) segment() []byte {
	var options []byte
	if p.flags&flagSYN != 0 {
		options = binary.BigEndian.AppendUint16([]byte{2, 4}, maxSegment)
	}
	var b []byte
	b = binary.BigEndian.AppendUint16(b, p.route.from.Port())
	b = binary.BigEndian.AppendUint16(b, p.route.to.Port())
	b = binary.BigEndian.AppendUint32(b, p.seq)
	b = binary.BigEndian.AppendUint32(b, p.ack)
	b = append(b, byte((tcpHeader+len(options))/4)<<4, p.flags)
	b = binary.BigEndian.AppendUint16(b, window)
	b = append(b, 0, 0, 0, 0)
	b = append(b, options...)
	b = append(b, p.data...)
	binary.BigEndian.PutUint16(b[16:], checksum(p.pseudoHeader(len(b)), b))
	return b
}

// pseudoHeader is the sum of RFC 9293, 3.1, and RFC 8200, 8.1, which come to the same.
func (p *packet) pseudoHeader(length int) uint64 {
	from, to := family(p.route)
	return sum(from.AsSlice()) + sum(to.AsSlice()) + protocolTCP + uint64(length)
}

// family returns both addresses in the one family that can hold them.
func family(r route) (from, to netip.Addr) {
	from, to = r.from.Addr().Unmap(), r.to.Addr().Unmap()
	if from.Is4() != to.Is4() {
		return netip.AddrFrom16(from.As16()), netip.AddrFrom16(to.As16())
	}
	return from, to
}

// checksum is RFC 1071's, on top of an earlier sum.
func checksum(earlier uint64, b []byte) uint16 {
	s := earlier + sum(b)
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

func sum(b []byte) (s uint64) {
	for len(b) >= 2 {
		s += uint64(b[0])<<8 | uint64(b[1])
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}
