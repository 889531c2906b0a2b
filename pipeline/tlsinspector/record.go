package tlsinspector

const (
	recordHeaderLen  = 5
	maxRecordLen     = 1 << 14 // RFC 8446 5.1
	recordHandshake  = 22
	messageHeaderLen = 4
	clientHello      = 1
)

// recordHeader judges the record header at the start of b; Found brings the length
// of the record. Of the version only the high byte counts, as in BoringSSL and
// OpenSSL: clients send 3.1 and 3.3, and RFC 8446 5.1 wants the low byte ignored.
// A record may not be empty (RFC 8446 5.1).
func recordHeader(b []byte) (length int, status Status) {
	if len(b) > 0 && b[0] != recordHandshake || len(b) > 1 && b[1] != 3 {
		return 0, NotTLS
	}
	if len(b) < recordHeaderLen {
		return 0, NeedMore
	}
	length = int(b[3])<<8 | int(b[4])
	if length == 0 || length > maxRecordLen {
		return 0, NotTLS
	}
	return length, Found
}

// measure walks over the records of b up to the end of the first handshake
// message, which has to be a ClientHello. Found brings the length of the message,
// its header included.
//
// Everything is judged in the order of the stream: only so is a verdict the same
// for every longer b.
func measure(b []byte, limit int) (size int, status Status) {
	var header [messageHeaderLen]byte
	size = maxRecordLen + 1 // no message within limit is so long
	for seen, at := 0, 0; ; {
		length, status := recordHeader(b[at:])
		if status != Found {
			return 0, status
		}
		at += recordHeaderLen
		payload := b[at:min(at+length, len(b))]
		if seen < messageHeaderLen && len(payload) > 0 {
			copy(header[seen:], payload)
			if header[0] != clientHello {
				return 0, NotTLS
			}
			if seen+len(payload) >= messageHeaderLen {
				size = messageHeaderLen + (int(header[1])<<16 | int(header[2])<<8 | int(header[3]))
				if at+size-seen > limit {
					return 0, TooLarge
				}
			}
		}
		seen += len(payload)
		if seen >= size {
			return size, Found
		}
		if len(payload) < length {
			return 0, NeedMore
		}
		at += length
	}
}

// message returns the first size bytes of what the records of b carry. measure has
// seen that they are there.
func (p *Parser) message(b []byte, size int) []byte {
	length, _ := recordHeader(b)
	if size <= length {
		return b[recordHeaderLen:][:size]
	}
	p.scratch = p.scratch[:0]
	for len(p.scratch) < size {
		length, _ := recordHeader(b)
		b = b[recordHeaderLen:]
		n := min(length, size-len(p.scratch))
		p.scratch = append(p.scratch, b[:n]...)
		b = b[n:]
	}
	return p.scratch
}
