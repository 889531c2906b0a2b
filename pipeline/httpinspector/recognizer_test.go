package httpinspector

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func recognize(b string) Status {
	var r Recognizer
	return r.Feed([]byte(b))
}

func TestRecognizer(t *testing.T) {
	for _, c := range []struct {
		stream string
		want   Status
		why    string
	}{
		{"", NeedMore, "nothing has come"},
		{"GET / HTTP/1.1\r\n", HTTP11, ""},
		{"GET / HTTP/1.1\n", HTTP11, "a bare LF ends a line (RFC 9112 2.2)"},
		{"GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n", HTTP11, "the rest is not looked at"},
		{"GET / HTTP/1.1\r", NeedMore, ""},
		{"GET / HTTP/1.1\r\r\n", NotHTTP, "one CR is enough"},
		{"GET / HTTP/1.1 \r\n", NotHTTP, "nothing follows the version"},
		{"GET / HTTP/1.11\r\n", NotHTTP, "a digit each"},
		{"GET / HTTP/1\r\n", NotHTTP, ""},
		{"GET / HTTP/1.0\r\n", HTTP10, ""},
		{"GET / HTTP/0.9\r\n", HTTP10, "Envoy counts all but 1.1 as 1.0"},
		{"GET / HTTP/2.0\r\n", HTTP10, "likewise: this is not the preface"},
		{"GET /\r\n", HTTP10, "Simple-Request (RFC 1945 5)"},
		{"GET /\n", HTTP10, "likewise"},
		{"GET  /  HTTP/1.1\r\n", HTTP11, "http_parser skips spaces (RFC 9112 3 lets it)"},
		{"GET / http/1.1\r\n", NotHTTP, "the name is case-sensitive (RFC 9112 2.3)"},
		{"GET / HTTQ/", NotHTTP, "at the first byte that does not fit"},
		{"GET \r\n", NotHTTP, "no target"},
		{"GET\r\n", NotHTTP, ""},
		{"GET\t/ HTTP/1.1\r\n", NotHTTP, "a word ends with a space"},
		{"GET /a\x00b HTTP/1.1\r\n", NotHTTP, "controls are no part of a target"},
		{"GET /a\x7fb HTTP/1.1\r\n", NotHTTP, ""},
		{"GET /\xc3\xa9 HTTP/1.1\r\n", HTTP11, "http_parser takes bytes above ASCII"},
		{"CONNECT edge.test:443 HTTP/1.1\r\n", HTTP11, ""},
		{"OPTIONS * HTTP/1.1\r\n", HTTP11, ""},
		{"GET http://edge.test/ HTTP/1.1\r\n", HTTP11, ""},
		{"get / HTTP/1.1\r\n", NotHTTP, "methods are case-sensitive (RFC 9110 9.1)"},
		{"BREW / HTTP/1.1\r\n", NotHTTP, "not a method that Envoy's parsers know"},
		{"\r\nGET / HTTP/1.1\r\n", NotHTTP, "Envoy: the first byte is CR or LF (envoy PR 22102)"},
		{"\nGET / HTTP/1.1\r\n", NotHTTP, ""},
		{" GET / HTTP/1.1\r\n", NotHTTP, ""},
		{preface, HTTP2, ""},
		{preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00", HTTP2, "with SETTINGS behind it"},
		{preface[:23], NeedMore, ""},
		{preface[:1], NeedMore, "or POST"},
		{preface[:2], NeedMore, "or PROPFIND"},
		{preface[:3], NeedMore, "no method begins so"},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", NotHTTP, "the last byte"},
		{"PRI * HTTP/1.1\r\n", NotHTTP, "PRI is no method (RFC 9113 11.6)"},
		{"PROPFIND / HTTP/1.1\r\n", HTTP11, ""},
		{"\x16\x03\x01\x02\x00\x01", NotHTTP, "TLS"},
		{"SSH-2.0-OpenSSH_9.2\r\n", NotHTTP, ""},
		{"PROXY TCP4 192.0.2.1", NotHTTP, ""},
	} {
		if got := recognize(c.stream); got != c.want {
			t.Errorf("%q: got %v, want %v %s", c.stream, got, c.want, c.why)
		}
	}
}

func TestEveryMethodIsRecognized(t *testing.T) {
	for _, m := range methods {
		for i := range len(m) {
			if got := recognize(m[:i]); got != NeedMore {
				t.Errorf("%q: got %v, want NeedMore", m[:i], got)
			}
		}
		if got := recognize(m + "/ HTTP/1.1\r\n"); got != HTTP11 {
			t.Errorf("%q: got %v, want HTTP11", m, got)
		}
	}
}

// The words of a request line, right ones and wrong ones.
var (
	anyMethod  = []string{"GET", "POST", "PROPFIND", "M-SEARCH", "PRI", "G", "get"}
	anySpace   = []string{" ", "  ", "\t", ""}
	anyTarget  = []string{"/", "*", "/a?b#c", "http://edge.test/", "edge.test:443", "", "/\xff", "%zz", "/%zz", "/\x01", "/\x7f", "a b"}
	anyVersion = []string{"HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/1.10", "HTTP/1,1", "http/1.1", ""}
	anyEnd     = []string{"\r\n", "\n", "\r", "\r\r\n"}
)

// Net/http and we agree on every request line in the form of RFC 9112 3 with a
// method that we know.
func TestRequestLinesAreThoseOfNetHTTP(t *testing.T) {
	counts := map[string]int{}
	compare := func(stream string) {
		why := incomparable(stream)
		want := oracle(stream)
		if got := recognize(stream); why == "" && got != want {
			t.Errorf("%q: got %v, net/http has %v", stream, got, want)
		}
		counts[why+want.String()]++
	}
	for _, method := range anyMethod {
		for _, space := range anySpace {
			for _, target := range anyTarget {
				for _, space2 := range anySpace {
					for _, version := range anyVersion {
						for _, end := range anyEnd {
							compare(method + space + target + space2 + version + end)
						}
					}
				}
			}
		}
	}
	for _, kind := range []string{"HTTP11", "HTTP10", "NotHTTP"} {
		if counts[kind] < 10 {
			t.Errorf("%d streams were %s: the test does not test; %v", counts[kind], kind, counts)
		}
	}
}

// anyStart draws a request line or a preface, or nearly.
func anyStart() *rapid.Generator[string] {
	line := rapid.Custom(func(t *rapid.T) string {
		var line string
		for _, words := range [][]string{anyMethod, anySpace, anyTarget, anySpace, anyVersion, anyEnd} {
			line += rapid.SampledFrom(words).Draw(t, "word")
		}
		return line
	})
	return rapid.Custom(func(t *rapid.T) string {
		b := []byte(rapid.OneOf(line, rapid.Just(preface)).Draw(t, "start"))
		if len(b) > 0 && rapid.IntRange(0, 3).Draw(t, "damage") == 3 {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "value")
		}
		return string(b) + rapid.SampledFrom([]string{"", "Host: edge.test\r\n\r\n"}).Draw(t, "more")
	})
}

// oracle is what net/http makes of a request whose first line is that of stream.
func oracle(stream string) Status {
	line, _, whole := strings.Cut(stream, "\n")
	if !whole {
		return NeedMore
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(line + "\nHost: edge.test\r\n\r\n")))
	switch {
	case err != nil:
		return NotHTTP
	case r.ProtoAtLeast(1, 1) && !r.ProtoAtLeast(1, 2):
		return HTTP11
	}
	return HTTP10
}

// incomparable says why the two may differ on a first line, if they may.
func incomparable(stream string) string {
	line, _, whole := strings.Cut(stream, "\n")
	line = strings.TrimSuffix(line, "\r")
	words := strings.Split(line, " ")
	known := false
	for _, m := range methods {
		known = known || m == words[0]+" "
	}
	switch {
	case !whole:
		return "not whole: net/http has no verdict; "
	case !known:
		return "net/http knows no list of methods; "
	case len(words) != 3 || words[1] == "":
		return "we skip spaces and take a Simple-Request; "
	case !targetOfNetHTTP(words[1]):
		return "net/http parses the target; "
	}
	return ""
}

// targetOfNetHTTP says whether net/http takes target, or refuses it for a byte that
// we refuse too.
func targetOfNetHTTP(target string) bool {
	for i := range len(target) {
		if partOfTarget(target[i]) == NotHTTP {
			return true
		}
	}
	return oracle("GET "+target+" HTTP/1.1\r\n") == HTTP11
}

// reporter is what testing and rapid share.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// check feeds stream in parts and judges every prefix.
func check(t reporter, stream []byte, cut int) {
	t.Helper()
	var whole, parts, bytewise Recognizer
	want := whole.Feed(stream)
	cut = min(cut, len(stream))
	early := parts.Feed(stream[:cut])
	parts.Feed(nil)
	if got := parts.Feed(stream[cut:]); got != want || early != NeedMore && early != want {
		t.Errorf("%q in parts of %d and %d: got %v then %v, want %v", stream, cut, len(stream)-cut, early, got, want)
	}
	for i := range stream {
		if got := bytewise.Feed(stream[i : i+1]); got != NeedMore && got != want {
			t.Errorf("%q: got %v after %d bytes, want %v", stream, got, i+1, want)
		}
	}
	if bytewise != whole {
		t.Errorf("%q byte by byte: got %+v, want %+v", stream, bytewise, whole)
	}
}

// Invariant: the verdict does not depend on how the stream was cut.
func TestVerdictIsTheSameInAnyParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := anyStart().Draw(t, "stream")
		for cut := range len(stream) + 1 {
			check(t, []byte(stream), cut)
		}
	})
}

// FuzzRecognizer invariants: no panic; the verdict does not depend on how the
// stream was cut; only NeedMore may change; each status has the bytes that it says.
func FuzzRecognizer(f *testing.F) {
	for _, s := range []string{"GET / HTTP/1.1\r\n", "POST  /x HTTP/1.0\n", "GET /\r\n", preface, preface[:20], "PROPFIND", "\x16\x03\x01"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		check(t, stream, max(cut, 0))
		var r Recognizer
		status := r.Feed(stream)
		line, _, whole := strings.Cut(string(stream), "\n")
		if fault := fmt.Sprintf("%q: got %v", stream, status); status == HTTP2 != strings.HasPrefix(string(stream), preface) {
			t.Error(fault)
		} else if (status == HTTP10 || status == HTTP11) && !whole {
			t.Error(fault, "without LF")
		} else if status == HTTP11 && !strings.HasSuffix(strings.TrimSuffix(line, "\r"), " HTTP/1.1") {
			t.Error(fault)
		} else if status == NeedMore && whole && !strings.HasPrefix(preface, string(stream)) {
			t.Error(fault, "after LF")
		}
	})
}

func TestRecognizerAllocatesNothing(t *testing.T) {
	stream := []byte("GET /index.html HTTP/1.1\r\n")
	if n := testing.AllocsPerRun(100, func() { new(Recognizer).Feed(stream) }); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func BenchmarkRecognizer(b *testing.B) {
	stream := []byte("GET /index.html?with=a&query HTTP/1.1\r\nHost: edge.test\r\n\r\n")
	b.SetBytes(int64(strings.IndexByte(string(stream), '\n') + 1))
	for b.Loop() {
		if new(Recognizer).Feed(stream) != HTTP11 {
			b.Fatal("not recognized")
		}
	}
}
