package proxyprotocol

import (
	"encoding/binary"
	"iter"
)

// TLV is one more thing that a header of version 2 says (section 2.2).
type TLV struct {
	Type  byte
	Value []byte
}

// Types of section 2.2.
const (
	TypeALPN      byte = 0x01
	TypeAuthority byte = 0x02
	TypeCRC32C    byte = 0x03
	TypeNoop      byte = 0x04
	TypeUniqueID  byte = 0x05
	TypeSSL       byte = 0x20
	TypeNetNS     byte = 0x30
)

// TLVs is a list on the wire: type, two bytes of length, value. Nil is empty.
type TLVs []byte

const tlvHeader = 3

// All goes over the list in order, as far as it is well formed; that of a Header
// from Parse is. The values are parts of t.
func (t TLVs) All() iter.Seq[TLV] {
	return func(yield func(TLV) bool) {
		for {
			tlv, rest, ok := t.cut()
			if !ok || !yield(tlv) {
				return
			}
			t = rest
		}
	}
}

// wellFormed says whether the list ends with the end of a value.
func (t TLVs) wellFormed() bool {
	for len(t) > 0 {
		_, rest, ok := t.cut()
		if !ok {
			return false
		}
		t = rest
	}
	return true
}

func (t TLVs) cut() (tlv TLV, rest TLVs, ok bool) {
	if len(t) < tlvHeader {
		return TLV{}, nil, false
	}
	end := tlvHeader + int(binary.BigEndian.Uint16(t[1:]))
	if len(t) < end {
		return TLV{}, nil, false
	}
	return TLV{t[0], t[tlvHeader:end:end]}, t[end:], true
}

// appendTo appends the TLV as it is on the wire. The value has to fit.
func (t TLV) appendTo(dst []byte) []byte {
	dst = append(dst, t.Type)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(t.Value)))
	return append(dst, t.Value...)
}
