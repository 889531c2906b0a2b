package main

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"edgewise.test/pipeline"
)

// The fourth host is the pipeline itself, with a PROXY protocol listener filter.

// proxyProtocol takes a PROXY protocol header off the stream. It knows what the
// scenarios send and no more.
type proxyProtocol struct {
	cb    pipeline.ListenerFilterCallbacks
	parse func(b []byte) (header, verdict)
}

type header struct {
	length int
	source *netip.Addr // nil: the proxy speaks for itself (LOCAL)
}

func (f *proxyProtocol) OnAccept(cb pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	f.cb = cb
	return pipeline.StopIteration
}

func (f *proxyProtocol) OnData(buffer *pipeline.ListenerFilterBuffer) pipeline.FilterStatus {
	h, v := f.parse(buffer.Bytes())
	if v == needMore {
		return pipeline.StopIteration
	}
	if v == found {
		buffer.Drain(h.length)
		f.cb.Socket().Info().SetFilterState("source", h.source)
		return pipeline.Continue
	}
	f.cb.ContinueFilterChain(false)
	return pipeline.StopIteration
}

func (f *proxyProtocol) OnClose() {}

func (f *proxyProtocol) MaxReadBytes() int { return 512 }

// version1 detects a version 1 header, or that there is none.
func version1(bug id) func([]byte) (header, verdict) {
	signature := []byte("PROXY ")
	return func(b []byte) (header, verdict) {
		if !bytes.HasPrefix(b, signature) {
			if bug != "C11" && bytes.HasPrefix(signature, b) {
				return header{}, needMore
			}
			return header{}, found // of no length
		}
		end := bytes.Index(b, []byte("\r\n"))
		if end < 0 {
			return header{}, needMore
		}
		return header{length: end + 2}, found
	}
}

// version2 wants a version 2 header with its TLVs.
func version2(bug id) func([]byte) (header, verdict) {
	return func(b []byte) (header, verdict) {
		const fixed, addresses = 16, 12 // version, family and length; TCP over IPv4
		if len(b) < fixed {
			return header{}, needMore
		}
		h := header{length: fixed + int(binary.BigEndian.Uint16(b[14:]))}
		if len(b) < h.length {
			return header{}, needMore
		}
		if local := b[12] == 0x20; local {
			return h, found
		}
		if h.length < fixed+addresses && bug != "C24" {
			return header{}, refused
		}
		source := netip.AddrFrom4([4]byte(b[fixed : fixed+4]))
		h.source = &source
		tlvs := b[fixed+addresses:]
		if bug != "C18" && bug != "C24" {
			tlvs = b[fixed+addresses : h.length]
		}
		for len(tlvs) > 0 && bug != "C24" {
			if len(tlvs) < 3 || 3+int(binary.BigEndian.Uint16(tlvs[1:])) > len(tlvs) {
				return header{}, refused
			}
			tlvs = tlvs[3+int(binary.BigEndian.Uint16(tlvs[1:])):]
		}
		return h, found
	}
}

// sink is a network filter that keeps what it gets and answers with ok.
type sink struct {
	connection *pipeline.Connection
	bug        id
	sources    *[]string
	got        []byte
}

func (s *sink) OnNewConnection(pipeline.ReadFilterCallbacks) pipeline.FilterStatus {
	source, _ := s.connection.Info().FilterState("source").(*netip.Addr)
	switch {
	case source != nil || s.bug == "C16":
		*s.sources = append(*s.sources, source.String())
	default:
		*s.sources = append(*s.sources, "local")
	}
	return pipeline.Continue
}

func (s *sink) OnData(data *pipeline.Buffer, _ bool) pipeline.FilterStatus {
	s.got = append(s.got, data.Bytes()...)
	data.Drain(data.Len())
	if bytes.HasSuffix(s.got, []byte("\n")) {
		var answer pipeline.Buffer
		answer.WriteString("ok\n")
		s.connection.Write(&answer, false)
	}
	return pipeline.StopIteration
}

// behindProxy runs clients against the pipeline, and asserts that the filters saw
// the payload and nothing else, and refused nobody.
func behindProxy(s stage, bug id, parse func(id) func([]byte) (header, verdict), clients func(), mayRefuse bool) {
	k := s.NewWorker()
	loop := pipeline.NewLoop(k)
	var sinks []*sink
	var sources []string
	listener, err := pipeline.NewListener(loop, s.Listen(k), &pipeline.ListenerConfig{
		StatPrefix:      "zoo",
		ListenerFilters: []pipeline.ListenerFilterFactory{func() pipeline.ListenerFilter { return &proxyProtocol{parse: parse(bug)} }},
		FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{func(c *pipeline.Connection) {
			f := &sink{connection: c, bug: bug, sources: &sources}
			sinks = append(sinks, f)
			c.AddReadFilter(f)
		}}}},
	})
	if err != nil {
		s.Fatalf("listener: %v", err)
	}
	k.Go(func() { loop.Run() })
	clients()
	s.Run()
	for _, f := range sinks {
		if got := string(f.got); !strings.HasPrefix(payload, got) {
			s.Errorf("wrong bytes: the filters got %q, want %q", got, payload)
		}
	}
	if n := listener.Snapshot().Get("listener.zoo.downstream_listener_filter_reject"); n > 0 && !mayRefuse {
		s.Errorf("refused: %d good headers were refused", n)
	}
}

const payload = "GET / HTTP/1.1\r\n\r\n"

// balancer sends the pieces a moment apart and waits a second for the answer. It
// tells whether that came.
func balancer(p client, pieces ...string) bool {
	c, err := p.Dial()
	if err != nil {
		return false
	}
	for i, piece := range pieces {
		if i > 0 {
			p.Sleep(time.Millisecond)
		}
		c.Write([]byte(piece))
	}
	c.SetReadDeadline(p.After(time.Second))
	_, err = c.Read(make([]byte, 3))
	c.Close()
	return err == nil
}

// v2 is a PROXY v2 header with the command and what follows the fixed part.
func v2(command byte, rest ...byte) string {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), command, 0x11, 0, byte(len(rest)))
	return string(append(b, rest...))
}

var v4addresses = []byte{192, 0, 2, 1, 192, 0, 2, 2, 3, 232, 1, 187}

func playVersion1(s stage, bug id) {
	behindProxy(s, bug, version1, func() {
		s.Client("balancer", func(p client) { balancer(p, "PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n", payload) })
	}, false)
}

func playVersion2(s stage, bug id) {
	noop := []byte{4, 0, 2, 0, 0} // PP2_TYPE_NOOP of two bytes
	behindProxy(s, bug, version2, func() {
		s.Client("balancer", func(p client) { balancer(p, v2(0x21, append(v4addresses[:12:12], noop...)...), payload) })
	}, false)
}

// playHealthCheck has a balancer that checks the health of a server that did not
// answer within a second.
func playHealthCheck(s stage, bug id) {
	behindProxy(s, bug, version2, func() {
		s.Client("balancer", func(p client) {
			if !balancer(p, v2(0x21, v4addresses...)+payload) {
				balancer(p, v2(0x20)+payload)
			}
		})
	}, false)
}

// playShortHeader has a client that declares no room for its addresses.
func playShortHeader(s stage, bug id) {
	behindProxy(s, bug, version2, func() {
		s.Client("balancer", func(p client) { balancer(p, v2(0x21)+payload) })
	}, true)
}

// filtered are the bugs of PROXY protocol filters.
var filtered = []entry{
	{id: "C11", what: "a short first segment is taken for a stream without a PROXY header",
		links: []string{"https://github.com/envoyproxy/envoy/pull/18951"},
		class: "wrong bytes", deviations: 1, play: playVersion1, portable: true},
	{id: "C16", what: "a health check speaks for itself, and its address is looked at all the same",
		links: []string{"https://nvd.nist.gov/vuln/detail/CVE-2024-23327", "https://github.com/envoyproxy/envoy/commit/63895ea8e3"},
		class: "panic", deviations: 1, play: playHealthCheck},
	{id: "C18", what: "the walk over TLVs ends with what was received, not with the header",
		links: []string{"https://github.com/haproxy/haproxy/commit/488ee7fb6"},
		class: "refused", deviations: 1, play: playVersion2, portable: true},
	{id: "C24", what: "an address is read behind the end of a header that declares too little",
		links: []string{"https://nvd.nist.gov/vuln/detail/CVE-2019-14243", "https://github.com/golang/vulndb/issues/1923"},
		class: "panic", deviations: 1, play: playShortHeader, portable: true},
}
