package tlsinspector

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"edgewise.test/fakepoller"
	"edgewise.test/pipeline"
	"edgewise.test/poller"
)

// fingerprints of the recordings, computed by a program that shares nothing with
// this one. Those of public clients are also in public lists: 8daaf6152771 stands
// for the cipher suites of Chromium.
var fingerprints = map[string][2]string{
	"chromium.bin":                        {"e89c7f9719edd1670b8e9392cbd175c4", "t13d1517h2_8daaf6152771_f10ceb9fcfd7"},
	"curl-http1.bin":                      {"0149f47eabf9a20d0893e2a44e5a6323", "t13d3112h1_e8f1e7e78f70_b26ce05bbdd6"},
	"curl-http2.bin":                      {"0149f47eabf9a20d0893e2a44e5a6323", "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6"},
	"curl-noalpn.bin":                     {"8f2dfd01a68a182e6d58f285ff59c02b", "t13d311100_e8f1e7e78f70_b26ce05bbdd6"},
	"go-alpn.bin":                         {"03117a8ed39ef02427ebbc39f121275c", "t13d1312h2_f57a46bbacb6_ab7e3b40a677"},
	"go-nosni.bin":                        {"60828da5b42313d165aae2938e651b72", "t13i1311h2_f57a46bbacb6_ab7e3b40a677"},
	"go-tls12.bin":                        {"0eb2909867e7f115c946b3b6697a8160", "t12d1011h1_a8cf61a50a39_a92c7c6a82fe"},
	"go.bin":                              {"9b7dcdf3f997f1fb7b4409c94cb7ef36", "t13d131100_f57a46bbacb6_ab7e3b40a677"},
	"java-jsse.bin":                       {"eea0a26d87c4721f5818bb176368f238", "t13d3713h2_db35923f8641_7c76daad20ec"},
	"node-http2.bin":                      {"1a28e69016765d92e3b381168d68922c", "t13d5911h2_a33745022dd6_1f22a2ca17c4"},
	"node-https.bin":                      {"1a28e69016765d92e3b381168d68922c", "t13d5911h1_a33745022dd6_1f22a2ca17c4"},
	"node-tls.bin":                        {"0cce74b0d9b7f8528fb2181588d23793", "t13d591000_a33745022dd6_1f22a2ca17c4"},
	"openssl-tls12-alpn.bin":              {"22558766122974704364c9c75c5cce0a", "t12d2808h2_d943125447b4_e7e480e5a997"},
	"openssl-tls12-noservername.bin":      {"fbe7e189e37a07ee33706f86bc746344", "t12i280600_d943125447b4_e7e480e5a997"},
	"openssl-tls12.bin":                   {"871a754af286dfb70c1b53c6887c62e0", "t12d280700_d943125447b4_e7e480e5a997"},
	"openssl-tls13-alpn.bin":              {"5a1edc7f170af1014fc65c994878e63c", "t13d3111h2_e8f1e7e78f70_1f22a2ca17c4"},
	"openssl-tls13-noservername-alpn.bin": {"eb28ec148ca5e2e906234d15d3a1d3f0", "t13i3110h2_e8f1e7e78f70_1f22a2ca17c4"},
	"openssl-tls13-noservername.bin":      {"c216e752cae6f8755fd27f561d031636", "t13i310900_e8f1e7e78f70_1f22a2ca17c4"},
	"openssl-tls13.bin":                   {"a3afc2c46ba4a7d7fbe1cfb7a3031c2f", "t13d311000_e8f1e7e78f70_1f22a2ca17c4"},
	"python-ssl-alpn.bin":                 {"304734bb1c086c3453b387400cf83f11", "t13d1812h2_85036bcba153_d41ae481755e"},
	"python-ssl.bin":                      {"93c7d42c0df602fb91589311534831f5", "t13d181100_85036bcba153_d41ae481755e"},
	"wget.bin":                            {"b1eb3ca3daaf03d365753f0a321e1601", "t13i291200_723694b0fccc_899037bd0b8c"},
}

func TestFingerprintsOfRecordedHellos(t *testing.T) {
	var p Parser
	for _, r := range recordings(t) {
		want, ok := fingerprints[r.file]
		if got := [2]string{p.JA3(r.hello), p.JA4(r.hello)}; !ok || got != want {
			t.Errorf("%s: got %q, want %q", r.file, got, want)
		}
		cut := []byte(fragments(string(r.hello[recordHeaderLen:]), 100))
		if got := [2]string{p.JA3(cut), p.JA4(append(cut, "early data"...))}; got != want {
			t.Errorf("%s in records: got %q, want %q", r.file, got, want)
		}
		if got := p.JA3(r.hello[:len(r.hello)-1]) + p.JA4(r.hello[:len(r.hello)-1]); got != "" {
			t.Errorf("%s without its last byte: got %q, want nothing", r.file, got)
		}
	}
}

// What the fingerprints are made of is what crypto/tls has found.
func TestFieldsAreThoseOfCryptoTLS(t *testing.T) {
	for _, r := range recordings(t) {
		var p Parser
		h, ok := p.fields(r.hello)
		info := oracle(r.hello)
		if !ok || info == nil {
			t.Fatalf("%s: got hello %v, crypto/tls %v", r.file, ok, info != nil)
		}
		equal(t, r.file+": cipher suites", h.ciphers, info.CipherSuites)
		equal(t, r.file+": extensions", h.extensions, info.Extensions)
		equal(t, r.file+": groups", h.groups, info.SupportedCurves)
		equal(t, r.file+": point formats", h.pointFormats, info.SupportedPoints)
		equal(t, r.file+": signature algorithms", h.signatureAlgorithms, info.SignatureSchemes)
		if len(h.supportedVersions) > 0 { // crypto/tls makes a list when there is none
			equal(t, r.file+": versions", h.supportedVersions, info.SupportedVersions)
		}
	}
}

func equal[A, B ~uint16 | ~uint8](t *testing.T, what string, got []A, want []B) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a A, b B) bool { return uint16(a) == uint16(b) }) {
		t.Errorf("%s: got %v, crypto/tls has %v", what, got, want)
	}
}

func numbers(list ...uint16) string {
	var b []byte
	for _, v := range list {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return string(b)
}

func TestJA4(t *testing.T) {
	const none = "000000000000"
	versions := func(v ...uint16) string { return extension(extensionSupportedVersions, vector8(numbers(v...))) }
	var hundred []uint16
	for i := range uint16(100) {
		hundred = append(hundred, 0xc000+i)
	}
	many := make([]string, 0, 120)
	for i := range uint16(120) {
		many = append(many, extension(0x4000+i, ""))
	}
	for _, c := range []struct {
		name, hello, want string // want: up to the first "_", or all
	}{
		{"no extensions at all", message(start), "t12i010000_" + ja4Hash("1301") + "_" + none},
		{"server name", hello(serverName("edge.test")), "t12d010100_" + ja4Hash("1301") + "_" + none},
		{"server name and ALPN count, and are not hashed", hello(serverName("edge.test"), alpn("h2")), "t12d0102h2_" + ja4Hash("1301") + "_" + none},
		{"the highest version, GREASE aside", hello(versions(0x0303, 0x0304, 0xfafa)), "t13i010100"},
		{"only GREASE versions", hello(versions(0x0a0a)), "t12i010100"},
		{"an unknown version", hello(versions(0x0305)), "t00i010100"},
		{"TLS 1.0", hello(versions(0x0301)), "t10i010100"},
		{"TLS 1.1", hello(versions(0x0302)), "t11i010100"},
		{"SSL 3.0", hello(versions(0x0300)), "ts3i010100"},
		{"SSL 2.0", hello(versions(0x0002)), "ts2i010100"},
		{"ALPN of one letter", hello(alpn("a")), "t12i0101aa"},
		{"ALPN, first of several", hello(alpn("http/1.1", "h2")), "t12i0101h1"},
		{"ALPN that is not alphanumeric", hello(alpn("\xab\xcd")), "t12i0101ad"},
		{"ALPN that ends so", hello(alpn("h2\xff")), "t12i01016f"},
		{"malformed ALPN counts and is nothing", hello(extension(extensionALPN, "\x00")), "t12i010100"},
		{"GREASE extension", hello(extension(0x1a1a, ""), serverName("edge.test")), "t12d010100"},
		{"signature algorithms keep their order", hello(extension(extensionSignatureAlgorithms, vector16(numbers(0x0804, 0x0403)))),
			"t12i010100_" + ja4Hash("1301") + "_" + ja4Hash("000d_0804,0403")},
		{"extensions are sorted", hello(extension(0x17, ""), extension(extensionPointFormats, "\x01\x00")),
			"t12i010200_" + ja4Hash("1301") + "_" + ja4Hash("000b,0017")},
		{"more than 99", message(start[:35] + vector16(numbers(hundred...)) + "\x01\x00" + vector16(many...)), "t12i999900"},
		{"GREASE cipher suites", message(start[:35] + vector16(numbers(0x2a2a, 0x1302, 0x1301)) + "\x01\x00"),
			"t12i020000_" + ja4Hash("1301,1302") + "_" + none},
		{"only GREASE cipher suites", message(start[:35] + vector16(numbers(0x2a2a)) + "\x01\x00"), "t12i000000_" + none + "_" + none},
	} {
		var p Parser
		got := p.JA4([]byte(record(c.hello)))
		if !strings.Contains(c.want, "_") {
			got, _, _ = strings.Cut(got, "_")
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// Envoy leaves GREASE out of cipher suites and extensions, and keeps it in groups.
func TestJA3AndGREASE(t *testing.T) {
	var p Parser
	ja3 := func(cipher, kind, group uint16) string {
		body := start[:35] + vector16(numbers(0x1301, cipher)) + "\x01\x00" +
			vector16(extension(kind, ""), extension(extensionGroups, vector16(numbers(group, 29))))
		return p.JA3([]byte(record(message(body))))
	}
	want := ja3(0x0a0a, 0x1a1a, 0x2a2a)
	if got := ja3(0xfafa, 0xeaea, 0x2a2a); got != want {
		t.Errorf("other GREASE in cipher suites and extensions: got %s, want %s", got, want)
	}
	if got := ja3(0x0a0a, 0x1a1a, 0x3a3a); got == want {
		t.Errorf("other GREASE in groups: got %s, want another one", got)
	}
	if got := ja3(0x0a1a, 0x1a1a, 0x2a2a); got == want {
		t.Errorf("0x0a1a is no GREASE: got %s, want another one", got)
	}
}

func TestInspectorKeepsFingerprintsIfToldTo(t *testing.T) {
	r := recordings(t)[0]
	for _, c := range []struct {
		config   Config
		ja3, ja4 string
	}{
		{Config{}, "", ""},
		{Config{EnableJA3Fingerprinting: true}, fingerprints[r.file][0], ""},
		{Config{EnableJA4Fingerprinting: true}, "", fingerprints[r.file][1]},
	} {
		w := fakepoller.New(fakepoller.Config{})
		defer w.Close()
		var got []string
		serve(t, w, pipeline.ListenerConfig{
			ListenerFilters: []pipeline.ListenerFilterFactory{New(c.config).Filter},
			FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{func(conn *pipeline.Connection) {
				got = append(got, conn.Info().JA3(), conn.Info().JA4(), conn.Info().RequestedServerName())
			}}}},
		}, r.hello)
		if want := []string{c.ja3, c.ja4, r.serverName}; !slices.Equal(got, want) {
			t.Errorf("%+v: got %q, want %q", c.config, got, want)
		}
	}
}

// serve takes stream through a listener.
func serve(t *testing.T, w *fakepoller.World, cfg pipeline.ListenerConfig, stream []byte) {
	t.Helper()
	k := w.NewWorker()
	loop := pipeline.NewLoop(k)
	fd, err := poller.ListenTCP(k, netip.MustParseAddrPort("127.0.0.1:443"), poller.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pipeline.NewListener(loop, fd, &cfg); err != nil {
		t.Fatal(err)
	}
	k.Go(func() { loop.Run() })
	w.Peer("client", func(p *fakepoller.Peer) {
		if c, err := p.Dial(netip.MustParseAddrPort("127.0.0.1:443")); err == nil {
			c.Write(stream)
		}
	})
	w.Run()
}

// FuzzFingerprints invariants: no panic; there is a fingerprint if there is a
// hello; it does not depend on the records.
func FuzzFingerprints(f *testing.F) {
	for _, r := range recordings(f) {
		f.Add(r.hello[recordHeaderLen:], 40)
	}
	f.Fuzz(func(t *testing.T, message []byte, n int) {
		var p Parser
		if len(message) == 0 || len(message) > 8000 {
			return
		}
		n = min(max(n, 20), maxRecordLen)
		whole := []byte(record(string(message)))
		cut := []byte(fragments(string(message), n))
		_, status := p.Parse(whole)
		if _, s := p.Parse(cut); s != status {
			return // only the size counts the record headers
		}
		ja3, ja4 := p.JA3(whole), p.JA4(whole)
		if found := status == Found; (ja3 != "") != found || (ja4 != "") != found || found && (len(ja3) != 32 || len(ja4) != 36) {
			t.Errorf("%v: got %q and %q", status, ja3, ja4)
		}
		if got3, got4 := p.JA3(cut), p.JA4(cut); got3 != ja3 || got4 != ja4 {
			t.Errorf("in records of %d bytes: got %q and %q, want %q and %q", n, got3, got4, ja3, ja4)
		}
	})
}
