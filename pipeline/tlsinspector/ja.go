package tlsinspector

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// JA3 returns the JA3 fingerprint of the ClientHello at the start of b, as Envoy
// makes it: the MD5, in hexadecimal, of version, cipher suites, extensions, groups
// and point formats. Values for GREASE (RFC 8701) are left out of cipher suites and
// extensions but, unlike in other implementations, not out of the groups, so that
// clients with GREASE there change their fingerprint from connection to connection.
// It is empty when Parse does not find a hello.
func (p *Parser) JA3(b []byte) string {
	h, ok := p.fields(b)
	if !ok {
		return ""
	}
	return h.ja3()
}

// JA4 returns the JA4 fingerprint of the ClientHello at the start of b, as FoxIO
// describes it for TLS over TCP: for instance "t13d1516h2_8daaf6152771_e5627efa2ab1".
// It does not depend on the order of cipher suites and extensions. It is empty when
// Parse does not find a hello.
func (p *Parser) JA4(b []byte) string {
	h, ok := p.fields(b)
	if !ok {
		return ""
	}
	return h.ja4()
}

// helloFields is what fingerprints are made of. Lists are in the client's order.
type helloFields struct {
	version             uint16
	ciphers             []uint16
	extensions          []uint16
	groups              []uint16
	pointFormats        []byte
	supportedVersions   []uint16
	signatureAlgorithms []uint16
	alpn                []byte // the first protocol
}

const (
	extensionGroups              = 10 // RFC 8422 5.1.1, RFC 8446 4.2.7
	extensionPointFormats        = 11 // RFC 8422 5.1.2
	extensionSignatureAlgorithms = 13 // RFC 8446 4.2.3
	extensionSupportedVersions   = 43 // RFC 8446 4.2.1
)

// fields reads the hello at the start of b. A list that is malformed is empty.
func (p *Parser) fields(b []byte) (h helloFields, ok bool) {
	if _, status := p.Parse(b); status != Found {
		return h, false
	}
	size, _ := measure(b, len(b))
	c := cursor{rest: p.message(b, size)[messageHeaderLen:]}
	h.version = c.uint16()
	c.take(32) // random
	c.vector8()
	h.ciphers = list16(c.vector16())
	c.vector8() // compression methods
	for c = (cursor{rest: c.vector16()}); c.more(); {
		kind, data := c.extension()
		h.extensions = append(h.extensions, kind)
		inner := cursor{rest: data}
		switch kind {
		case extensionALPN:
			for name := range protocolNames(data).All() {
				h.alpn = name
				break
			}
		case extensionGroups:
			h.groups = list16(inner.vector16())
		case extensionPointFormats:
			h.pointFormats = inner.vector8()
		case extensionSignatureAlgorithms:
			h.signatureAlgorithms = list16(inner.vector16())
		case extensionSupportedVersions:
			h.supportedVersions = list16(inner.vector8())
		}
	}
	return h, true
}

// list16 reads numbers to the end of b.
func list16(b []byte) (list []uint16) {
	for c := (cursor{rest: b}); c.more(); {
		if v := c.uint16(); !c.failed {
			list = append(list, v)
		}
	}
	return list
}

// isGREASE says whether v is reserved by RFC 8701: 0x0a0a, 0x1a1a, to 0xfafa.
func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

func withoutGREASE(list []uint16) []uint16 {
	return slices.DeleteFunc(slices.Clone(list), isGREASE)
}

func (h *helloFields) ja3() string {
	formats := make([]uint16, len(h.pointFormats))
	for i, f := range h.pointFormats {
		formats[i] = uint16(f)
	}
	text := strings.Join([]string{
		strconv.Itoa(int(h.version)), dashed(withoutGREASE(h.ciphers)), dashed(withoutGREASE(h.extensions)), dashed(h.groups), dashed(formats),
	}, ",")
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func dashed(list []uint16) string {
	var b []byte
	for i, v := range list {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	return string(b)
}

func (h *helloFields) ja4() string {
	ciphers, extensions := withoutGREASE(h.ciphers), withoutGREASE(h.extensions)
	serverName := 'i' // an IP address, or nothing
	if slices.Contains(extensions, extensionServerName) {
		serverName = 'd'
	}
	head := fmt.Sprintf("t%s%c%02d%02d%s", ja4Version(h), serverName, min(len(ciphers), 99), min(len(extensions), 99), ja4ALPN(h.alpn))

	slices.Sort(ciphers)
	hashed := slices.DeleteFunc(extensions, func(v uint16) bool { return v == extensionServerName || v == extensionALPN })
	slices.Sort(hashed)
	tail := commas(hashed)
	if tail != "" && len(h.signatureAlgorithms) > 0 {
		tail += "_" + commas(h.signatureAlgorithms)
	}
	return head + "_" + ja4Hash(commas(ciphers)) + "_" + ja4Hash(tail)
}

// ja4Version is the highest of supported_versions, or else the version field.
func ja4Version(h *helloFields) string {
	version := h.version
	if versions := withoutGREASE(h.supportedVersions); len(versions) > 0 {
		version = slices.Max(versions)
	}
	switch version {
	case 0x0304:
		return "13"
	case 0x0303:
		return "12"
	case 0x0302:
		return "11"
	case 0x0301:
		return "10"
	case 0x0300:
		return "s3"
	case 0x0002:
		return "s2"
	}
	return "00"
}

// ja4ALPN is the first and the last character of a protocol, or of its hexadecimal
// form when one of the two is not alphanumeric.
func ja4ALPN(protocol []byte) string {
	if len(protocol) == 0 {
		return "00"
	}
	first, last := protocol[0], protocol[len(protocol)-1]
	if !alphanumeric(first) || !alphanumeric(last) {
		const digits = "0123456789abcdef"
		first, last = digits[first>>4], digits[last&15]
	}
	return string([]byte{first, last})
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func commas(list []uint16) string {
	var b []byte
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%04x", v)
	}
	return string(b)
}

// ja4Hash is the start of the SHA-256; of nothing it is zeros.
func ja4Hash(text string) string {
	if text == "" {
		return "000000000000"
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}
