package main

// clientHello is the smallest TLS 1.2 ClientHello that asks for name (RFC 5246
// 7.4.1.2, RFC 6066 3), in one record.
func clientHello(name string) []byte {
	host := append([]byte{0, byte(len(name) >> 8), byte(len(name))}, name...)
	list := vector16(host)
	extension := append([]byte{0, 0}, vector16(list)...)
	body := append([]byte{3, 3}, make([]byte, 32)...) // version, random
	body = append(body, 0)                            // no session id
	body = append(body, 0, 2, 0xc0, 0x2f)             // one cipher suite
	body = append(body, 1, 0)                         // no compression
	body = append(body, vector16(extension)...)
	message := append([]byte{1, 0}, vector16(body)...) // client_hello, 24-bit length
	return append([]byte{22, 3, 1}, vector16(message)...)
}

// vector16 puts a 16-bit length in front.
func vector16(b []byte) []byte { return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...) }
