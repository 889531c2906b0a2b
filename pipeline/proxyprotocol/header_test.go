package proxyprotocol

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// text is a Header for a table.
func text(h Header, s Status) string {
	if s != Found {
		return fmt.Sprint(s)
	}
	if h.Local {
		return fmt.Sprintf("v%d local %d", h.Version, h.Len)
	}
	var tlvs string
	for t := range h.TLVs.All() {
		tlvs += fmt.Sprintf(" %02x=%s", t.Type, t.Value)
	}
	return fmt.Sprintf("v%d %v>%v %d%s", h.Version, h.Source, h.Destination, h.Len, tlvs)
}

// v2 is a header of version 2 whose length is that of rest.
func v2(command, family byte, rest string) string {
	return signatureV2 + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + rest
}

const (
	inet  = "\xc0\x00\x02\x01" + "\xc6\x33\x64\x02" + "\x03\xe8" + "\x01\xbb"
	inet6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" + "\x03\xe8" + "\x01\xbb"
	unixAddresses = 216
)

// cases are headers, good and bad, with what the specification (proxy-protocol.txt)
// or Envoy says of them.
var cases = []struct{ stream, want, why string }{
	{"PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\n", "v1 192.0.2.1:1000>198.51.100.2:443 44", "2.1"},
	{"PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\nGET / HTTP/1.1\r\n", "v1 192.0.2.1:1000>198.51.100.2:443 44", "2.1"},
	{"PROXY TCP4 192.0.2.1 198.51.100.2 0 65535\r\n", "v1 192.0.2.1:0>198.51.100.2:65535 43", "2.1: ports 0 to 65535"},
	{"PROXY TCP6 2001:db8::1 2001:DB8::2 1000 443\r\n", "v1 [2001:db8::1]:1000>[2001:db8::2]:443 45", "2.1"},
	{"PROXY TCP6 1:2:3:4:5:6:7:8 2001:db8::2 1000 443\r\n", "v1 [1:2:3:4:5:6:7:8]:1000>[2001:db8::2]:443 49", "2.1"},
	{"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:6402 1000 443\r\n", "v1 [::ffff:192.0.2.1]:1000>[::ffff:198.51.100.2]:443 55", "an IPv6 address all the same"},
	{"PROXY UNKNOWN\r\n", "v1 local 15", "2.1: the short form"},
	{"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "v1 local 59", "2.1: what follows is ignored"},
	{"PROXY UNKNOWN " + strings.Repeat("x", 91) + "\r\n", "v1 local 107", "2.1: the worst case"},
	{"PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", "v1 local 108", "one more, as Envoy"},
	{"PROXY UNKNOWN " + strings.Repeat("x", 93) + "\r\n", "Invalid", "no CR LF within 108 bytes"},
	{"PROXY UNKNOWNS\r\n", "Invalid", "a word ends with a space"},
	{"PROXY \r\n", "Invalid", ""},
	{"PROXY TCP4\r\n", "Invalid", ""},
	{"PROXY TCP4 192.0.2.1 198.51.100.2 1000\r\n", "Invalid", "Envoy: 6 words"},
	{"PROXY TCP4 192.0.2.1 198.51.100.2 1000 443 \r\n", "Invalid", "2.1: no trailing space"},
	{"PROXY TCP4  192.0.2.1 198.51.100.2 1000 443\r\n", "Invalid", "2.1: exactly one space"},
	{"PROXY TCP4\t192.0.2.1 198.51.100.2 1000 443\r\n", "Invalid", ""},
	{"PROXY TCP5 192.0.2.1 198.51.100.2 1000 443\r\n", "Invalid", ""},
	{"PROXY UDP4 192.0.2.1 198.51.100.2 1000 443\r\n", "Invalid", "2.1: not in version 1"},
	{"PROXY TCP6 192.0.2.1 198.51.100.2 1000 443\r\n", "Invalid", "another family"},
	{"PROXY TCP4 2001:db8::1 2001:db8::2 1000 443\r\n", "Invalid", "another family"},
	{"PROXY TCP4 192.0.2.1 2001:db8::2 1000 443\r\n", "Invalid", "another family"},
	{"PROXY TCP6 fe80::1%eth0 2001:db8::2 1000 443\r\n", "Invalid", "2.1: no zones"},
	{"PROXY TCP4 192.0.2.01 198.51.100.2 1000 443\r\n", "Invalid", "2.1: no leading zeros"},
	{"PROXY TCP4 192.0.2.256 198.51.100.2 1000 443\r\n", "Invalid", ""},
	{"PROXY TCP4 192.0.2 198.51.100.2 1000 443\r\n", "Invalid", ""},
	{"PROXY TCP4 192.0.2.1 198.51.100.2 01000 443\r\n", "Invalid", "2.1: no leading zeros"},
	{"PROXY TCP4 192.0.2.1 198.51.100.2 +1000 443\r\n", "Invalid", "2.1: digits"},
	{"PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n", "Invalid", ""},
	{"PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n", "Invalid", ""},
	{"PROXY TCP4 0.0.0.0 198.51.100.2 1000 443\r\n", "Invalid", "Envoy: unicast"},
	{"PROXY TCP4 192.0.2.1 224.0.0.1 1000 443\r\n", "Invalid", "Envoy: unicast"},
	{"PROXY TCP4 255.255.255.255 198.51.100.2 1000 443\r\n", "Invalid", "Envoy: unicast"},
	{"PROXY TCP6 :: 2001:db8::2 1000 443\r\n", "Invalid", "Envoy: unicast"},
	{"PROXY TCP6 ff02::1 2001:db8::2 1000 443\r\n", "Invalid", "Envoy: unicast"},
	{"PROXY TCP6 ::ffff:0.0.0.0 2001:db8::2 1000 443\r\n", "Invalid", "the same in another form"},
	{"PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\n", "NeedMore", "2.1: the line ends with CR LF"},
	{"PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\n" + strings.Repeat("x", 70), "Invalid", "likewise"},
	{"PROXY TCP4 192.0.2.1\r198.51.100.2 1000 443\r", "NeedMore", ""},
	{"", "NeedMore", "nothing has come"},
	{"PROXY", "NeedMore", ""},
	{"PROXY\r\n", "NotFound", "the signature ends with a space"},
	{"proxy TCP4", "NotFound", "2.1: upper case"},
	{"GET / HTTP/1.1\r\n", "NotFound", ""},
	{"\r\n", "NeedMore", "or version 2"},
	{"\r\n\r\nGET", "NotFound", ""},
	{"\x16\x03\x01", "NotFound", ""},

	{v2(0x21, 0x11, inet), "v2 192.0.2.1:1000>198.51.100.2:443 28", "2.2"},
	{v2(0x21, 0x11, inet) + "GET / HTTP/1.1\r\n", "v2 192.0.2.1:1000>198.51.100.2:443 28", "2.2"},
	{v2(0x21, 0x12, inet), "v2 192.0.2.1:1000>198.51.100.2:443 28", "2.2: UDP"},
	{v2(0x21, 0x21, inet6), "v2 [2001:db8::1]:1000>[2001:db8::2]:443 52", "2.2"},
	{v2(0x21, 0x22, inet6), "v2 [2001:db8::1]:1000>[2001:db8::2]:443 52", "2.2"},
	{v2(0x21, 0x11, inet+"\x02\x00\x09edge.test\x04\x00\x00"), "v2 192.0.2.1:1000>198.51.100.2:443 43 02=edge.test 04=", "2.2.3"},
	{v2(0x21, 0x21, inet6+"\x02\x00\x01a\x02\x00\x01b"), "v2 [2001:db8::1]:1000>[2001:db8::2]:443 60 02=a 02=b", "a type may come twice"},
	{v2(0x21, 0x11, inet+"\x02"), "Invalid", "a TLV without length"},
	{v2(0x21, 0x11, inet+"\x02\x00"), "Invalid", ""},
	{v2(0x21, 0x11, inet+"\x02\x00\x02a"), "Invalid", "a value beyond the header"},
	{v2(0x21, 0x11, inet+"\x02\x00\x02a") + "b", "Invalid", "payload is no value (haproxy 488ee7fb6)"},
	{v2(0x21, 0x11, inet+"\x02\x00\x00\x04"), "Invalid", "the second is cut off"},
	{v2(0x20, 0x00, ""), "v2 local 16", "2.2: LOCAL"},
	{v2(0x20, 0x11, inet), "v2 local 28", "2.2: addresses of LOCAL are ignored"},
	{v2(0x20, 0xff, "\xff\xff"), "v2 local 18", "2.2: and the family, and TLVs"},
	{v2(0x21, 0x00, ""), "Invalid", "Envoy: AF_UNSPEC"},
	{v2(0x21, 0x31, strings.Repeat("x", unixAddresses)), "Invalid", "Envoy: AF_UNIX"},
	{v2(0x21, 0x10, inet), "Invalid", "transport UNSPEC"},
	{v2(0x21, 0x13, inet), "Invalid", ""},
	{v2(0x21, 0x41, inet), "Invalid", ""},
	{v2(0x22, 0x11, inet), "Invalid", "2.2: other commands"},
	{v2(0x11, 0x11, inet), "Invalid", "2.2: version 2 only"},
	{v2(0x31, 0x11, inet), "Invalid", ""},
	{v2(0x21, 0x11, inet[:11]), "Invalid", "shorter than its addresses (CVE-2019-14243)"},
	{v2(0x21, 0x21, inet), "Invalid", ""},
	{v2(0x21, 0x11, ""), "Invalid", ""},
	{v2(0x21, 0x11, "\x00\x00\x00\x00"+inet[4:]), "Invalid", "Envoy: unicast"},
	{v2(0x21, 0x11, inet[:4]+"\xe0\x00\x00\x01"+inet[8:]), "Invalid", "Envoy: unicast"},
	{v2(0x21, 0x21, strings.Repeat("\x00", 16)+inet6[16:]), "Invalid", "Envoy: unicast"},
	{v2(0x21, 0x11, inet)[:27], "NeedMore", ""},
	{v2(0x21, 0x11, inet)[:15], "NeedMore", ""},
	{signatureV2[:11] + "\r", "NotFound", ""},
}

func TestParse(t *testing.T) {
	for _, c := range cases {
		if got := text(Parse([]byte(c.stream))); got != c.want {
			t.Errorf("%q: got %s, want %s: %s", c.stream, got, c.want, c.why)
		}
	}
}

// A proper prefix of a good header is NeedMore; a verdict stays.
func TestEveryPrefix(t *testing.T) {
	for _, c := range cases {
		judge(t, []byte(c.stream))
	}
}

// reporter is what testing and rapid share.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// judge parses every prefix and says what the whole is.
func judge(t reporter, stream []byte) (Header, Status) {
	t.Helper()
	h, status := Parse(stream)
	want := text(h, status)
	for i := range stream {
		early, s := Parse(stream[:i])
		got := text(early, s)
		switch {
		case s != NeedMore && got != want:
			t.Errorf("%q: got %s after %d bytes, %s after all", stream, got, i, want)
		case s == NeedMore && status == Found && i >= h.Len:
			t.Errorf("%q: got NeedMore after %d bytes, want the header of %d", stream, i, h.Len)
		case s == Found && i < h.Len:
			t.Errorf("%q: got a header of %d bytes after %d", stream, h.Len, i)
		case early.Version != 0 && early.Version != h.Version:
			t.Errorf("%q: got version %d after %d bytes, %d after all", stream, early.Version, i, h.Version)
		case s == NeedMore && early.Len != 0 && early.Len != h.Len:
			t.Errorf("%q: got length %d after %d bytes, %d after all", stream, early.Len, i, h.Len)
		}
	}
	return h, status
}

// Invariant: what is written is read.
func TestAppendedHeadersAreParsed(t *testing.T) {
	anyAddr := rapid.Custom(func(t *rapid.T) netip.AddrPort {
		ip := rapid.OneOf(
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 4, 4), func(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b)) }),
		).Filter(unicast).Draw(t, "ip")
		return netip.AddrPortFrom(ip, rapid.Uint16().Draw(t, "port"))
	})
	anyTLV := rapid.Custom(func(t *rapid.T) TLV {
		return TLV{rapid.Byte().Draw(t, "type"), rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value")}
	})
	rapid.Check(t, func(t *rapid.T) {
		source, destination := anyAddr.Draw(t, "source"), anyAddr.Draw(t, "destination")
		tlvs := rapid.SliceOfN(anyTLV, 0, 4).Draw(t, "tlvs")
		payload := rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		line := AppendV1(nil, source, destination)
		binary, err := AppendV2([]byte("x"), source, destination, tlvs...)
		if err != nil || binary[0] != 'x' {
			t.Fatalf("got %q, %v", binary, err)
		}
		binary = binary[1:]
		one, s1 := judge(t, append(bytes.Clone(line), payload...))
		two, s2 := judge(t, append(bytes.Clone(binary), payload...))
		if s1 != Found || s2 != Found || one.Len != len(line) || two.Len != len(binary) {
			t.Fatalf("got %v of %d and %v of %d bytes, want headers of %d and %d", s1, one.Len, s2, two.Len, len(line), len(binary))
		}
		for _, h := range []Header{one, two} {
			if unmap(h.Source) != source || unmap(h.Destination) != destination {
				t.Fatalf("got %v, want %v and %v", h, source, destination)
			}
		}
		var got []TLV
		for tlv := range two.TLVs.All() {
			got = append(got, TLV{tlv.Type, append([]byte{}, tlv.Value...)})
		}
		if diff := cmp.Diff(append([]TLV(nil), tlvs...), got); diff != "" {
			t.Fatalf("TLVs (-want +got):\n%s", diff)
		}
	})
}

func TestAppend(t *testing.T) {
	var none netip.AddrPort
	a4, b4 := netip.MustParseAddrPort("192.0.2.1:1000"), netip.MustParseAddrPort("198.51.100.2:443")
	a6, b6 := netip.MustParseAddrPort("[2001:db8::1%eth0]:1000"), netip.MustParseAddrPort("[2001:db8::2]:443")
	mapped := netip.MustParseAddrPort("[::ffff:192.0.2.1]:1000")
	for _, c := range []struct {
		source, destination netip.AddrPort
		v1, v2              string
	}{
		{a4, b4, "PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\n", v2(0x21, 0x11, inet)},
		{mapped, b4, "PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\n", v2(0x21, 0x11, inet)},
		{a6, b6, "PROXY TCP6 2001:db8::1 2001:db8::2 1000 443\r\n", v2(0x21, 0x21, inet6)},
		{a4, b6, "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1000 443\r\n", v2(0x21, 0x21, strings.Repeat("\x00", 10)+"\xff\xff"+inet[:4]+inet6[16:])},
		{none, b4, "PROXY UNKNOWN\r\n", v2(0x20, 0, "")},
		{a4, none, "PROXY UNKNOWN\r\n", v2(0x20, 0, "")},
	} {
		if got := string(AppendV1(nil, c.source, c.destination)); got != c.v1 {
			t.Errorf("version 1 of %v and %v: got %q, want %q", c.source, c.destination, got, c.v1)
		}
		got, err := AppendV2(nil, c.source, c.destination)
		if err != nil || string(got) != c.v2 {
			t.Errorf("version 2 of %v and %v: got %q, %v, want %q", c.source, c.destination, got, err, c.v2)
		}
	}
	longest := TLV{TypeNoop, make([]byte, 65535-addressesInet-tlvHeader)}
	if got, err := AppendV2(nil, a4, b4, longest); err != nil || len(got) != 16+65535 {
		t.Errorf("the longest header: got %d bytes, %v, want %d", len(got), err, 16+65535)
	} else if h, s := Parse(got); s != Found || h.Len != len(got) {
		t.Errorf("the longest header: got %v of %d bytes", s, h.Len)
	}
	if got, err := AppendV2([]byte("x"), a4, b4, longest, TLV{}); err == nil || string(got) != "x" {
		t.Errorf("a header that is too long: got %d bytes, %v, want an error", len(got), err)
	}
}

// FuzzParse invariants: no panic; a verdict depends on the stream alone; what a
// good header says makes the same header again.
func FuzzParse(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.stream))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		h, status := judge(t, stream)
		if status != Found || h.Local {
			return
		}
		var again []byte
		var tlvs []TLV
		for tlv := range h.TLVs.All() {
			tlvs = append(tlvs, tlv)
		}
		switch h.Version {
		case V1:
			again = AppendV1(nil, h.Source, h.Destination)
		case V2:
			again, _ = AppendV2(nil, h.Source, h.Destination, tlvs...)
		}
		got, status := Parse(again)
		got.Source, got.Destination = unmap(got.Source), unmap(got.Destination)
		h.Source, h.Destination = unmap(h.Source), unmap(h.Destination)
		got.Len, h.Len = 0, 0 // addresses have several forms
		if status != Found || !reflect.DeepEqual(got, h) {
			t.Errorf("%q: got %+v, written and read again %+v", stream, h, got)
		}
	})
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		versions []Version
		want     string
	}{
		{nil, ""}, {[]Version{V1}, ""}, {[]Version{V2, V2}, ""},
		{[]Version{V1, V2}, "proxy protocol: disallowed_versions: got both versions, want one allowed"},
		{[]Version{3}, "proxy protocol: disallowed_versions: got 3, want 1 or 2"},
	} {
		_, err := New(Config{DisallowedVersions: c.versions})
		if got := fmt.Sprint(err); got != c.want && !(err == nil && c.want == "") {
			t.Errorf("%v: got %v, want %v", c.versions, got, c.want)
		}
	}
}

func TestParseOfVersion2AllocatesNothing(t *testing.T) {
	for _, stream := range []string{v2(0x21, 0x11, inet), v2(0x21, 0x21, inet6+"\x02\x00\x01a"), v2(0x20, 0, "")} {
		b := []byte(stream)
		if n := testing.AllocsPerRun(100, func() { Parse(b) }); n != 0 {
			t.Errorf("%q: got %v allocations, want none", stream, n)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for name, stream := range map[string]string{"v1": cases[0].stream, "v2": v2(0x21, 0x11, inet)} {
		b.Run(name, func(b *testing.B) {
			header := []byte(stream)
			b.ReportAllocs()
			for b.Loop() {
				if _, status := Parse(header); status != Found {
					b.Fatal(status)
				}
			}
		})
	}
}
