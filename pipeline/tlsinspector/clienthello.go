package tlsinspector

import "iter"

// Status is what the bytes received so far are.
type Status uint8

const (
	// NeedMore: a ClientHello may still become of it.
	NeedMore Status = iota
	// Found: a whole ClientHello.
	Found
	// NotTLS: no bytes that follow can make it a ClientHello. Envoy hands such a
	// connection on as plaintext.
	NotTLS
	// TooLarge: a ClientHello so far, and it does not end within MaxSize.
	TooLarge
)

// String returns the name of the constant.
func (s Status) String() string {
	switch s {
	case NeedMore:
		return "NeedMore"
	case Found:
		return "Found"
	case NotTLS:
		return "NotTLS"
	case TooLarge:
		return "TooLarge"
	}
	return "Status(?)"
}

// MaxSize is the default and the upper bound of [Parser.MaxSize], as in Envoy
// (max_client_hello_size): BoringSSL takes no longer ClientHello.
const MaxSize = 16384

// ClientHello is what a ClientHello (RFC 8446 4.1.2) tells a router. Its slices
// belong to the input or to the Parser: they are good until either changes, that
// is until the input buffer is reused or Parse is called again.
type ClientHello struct {
	// ServerName is the host_name of the server_name extension (RFC 6066 3) with
	// A to Z in lower case, as Envoy stores it; nil without the extension. It has
	// 1 to 255 bytes and no NUL; all other bytes are the peer's choice, so quote it
	// before it reaches a log. A trailing dot, which RFC 6066 forbids, stays, and
	// an IP address, which it forbids too, is a name like any other.
	ServerName []byte

	// ALPN is what the client offers (RFC 7301 3.1), in its order of preference;
	// nil without the extension, and nil when the list is malformed (Envoy ignores
	// such a list and goes on).
	ALPN ProtocolNameList
}

// ProtocolNameList is a protocol_name_list of RFC 7301 3.1 on the wire, without
// its own length: each name has one byte of length in front. Nil is empty.
type ProtocolNameList []byte

// All goes over the names in order. The names are parts of l.
func (l ProtocolNameList) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for c := (cursor{rest: l}); c.more(); {
			if name := c.vector8(); c.failed || !yield(name) {
				return
			}
		}
	}
}

// Parser finds the ClientHello at the start of a stream. The zero value is ready.
// A Parser keeps nothing about a stream between calls, only memory: have one per
// event loop, not one per connection.
type Parser struct {
	// MaxSize bounds the bytes of the stream up to the end of the ClientHello,
	// record headers included. 0, and anything outside 1..MaxSize, is MaxSize.
	MaxSize int

	// name holds ServerName in lower case: the input is not ours to change.
	name [maxServerName]byte

	// scratch holds a message that came in several records.
	scratch []byte

	// seen is a set of extension types, empty between calls. nil: there were
	// never many.
	seen *extensionSet
}

// Parse judges b, which is all that the stream has brought so far and never only
// the new part. ClientHello is zero unless the status is Found.
// b is neither changed nor kept, except that ClientHello refers to it.
//
// The verdict depends on the stream alone, not on how it was cut into reads, and
// apart from the size not on how it was cut into records (RFC 8446 5.1). A status
// other than NeedMore is final: more bytes do not change it. Every proper prefix
// of a ClientHello within MaxSize is NeedMore. Bytes behind a ClientHello are not
// looked at.
//
// The first wrong byte of a record header or of the message type is enough for
// NotTLS, and the message header for TooLarge; the rest is judged when the message
// is whole, so a call before that costs one look at each record header.
func (p *Parser) Parse(b []byte) (ClientHello, Status) {
	limit := p.MaxSize
	if limit < 1 || limit > MaxSize {
		limit = MaxSize
	}
	b = b[:min(len(b), limit)]

	size, status := measure(b, limit)
	if status == NeedMore && len(b) == limit {
		status = TooLarge
	}
	if status != Found {
		return ClientHello{}, status
	}
	hello, ok := p.parseBody(p.message(b, size)[messageHeaderLen:])
	if !ok {
		return ClientHello{}, NotTLS
	}
	return hello, Found
}

// parseBody reads the body of a ClientHello. false is what BoringSSL, Envoy's
// parser, would call a decode error.
func (p *Parser) parseBody(body []byte) (ClientHello, bool) {
	c := cursor{rest: body}
	c.take(2)  // legacy_version: every value is left to the TLS stack
	c.take(32) // random
	sessionID := c.vector8()
	cipherSuites := c.vector16()
	compressions := c.vector8()
	if c.failed || len(sessionID) > 32 || len(cipherSuites) < 2 || len(cipherSuites)%2 != 0 || len(compressions) < 1 {
		return ClientHello{}, false
	}
	if !c.more() {
		return ClientHello{}, true // before RFC 3546 there were no extensions
	}
	extensions := c.vector16()
	if c.failed || c.more() || !p.distinct(extensions) {
		return ClientHello{}, false
	}

	var hello ClientHello
	for c := (cursor{rest: extensions}); c.more(); {
		switch kind, data := c.extension(); kind {
		case extensionServerName:
			name, ok := hostName(data)
			if !ok {
				return ClientHello{}, false
			}
			hello.ServerName = p.lower(name)
		case extensionALPN:
			hello.ALPN = protocolNames(data)
		}
	}
	return hello, true
}

// lower copies name, at most maxServerName bytes, in lower case. ASCII only:
// names of other alphabets travel as A-labels (RFC 6066 3).
func (p *Parser) lower(name []byte) []byte {
	out := p.name[:copy(p.name[:], name)]
	for i, b := range out {
		if 'A' <= b && b <= 'Z' {
			out[i] = b + ('a' - 'A')
		}
	}
	return out
}
