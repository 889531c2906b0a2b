package tlsinspector

import "testing"

// lenient are the rules of the twin that crypto/tls does not have: it skips warning
// alerts, takes record versions up to 15.255, and does not check these fields.
var lenient = map[string]bool{
	"record type": true, "record version": true, "session id": true,
	"cipher suites": true, "compression methods": true, "server name": true,
}

// FuzzClientHello feeds one stream, in prefixes. Invariants: no panic; the twin's
// verdict; a verdict stays; a hello of crypto/tls is a hello, with the same names.
func FuzzClientHello(f *testing.F) {
	for _, r := range recordings(f) {
		f.Add(r.hello, uint16(0), uint16(len(r.hello)/2))
		f.Add([]byte(fragments(string(r.hello[recordHeaderLen:]), 40)), uint16(0), uint16(7))
	}
	f.Add([]byte(record(hello(serverName("edge.test"), alpn("h2", "http/1.1")))), uint16(0), uint16(20))
	f.Add([]byte(fragments(hello(serverName("edge.test"), alpn("h2")), 1)), uint16(200), uint16(6))
	f.Add([]byte("GET / HTTP/1.1\r\n"), uint16(0), uint16(3))

	var p Parser
	f.Fuzz(func(t *testing.T, stream []byte, limit, cut uint16) {
		p.MaxSize = int(limit)
		effective := p.MaxSize
		if effective < 1 || effective > MaxSize {
			effective = MaxSize
		}
		part := stream[:min(int(cut), len(stream))]
		early := judge(&p, part)
		if want, why := twin(part, effective); early != want {
			t.Errorf("first %d bytes: got %+v, the twin has %+v %s", len(part), early, want, why)
		}
		got := judge(&p, stream)
		want, why := twin(stream, effective)
		if got != want {
			t.Errorf("got %+v, the twin has %+v %s", got, want, why)
		}
		if early.status != NeedMore && got != early {
			t.Errorf("got %+v after %d bytes, %+v after all %d", early, len(part), got, len(stream))
		}
		if info := oracle(stream); info != nil {
			hello, status := p.Parse(stream)
			switch {
			case status == Found:
				agree(t, hello, info)
			case status == NeedMore, status == NotTLS && !lenient[why]:
				t.Errorf("got %v %s, crypto/tls has found a hello", status, why)
			}
		}
	})
}
