package main

import (
	"bytes"
	"encoding/binary"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/pipeline"
	"edgewise.test/poller"
	"edgewise.test/proptest"
)

// proxyProtocol is a listener filter that takes a PROXY protocol header off the
// stream, with a mistake that can be left out. It knows what the scenarios send
// and no more.
type proxyProtocol struct {
	cb    pipeline.ListenerFilterCallbacks
	parse func(b []byte) (header int, verdict verdict)
}

type verdict uint8

const (
	needMore verdict = iota
	found
	none // the stream begins without a header
	broken
)

func (f *proxyProtocol) OnAccept(cb pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	f.cb = cb
	return pipeline.StopIteration
}

func (f *proxyProtocol) OnData(buffer *pipeline.ListenerFilterBuffer) pipeline.FilterStatus {
	header, verdict := f.parse(buffer.Bytes())
	switch verdict {
	case needMore:
		return pipeline.StopIteration
	case none:
		return pipeline.Continue
	case found:
		buffer.Drain(header)
		return pipeline.Continue
	}
	f.cb.Socket().Close()
	return pipeline.StopIteration
}

func (f *proxyProtocol) OnClose() {}

func (f *proxyProtocol) MaxReadBytes() int { return 512 }

// version1 detects a version 1 header, or that there is none. The mistake: it
// takes a short first segment, "PRO", for a stream without a header.
func version1(fixed bool) func([]byte) (int, verdict) {
	signature := []byte("PROXY ")
	return func(b []byte) (int, verdict) {
		if !bytes.HasPrefix(b, signature) {
			if fixed && bytes.HasPrefix(signature, b) {
				return 0, needMore
			}
			return 0, none
		}
		end := bytes.Index(b, []byte("\r\n"))
		if end < 0 {
			return 0, needMore
		}
		return end + 2, found
	}
}

// version2 wants a version 2 header and walks its TLVs. The mistake: the walk ends
// with the bytes that were received and not with the header, so that payload in
// the same segment is taken for TLVs.
func version2(fixed bool) func([]byte) (int, verdict) {
	return func(b []byte) (int, verdict) {
		const fixedLen, addresses = 16, 12 // version, family and length; TCP over IPv4
		if len(b) < fixedLen {
			return 0, needMore
		}
		header := fixedLen + int(binary.BigEndian.Uint16(b[14:]))
		if len(b) < header {
			return 0, needMore
		}
		tlvs := b[fixedLen+addresses:]
		if fixed {
			tlvs = b[fixedLen+addresses : header]
		}
		for len(tlvs) > 0 {
			if len(tlvs) < 3 {
				return 0, broken
			}
			length := 3 + int(binary.BigEndian.Uint16(tlvs[1:]))
			if length > len(tlvs) {
				return 0, broken
			}
			tlvs = tlvs[length:]
		}
		return header, found
	}
}

// sink is a network filter that keeps what it gets.
type sink struct{ got []byte }

func (s *sink) OnNewConnection(pipeline.ReadFilterCallbacks) pipeline.FilterStatus {
	return pipeline.Continue
}

func (s *sink) OnData(data *pipeline.Buffer, _ bool) pipeline.FilterStatus {
	s.got = append(s.got, data.Bytes()...)
	data.Drain(data.Len())
	return pipeline.StopIteration
}

const payload = "GET / HTTP/1.1\r\n\r\n"

// behindProxy sends header and then, a moment later, payload through a listener
// with the filter. Only the payload may come out, and a good header may not be
// refused.
func behindProxy(header []byte, parse func([]byte) (int, verdict)) func(*proptest.World) {
	return func(w *proptest.World) {
		k := w.NewWorker()
		fd, err := poller.ListenTCP(k, listenAddr, poller.ListenConfig{})
		if err != nil {
			w.Fatalf("listen: %v", err)
		}
		loop := pipeline.NewLoop(k)
		var sinks []*sink
		listener, err := pipeline.NewListener(loop, fd, &pipeline.ListenerConfig{
			StatPrefix:      "edge",
			ListenerFilters: []pipeline.ListenerFilterFactory{func() pipeline.ListenerFilter { return &proxyProtocol{parse: parse} }},
			FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{func(c *pipeline.Connection) {
				s := &sink{}
				sinks = append(sinks, s)
				c.AddReadFilter(s)
			}}}},
		})
		if err != nil {
			w.Fatalf("listener: %v", err)
		}
		k.Go(func() { loop.Run() })
		for _, name := range []string{"alice", "bob"} {
			w.Peer(name, func(p *fakepoller.Peer) {
				c, err := p.Dial(listenAddr)
				if err != nil {
					return
				}
				c.Write(header)
				p.Sleep(time.Millisecond)
				c.Write([]byte(payload))
			})
		}
		w.Run()
		for _, s := range sinks {
			w.Delivered("payload", []byte(payload), s.got, false)
		}
		if n := listener.Snapshot().Get("listener.edge.downstream_listener_filter_reject"); n > 0 {
			w.Errorf("refused: %d good headers were refused", n)
		}
		w.Counted(listener.Snapshot())
	}
}

func shortPrefix(fixed bool) func(*proptest.World) {
	return behindProxy([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n"), version1(fixed))
}

func tlvOverrun(fixed bool) func(*proptest.World) {
	header := []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x11")
	header = append(header, 192, 0, 2, 1, 192, 0, 2, 2, 3, 232, 1, 187) // addresses and ports
	header = append(header, 4, 0, 2, 0, 0)                              // one TLV: PP2_TYPE_NOOP of two bytes
	return behindProxy(header, version2(fixed))
}
