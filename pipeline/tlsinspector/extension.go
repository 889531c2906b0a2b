package tlsinspector

import (
	"bytes"
	"slices"
)

const (
	extensionServerName = 0  // RFC 6066 3
	extensionALPN       = 16 // RFC 7301 3.1
	maxServerName       = 255
)

// hostName reads the data of a server_name extension. As BoringSSL, it wants one
// name and that of type host_name: RFC 6066 3 allows one name per type and has no
// other type, and a list that two parsers may read differently is no base for a
// routing decision.
func hostName(data []byte) (name []byte, ok bool) {
	c := cursor{rest: data}
	list := cursor{rest: c.vector16()}
	isHostName := list.uint8() == 0
	name = list.vector16()
	ok = isHostName && !c.failed && !c.more() && !list.failed && !list.more() &&
		len(name) > 0 && len(name) <= maxServerName && bytes.IndexByte(name, 0) < 0
	return name, ok
}

// protocolNames reads the data of an ALPN extension: nil when it is malformed.
func protocolNames(data []byte) ProtocolNameList {
	c := cursor{rest: data}
	list := c.vector16()
	if c.failed || c.more() {
		return nil
	}
	for names := (cursor{rest: list}); names.more(); {
		if len(names.vector8()) == 0 { // also when it failed
			return nil
		}
	}
	return list
}

// extensionSet is a set of extension types, one bit each.
type extensionSet [1 << 16 / 64]uint64

// fewExtensions is more than clients send. So many are compared with each other;
// hellos with more are not made to be read.
const fewExtensions = 64

// distinct reports whether extensions is a well-formed list in which no type comes
// twice (RFC 8446 4.2).
func (p *Parser) distinct(extensions []byte) bool {
	var kinds [fewExtensions]uint16
	var maybe uint64 // a bit of each type so far
	n := 0
	for c := (cursor{rest: extensions}); c.more(); n++ {
		if n == len(kinds) {
			if p.seen == nil {
				p.seen = new(extensionSet)
			}
			return p.seen.distinct(extensions)
		}
		kind, _ := c.extension()
		bit := uint64(1) << (kind % 64)
		if c.failed || maybe&bit != 0 && slices.Contains(kinds[:n], kind) {
			return false
		}
		maybe |= bit
		kinds[n] = kind
	}
	return true
}

// distinct finds a pair by a bit per type, which keeps a hello of 4000 empty
// extensions linear. s is empty before and after, which costs a second walk over
// those that are there and not 8 KiB of zeros.
func (s *extensionSet) distinct(extensions []byte) bool {
	count, ok := 0, true
	for c := (cursor{rest: extensions}); ok && c.more(); {
		kind, _ := c.extension()
		bit := uint64(1) << (kind % 64)
		if c.failed || s[kind/64]&bit != 0 {
			ok = false
			break
		}
		s[kind/64] |= bit
		count++
	}
	for c := (cursor{rest: extensions}); count > 0; count-- {
		kind, _ := c.extension()
		s[kind/64] = 0
	}
	return ok
}
