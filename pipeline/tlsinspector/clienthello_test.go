package tlsinspector

import (
	"bytes"
	"strings"
	"testing"
)

// walk checks that the verdict on stream is want from byte at on and NeedMore
// before, for each prefix, asked alone, in growing order and after any other.
func walk(t *testing.T, limit int, stream []byte, at int, want verdict) {
	t.Helper()
	shared := Parser{MaxSize: limit}
	for i := range len(stream) + 1 {
		expected := want
		if i < at {
			expected = verdict{status: NeedMore}
		}
		fresh := Parser{MaxSize: limit}
		if got := judge(&fresh, stream[:i]); got != expected {
			t.Fatalf("first %d of %d bytes: got %+v, want %+v", i, len(stream), got, expected)
		}
		if got := judge(&shared, stream[:i]); got != expected {
			t.Fatalf("first %d of %d bytes, byte by byte: got %+v, want %+v", i, len(stream), got, expected)
		}
		if got, whole := judge(&shared, stream), want; at <= len(stream) && got != whole {
			t.Fatalf("all of %d bytes after the first %d: got %+v, want %+v", len(stream), i, got, whole)
		}
	}
}

func TestVerdictAndTheByteThatDecides(t *testing.T) {
	const never = 1 << 30
	name255 := strings.Repeat("n", 255)
	plain := hello(serverName("edge.test"), alpn("h2", "http/1.1"))
	found := verdict{Found, "edge.test", "\x02h2\x08http/1.1"}
	nothing := verdict{status: Found}
	notTLS := verdict{status: NotTLS}
	end := -1 // at the last byte

	for _, c := range []struct {
		name   string
		stream string
		at     int
		want   verdict
	}{
		{"NothingYet", "", never, verdict{}},
		{"ServerNameAndALPN", record(plain), end, found},
		{"BytesBehindAreNotLookedAt", record(plain) + "GET / HTTP/1.1\r\n", 5 + len(plain), found},
		{"AnotherMessageInTheRecord", record(plain + "\x0b\x00\x00\x00"), 5 + len(plain), found},
		{"AnotherMessageInTheLastRecord", record(plain[:50]) + record(plain[50:]+"\x0b\x00"), 10 + len(plain), found},
		{"RecordVersion30", "\x16\x03\x00" + vector16(plain), end, found},
		{"RecordVersion3ff", "\x16\x03\xff" + vector16(plain), end, found},
		{"FragmentsMayDisagreeOnTheVersion", record(plain[:50]) + "\x16\x03\x03" + vector16(plain[50:]), end, found},
		{"OneByteRecords", fragments(plain, 1), end, found},
		{"LastByteInARecordOfItsOwn", record(plain[:len(plain)-1]) + record(plain[len(plain)-1:]), end, found},
		{"HeaderInTwoRecords", record(plain[:3]) + record(plain[3:]), end, found},

		{"PlainHTTP", "GET / HTTP/1.1\r\n", 1, notTLS},
		{"PROXYProtocol", "PROXY TCP4 ", 1, notTLS},
		{"SSL2Hello", "\x80\x2e\x01\x03\x01", 1, notTLS},
		{"WarningAlertFirst", "\x15\x03\x01\x00\x02\x01\x5a" + record(plain), 1, notTLS},
		{"RecordVersion2", "\x16\x02\x00", 2, notTLS},
		{"EmptyRecord", record(""), 5, notTLS},
		{"EmptyRecordBetweenFragments", record(plain[:50]) + record("") + record(plain[50:]), 5 + 50 + 5, notTLS},
		{"AlertBetweenFragments", record(plain[:50]) + "\x15\x03\x01", 5 + 50 + 1, notTLS},
		{"OversizeRecord", "\x16\x03\x01\x40\x01\x01", 5, notTLS},
		{"LongestRecord", "\x16\x03\x01\x40\x00\x01\x00\x00", never, verdict{}},
		{"ServerHello", record("\x02" + plain[1:]), 6, notTLS},
		{"ServerHelloInOneByteRecords", fragments("\x02"+plain[1:], 1), 6, notTLS},

		{"NoExtensions", record(message(start)), end, nothing},
		{"EmptyExtensions", record(hello()), end, nothing},
		{"EmptyMessage", record(message("")), end, notTLS},
		{"BodyEndsInRandom", record(message(start[:30])), end, notTLS},
		{"BodyEndsInCipherSuites", record(message(start[:36])), end, notTLS},
		{"SessionID32", record(message(start[:34] + vector8(strings.Repeat("s", 32)) + start[35:])), end, nothing},
		{"SessionID33", record(message(start[:34] + vector8(strings.Repeat("s", 33)) + start[35:])), end, notTLS},
		{"NoCipherSuites", record(message(start[:35] + "\x00\x00" + "\x01\x00")), end, notTLS},
		{"OddCipherSuites", record(message(start[:35] + "\x00\x03\x13\x01\x13" + "\x01\x00")), end, notTLS},
		{"NoCompressionMethods", record(message(start[:39] + "\x00")), end, notTLS},
		{"ExtensionsCutShort", record(message(start + "\x00\x05" + extension(23, ""))), end, notTLS},
		{"ExtensionsEndInAnExtension", record(message(start + "\x00\x03" + extension(23, ""))), end, notTLS},
		{"BytesBehindTheExtensions", record(message(start + vector16(extension(23, "")) + "x")), end, notTLS},
		{"HalfAnExtensionsLength", record(message(start + "\x00")), end, notTLS},
		{"UnknownExtension", record(hello(extension(0x1a1a, "x"), serverName("a"))), end, verdict{Found, "a", ""}},
		{"DuplicateExtension", record(hello(extension(0x1a1a, ""), extension(5, "x"), extension(0x1a1a, ""))), end, notTLS},
		{"DuplicateServerName", record(hello(serverName("a"), serverName("a"))), end, notTLS},
		{"DuplicateALPN", record(hello(alpn("h2"), alpn("h2"))), end, notTLS},

		{"ServerNameInLowerCase", record(hello(serverName("EDGE-0.tEst[@`{"))), end, verdict{Found, "edge-0.test[@`{", ""}},
		{"ServerNameIsNotTouchedBeyondASCII", record(hello(serverName("\xc3\x84\xff.test"))), end, verdict{Found, "\xc3\x84\xff.test", ""}},
		{"TrailingDotStays", record(hello(serverName("edge.test."))), end, verdict{Found, "edge.test.", ""}},
		{"AddressIsAName", record(hello(serverName("192.0.2.1"))), end, verdict{Found, "192.0.2.1", ""}},
		{"ServerName255", record(hello(serverName(name255))), end, verdict{Found, name255, ""}},
		{"ServerName256", record(hello(serverName(name255 + "n"))), end, notTLS},
		{"EmptyServerName", record(hello(serverName(""))), end, notTLS},
		{"EmptyServerNameExtension", record(hello(extension(0, ""))), end, notTLS},
		{"EmptyServerNameList", record(hello(extension(0, vector16()))), end, notTLS},
		{"ServerNameWithNUL", record(hello(serverName("edge.test\x00.evil.test"))), end, notTLS},
		{"ServerNameOfAnotherType", record(hello(extension(0, vector16("\x01"+vector16("edge.test"))))), end, notTLS},
		{"TwoServerNames", record(hello(extension(0, vector16("\x00"+vector16("a"), "\x00"+vector16("b"))))), end, notTLS},
		{"ServerNameListTooShort", record(hello(extension(0, vector16("\x00"+vector16("a"))+"x"))), end, notTLS},
		{"ServerNameListTooLong", record(hello(extension(0, "\x00\x09\x00"+vector16("a")))), end, notTLS},

		{"ALPNOrderIsTheClients", record(hello(alpn("http/1.1", "h2"))), end, verdict{Found, "", "\x08http/1.1\x02h2"}},
		{"MalformedALPN_EmptyList", record(hello(serverName("a"), alpn())), end, verdict{Found, "a", ""}},
		{"MalformedALPN_EmptyName", record(hello(serverName("a"), alpn("h2", ""))), end, verdict{Found, "a", ""}},
		{"MalformedALPN_NameTooLong", record(hello(serverName("a"), extension(16, vector16("\x03h2")))), end, verdict{Found, "a", ""}},
		{"MalformedALPN_ListTooShort", record(hello(serverName("a"), extension(16, vector16("\x02h2")+"x"))), end, verdict{Found, "a", ""}},
		{"MalformedALPN_ListTooLong", record(hello(serverName("a"), extension(16, "\x00\x04\x02h2"))), end, verdict{Found, "a", ""}},
		{"MalformedALPN_NoList", record(hello(serverName("a"), extension(16, ""))), end, verdict{Found, "a", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := c.at
			if at == end {
				at = len(c.stream)
			}
			walk(t, 0, []byte(c.stream), at, c.want)
		})
	}
}

func TestSizeLimit(t *testing.T) {
	// sized is a hello that ends at byte n of the stream, in one record.
	sized := func(n int) string {
		empty := len(record(hello(extension(21, ""))))
		return record(hello(extension(21, strings.Repeat("\x00", n-empty))))
	}
	tooLarge := verdict{status: TooLarge}
	header := recordHeaderLen + messageHeaderLen
	for _, c := range []struct {
		name   string
		limit  int
		stream string
		at     int
		want   verdict
	}{
		{"EndsAtTheLimit", 300, sized(300), 300, verdict{status: Found}},
		{"EndsAtTheLimitWithItsHeaderInTwoRecords", 300, record(sized(295)[5:][:3]) + record(sized(295)[8:]), 300, verdict{status: Found}},
		{"OneByteMoreIsKnownAtTheHeader", 300, sized(301), header, tooLarge},
		{"RecordHeadersCount", 300, fragments(sized(300)[5:], 200), 300, tooLarge},
		{"TooLargeEvenIfPlaintextFollows", 300, sized(301)[:100] + "\x00\x00", header, tooLarge},
		{"PlaintextBehindTheLimitIsNotSeen", 7, record("\x01\x00") + "GET /", 7, tooLarge},
		{"LimitInTheRecordHeader", 3, sized(300), 3, tooLarge},
		{"DeclaredLengthHasThreeBytes", 0, "\x16\x03\x01\x02\x00\x01\x01\x00\x00", header, tooLarge},
		{"ZeroIsTheDefault", 0, sized(MaxSize), MaxSize, verdict{status: Found}},
		{"OverTheDefault", 0, sized(MaxSize + 1), header, tooLarge},
		{"NegativeIsTheDefault", -1, sized(MaxSize + 1), header, tooLarge},
		{"NoMoreThanTheDefault", MaxSize + 1, sized(MaxSize + 1), header, tooLarge},
		{"HeaderInOneByteRecords", 300, fragments(sized(290)[5:], 1), 4 * (recordHeaderLen + 1), tooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, around := c.at, []byte(c.stream)
			if len(around) <= 400 {
				walk(t, c.limit, around, at, c.want)
				return
			}
			p := Parser{MaxSize: c.limit}
			if got := judge(&p, around[:at-1]); got != (verdict{}) {
				t.Errorf("first %d bytes: got %+v, want NeedMore", at-1, got)
			}
			for _, n := range []int{at, at + 1, len(around)} {
				if got := judge(&p, around[:min(n, len(around))]); got != c.want {
					t.Errorf("first %d bytes: got %+v, want %+v", n, got, c.want)
				}
			}
		})
	}
}

// The input belongs to a peek buffer that other filters read as well.
func TestInputIsNotChanged(t *testing.T) {
	b := []byte(fragments(hello(serverName("EDGE.TEST"), alpn("h2")), 7))
	before := bytes.Clone(b)
	var p Parser
	if got := judge(&p, b); got.serverName != "edge.test" {
		t.Fatalf("got %+v, want edge.test", got)
	}
	if !bytes.Equal(b, before) {
		t.Error("the input has changed")
	}
}

func TestProtocolNameListStops(t *testing.T) {
	for _, c := range []struct {
		name string
		list ProtocolNameList
		want string
	}{
		{"Nil", nil, ""},
		{"AtTheEnd", ProtocolNameList("\x02h2\x03foo"), "h2 foo"},
		{"AtANameThatIsCutShort", ProtocolNameList("\x02h2\x09foo"), "h2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(names(c.list), " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for name := range ProtocolNameList("\x02h2\x03foo").All() {
		if string(name) != "h2" {
			t.Errorf("got %q after the caller has left the loop", name)
		}
		break
	}
}

func TestStatusString(t *testing.T) {
	for s, want := range []string{"NeedMore", "Found", "NotTLS", "TooLarge", "Status(?)"} {
		if got := Status(s).String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
