package httpinspector

import "strings"

// Status is what the bytes received so far are.
type Status uint8

const (
	// NeedMore: HTTP may still become of it.
	NeedMore Status = iota
	// NotHTTP: no bytes that follow can make it HTTP.
	NotHTTP
	// HTTP10: the request line of HTTP/1.0, of the Simple-Request before it (RFC
	// 1945 5), or of any version but 1.1.
	HTTP10
	// HTTP11: the request line of HTTP/1.1 (RFC 9112 3).
	HTTP11
	// HTTP2: the client preface of HTTP/2 (RFC 9113 3.4).
	HTTP2
)

// String returns the name of the constant.
func (s Status) String() string {
	switch s {
	case NeedMore:
		return "NeedMore"
	case NotHTTP:
		return "NotHTTP"
	case HTTP10:
		return "HTTP10"
	case HTTP11:
		return "HTTP11"
	case HTTP2:
		return "HTTP2"
	}
	return "Status(?)"
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// methods are those of Envoy's parsers (http_parser, and Balsa without
// allow_custom_methods), in order, with the space that ends them. PRI is not one.
var methods = [...]string{
	"ACL ", "BIND ", "CHECKOUT ", "CONNECT ", "COPY ", "DELETE ", "GET ", "HEAD ", "LINK ", "LOCK ", "M-SEARCH ",
	"MERGE ", "MKACTIVITY ", "MKCALENDAR ", "MKCOL ", "MOVE ", "NOTIFY ", "OPTIONS ", "PATCH ", "POST ", "PROPFIND ",
	"PROPPATCH ", "PURGE ", "PUT ", "REBIND ", "REPORT ", "SEARCH ", "SOURCE ", "SUBSCRIBE ", "TRACE ", "UNBIND ",
	"UNLINK ", "UNLOCK ", "UNSUBSCRIBE ",
}

// Recognizer judges the start of one stream. The zero value is at its beginning.
// Each byte is looked at once.
type Recognizer struct {
	status     Status
	seen       int  // bytes fed
	notPreface bool // what was fed is not how the preface begins

	state      state
	method     int  // the first that what was fed fits
	at         int  // bytes of the method, or of the version
	notVersion bool // the version is not 1.1
}

// state is where in the request line the stream is.
type state uint8

const (
	inMethod state = iota
	beforeTarget
	inTarget
	beforeVersion
	inVersion
	afterVersion
	beforeLF
	noRequestLine
)

// Feed judges the next bytes of the stream. A status other than NeedMore is final,
// and what comes after it is not looked at. It is reached at the first byte that
// decides: the LF of the request line, the last byte of the preface, or the first
// that fits neither.
func (r *Recognizer) Feed(b []byte) Status {
	for i := 0; i < len(b) && r.status == NeedMore; i++ {
		r.status = r.next(b[i])
	}
	return r.status
}

// next follows the preface and the request line at the same time, since PRI begins
// like PROPFIND.
func (r *Recognizer) next(c byte) Status {
	r.notPreface = r.notPreface || preface[r.seen] != c
	r.seen++
	if !r.notPreface && r.seen == len(preface) {
		return HTTP2
	}
	status := r.requestLine(c)
	if status == NotHTTP {
		r.state = noRequestLine
		if !r.notPreface {
			return NeedMore
		}
	}
	return status
}

// requestLine is how http_parser reads it: one or more spaces between the words,
// and a bare LF ends the line as well.
func (r *Recognizer) requestLine(c byte) Status {
	switch r.state {
	case inMethod:
		return r.inMethod(c)
	case beforeTarget:
		if c == ' ' {
			return NeedMore
		}
		r.state = inTarget
		return partOfTarget(c)
	case inTarget:
		switch c {
		case ' ':
			r.state = beforeVersion
			return NeedMore
		case '\r', '\n':
			r.notVersion = true // RFC 1945 5, Simple-Request
			return r.end(c)
		}
		return partOfTarget(c)
	case beforeVersion:
		if c == ' ' {
			return NeedMore
		}
		r.state, r.at = inVersion, 0
		return r.inVersion(c)
	case inVersion:
		return r.inVersion(c)
	case afterVersion, beforeLF:
		return r.end(c)
	}
	return NotHTTP
}

func (r *Recognizer) inMethod(c byte) Status {
	fed := methods[r.method][:r.at]
	for ; r.method < len(methods) && strings.HasPrefix(methods[r.method], fed); r.method++ {
		if methods[r.method][r.at] == c {
			r.at++
			if c == ' ' {
				r.state = beforeTarget
			}
			return NeedMore
		}
	}
	return NotHTTP
}

// partOfTarget says whether c may be in a request target.
func partOfTarget(c byte) Status {
	if c <= ' ' || c == 0x7f {
		return NotHTTP
	}
	return NeedMore
}

const version = "HTTP/1.1" // a 1 stands for any digit

func (r *Recognizer) inVersion(c byte) Status {
	switch want := version[r.at]; {
	case c == want:
	case want == '1' && '0' <= c && c <= '9':
		r.notVersion = true
	default:
		return NotHTTP
	}
	if r.at++; r.at == len(version) {
		r.state = afterVersion
	}
	return NeedMore
}

// end takes the CR LF, or the bare LF, behind the last word.
func (r *Recognizer) end(c byte) Status {
	switch {
	case c == '\r' && r.state != beforeLF:
		r.state = beforeLF
		return NeedMore
	case c != '\n':
		return NotHTTP
	case r.notVersion:
		return HTTP10
	}
	return HTTP11
}
