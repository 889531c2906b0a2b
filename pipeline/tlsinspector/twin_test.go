package tlsinspector

import "bytes"

// twin is Parser.Parse the slow and obvious way: one byte after the other, so that
// a verdict can not depend on what follows, and a body that is read with plain
// indexes. why names the rule that made it NotTLS.
func twin(b []byte, limit int) (v verdict, why string) {
	var header, message []byte
	left := 0
	for i, c := range b[:min(len(b), limit)] {
		if left == 0 {
			header = append(header, c)
			switch {
			case header[0] != 22:
				return verdict{status: NotTLS}, "record type"
			case len(header) > 1 && header[1] != 3:
				return verdict{status: NotTLS}, "record version"
			}
			if len(header) == 5 {
				left = int(header[3])*256 + int(header[4])
				header = nil
				if left < 1 || left > 16384 {
					return verdict{status: NotTLS}, "record length"
				}
			}
			continue
		}
		left--
		message = append(message, c)
		if message[0] != 1 {
			return verdict{status: NotTLS}, "message type"
		}
		if len(message) < 4 {
			continue
		}
		size := int(message[1])*65536 + int(message[2])*256 + int(message[3])
		if len(message) == 4 && i+1+size > limit {
			return verdict{status: TooLarge}, ""
		}
		if len(message) == 4+size {
			return twinBody(message[4:])
		}
	}
	if len(b) >= limit {
		return verdict{status: TooLarge}, ""
	}
	return verdict{}, ""
}

func twinBody(b []byte) (v verdict, why string) {
	defer func() {
		if recover() != nil {
			v, why = verdict{status: NotTLS}, "short"
		}
	}()
	not := func(why string) (verdict, string) { return verdict{status: NotTLS}, why }

	b = b[34:]
	sessionID := b[1:][:b[0]]
	b = b[1+len(sessionID):]
	suites := b[2:][:int(b[0])*256+int(b[1])]
	b = b[2+len(suites):]
	compressions := b[1:][:b[0]]
	b = b[1+len(compressions):]
	switch {
	case len(sessionID) > 32:
		return not("session id")
	case len(suites) == 0 || len(suites)%2 == 1:
		return not("cipher suites")
	case len(compressions) == 0:
		return not("compression methods")
	case len(b) == 0:
		return verdict{status: Found}, ""
	case len(b) != 2+int(b[0])*256+int(b[1]):
		return not("extensions length")
	}
	v.status = Found
	types := map[[2]byte]bool{}
	for b = b[2:]; len(b) > 0; {
		kind := [2]byte{b[0], b[1]}
		data := b[4:][:int(b[2])*256+int(b[3])]
		b = b[4+len(data):]
		if types[kind] {
			return not("duplicate extension")
		}
		types[kind] = true
		switch kind {
		case [2]byte{0, 0}:
			n := len(data) - 5 // two lengths and a type
			if n < 1 || n > 255 || !bytes.Equal(data[:5], []byte{byte((n + 3) >> 8), byte(n + 3), 0, 0, byte(n)}) {
				return not("server name")
			}
			for _, c := range data[5:] {
				if c == 0 {
					return not("server name")
				}
			}
			v.serverName = lowered(string(data[5:]))
		case [2]byte{0, 16}:
			v.alpn = twinALPN(data)
		}
	}
	return v, ""
}

// twinALPN is the list, or "" when it is malformed.
func twinALPN(data []byte) string {
	if len(data) < 2 || len(data)-2 != int(data[0])*256+int(data[1]) {
		return ""
	}
	i := 2
	for i < len(data) {
		if data[i] == 0 {
			return ""
		}
		i += 1 + int(data[i])
	}
	if i != len(data) {
		return ""
	}
	return string(data[2:])
}
