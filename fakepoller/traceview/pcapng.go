package traceview

import (
	"encoding/binary"
	"io"

	"edgewise.test/fakepoller"
)

// PCAPNG writes the network's part of a trace as a capture for Wireshark
// (draft-ietf-opsawg-pcapng), of raw IP packets at the place where they arrive:
// what was lost on the way is not in it. Virtual time 0 is [fakepoller.Epoch].
//
// A trace knows connections, bytes, FIN and RST. Handshakes and acknowledgements
// are made up around them, so that a stream looks like one of Linux's loopback.
// A SYN is there once, however often it was sent. Deviations are comments on the
// packet that they changed, or on the next one; states and findings are comments
// on the packet that they follow. Each begins with its virtual time.
//
// Errors are those of w.
func PCAPNG(w io.Writer, events []fakepoller.Event) error {
	b := appendSection(nil)
	for _, p := range capture(events) {
		b = appendPacket(b, p)
	}
	_, err := w.Write(b)
	return err
}

// Block types and options, from sections 4 and 3.5 of the draft.
const (
	blockSection   = 0x0A0D0D0A
	blockInterface = 1
	blockPacket    = 6

	byteOrderMagic = 0x1A2B3C4D

	optionEnd          = 0
	optionComment      = 1
	optionApplication  = 4 // of a section
	optionName         = 2 // of an interface
	optionTimeUnit     = 9 // of an interface
	nanoseconds        = 9 // 10^-9 s
	linkTypeRaw        = 101
	wholePackets       = 0 // snapshot length: no limit
	unknownSection     = ^uint64(0)
	versionMajor       = 1
	versionMinor       = 0
	maxOption          = 1<<16 - 1
	interfaceOfPackets = 0
)

var order = binary.LittleEndian

// appendSection begins a section with one interface.
func appendSection(b []byte) []byte {
	b = appendBlock(b, blockSection, func(b []byte) []byte {
		b = order.AppendUint32(b, byteOrderMagic)
		b = order.AppendUint16(b, versionMajor)
		b = order.AppendUint16(b, versionMinor)
		b = order.AppendUint64(b, unknownSection)
		b = appendOption(b, optionApplication, "edgewise")
		return appendOption(b, optionEnd, "")
	})
	return appendBlock(b, blockInterface, func(b []byte) []byte {
		b = order.AppendUint16(b, linkTypeRaw)
		b = order.AppendUint16(b, 0)
		b = order.AppendUint32(b, wholePackets)
		b = appendOption(b, optionName, "fakepoller")
		b = appendOption(b, optionTimeUnit, string([]byte{nanoseconds}))
		return appendOption(b, optionEnd, "")
	})
}

func appendPacket(b []byte, p *packet) []byte {
	return appendBlock(b, blockPacket, func(b []byte) []byte {
		at := uint64(fakepoller.Epoch.Add(p.at).UnixNano())
		b = order.AppendUint32(b, interfaceOfPackets)
		b = order.AppendUint32(b, uint32(at>>32))
		b = order.AppendUint32(b, uint32(at))
		data := p.bytes()
		b = order.AppendUint32(b, uint32(len(data)))
		b = order.AppendUint32(b, uint32(len(data)))
		b = appendPadded(b, data)
		for _, c := range p.comments {
			b = appendOption(b, optionComment, c)
		}
		if len(p.comments) > 0 {
			b = appendOption(b, optionEnd, "")
		}
		return b
	})
}

// appendBlock frames what body appends.
func appendBlock(b []byte, kind uint32, body func([]byte) []byte) []byte {
	start := len(b)
	b = order.AppendUint32(b, kind)
	b = body(order.AppendUint32(b, 0))
	size := uint32(len(b) - start + 4)
	order.PutUint32(b[start+4:], size)
	return order.AppendUint32(b, size)
}

func appendOption[T string | []byte](b []byte, code uint16, value T) []byte {
	value = value[:min(len(value), maxOption)]
	b = order.AppendUint16(b, code)
	b = order.AppendUint16(b, uint16(len(value)))
	return appendPadded(b, value)
}

func appendPadded[T string | []byte](b []byte, value T) []byte {
	b = append(b, value...)
	for n := len(value); n%4 != 0; n++ {
		b = append(b, 0)
	}
	return b
}
