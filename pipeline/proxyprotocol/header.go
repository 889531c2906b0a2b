package proxyprotocol

import (
	"net/netip"
	"strings"
)

// Version is a version of the protocol. 0 is none.
type Version uint8

// The versions that there are: a line of text, and binary.
const (
	V1 Version = 1
	V2 Version = 2
)

// Status is what the bytes received so far are.
type Status uint8

const (
	// NeedMore: a header may still become of it.
	NeedMore Status = iota
	// Found: a whole header.
	Found
	// NotFound: the stream does not begin with the signature of either version.
	NotFound
	// Invalid: it does, and no bytes that follow can make it a good header.
	Invalid
)

// String returns the name of the constant.
func (s Status) String() string {
	switch s {
	case NeedMore:
		return "NeedMore"
	case Found:
		return "Found"
	case NotFound:
		return "NotFound"
	case Invalid:
		return "Invalid"
	}
	return "Status(?)"
}

// Header is what a header says.
type Header struct {
	Version Version
	// Local: the header is about no client (LOCAL, or UNKNOWN in version 1). The
	// connection keeps its own addresses, and the rest is zero.
	Local bool
	// Source and Destination are the ends of the client's connection. They are
	// unicast and of one family.
	Source, Destination netip.AddrPort
	// TLVs is the list behind the addresses of version 2. Parse returns a part of
	// its input.
	TLVs TLVs
	// Len is the number of bytes of the whole header.
	Len int
}

const (
	signatureV1 = "PROXY "
	signatureV2 = "\r\n\r\n\x00\r\nQUIT\n"
)

// Parse judges b, which is all that the stream has brought so far: what a peek
// returns. b is not kept, except that TLVs refers to it.
//
// The verdict depends on the stream alone, not on how it was cut into reads. A
// status other than NeedMore is final. Bytes behind the header are not looked at.
// With a status other than Found only two fields of the Header are good: Version, 0
// before the end of the signature, and Len, 0 before the first 16 bytes of version 2.
func Parse(b []byte) (Header, Status) {
	switch {
	case beginsWith(b, signatureV2):
		return parseV2(b)
	case beginsWith(b, signatureV1):
		return parseV1(b)
	case mayBegin(b, signatureV2), mayBegin(b, signatureV1):
		return Header{}, NeedMore
	}
	return Header{}, NotFound
}

func beginsWith(b []byte, signature string) bool {
	return len(b) >= len(signature) && string(b[:len(signature)]) == signature
}

// mayBegin says whether b and signature have the same bytes, as far as both go.
func mayBegin(b []byte, signature string) bool {
	b = b[:min(len(b), len(signature))]
	return strings.HasPrefix(signature, string(b))
}

// unicast says whether a connection can have ip at one end.
func unicast(ip netip.Addr) bool {
	ip = ip.Unmap()
	return !ip.IsUnspecified() && !ip.IsMulticast() && ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
