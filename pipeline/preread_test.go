package pipeline_test

import (
	"net/netip"
	"syscall"
	"testing"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
)

// looking is a listener filter that has seen enough with the first bytes.
func looking(e *env) *script {
	return &script{e: e, name: "f", want: 100, onData: func(string) pipeline.FilterStatus { return pipeline.Continue }}
}

// What the listener filters have read comes first, and then what is in the kernel.
func TestPreread(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit int // of the read buffer
		set   func(p *probe)
		run   func(e *env, pr *probe, p *peer)
		told  string
	}{{
		name: "given at once",
		run:  func(*env, *probe, *peer) {},
		told: "data first",
	}, {
		name: "and what comes later behind it",
		run:  func(e *env, _ *probe, p *peer) { p.write("second"); e.turns() },
		told: "data first; data second",
	}, {
		name: "a FIN behind it closes",
		run:  func(e *env, _ *probe, p *peer) { p.fin(); e.turns() },
		told: "data first; RemoteClose",
	}, {
		name: "kept while reading is disabled, and given with what came meanwhile",
		set:  func(p *probe) { p.c.ReadDisable(true) },
		run: func(e *env, pr *probe, p *peer) {
			p.write("second")
			e.turns()
			if got := pr.c.Preread(); got != 5 {
				e.Errorf("Preread: got %d, want 5", got)
			}
			pr.c.ReadDisable(false)
			e.turns()
			if got := pr.c.Preread(); got != 0 {
				e.Errorf("Preread of what was read: got %d, want 0", got)
			}
		},
		told: "data firstsecond",
	}, {
		name: "kept while reading is disabled, and given without asking the kernel",
		set:  func(p *probe) { p.c.ReadDisable(true) },
		run: func(e *env, pr *probe, p *peer) {
			e.kernel.calls = map[string]int{}
			pr.c.ReadDisable(false)
			e.turns()
			if got := e.kernel.calls["read"]; got != 0 {
				e.Errorf("got %d reads, want none", got)
			}
		},
		told: "data first",
	}, {
		name: "a FIN while reading is disabled does not drop it",
		set:  func(p *probe) { p.c.ReadDisable(true) },
		run: func(e *env, pr *probe, p *peer) {
			p.fin()
			e.turns()
			e.logf("enable")
			pr.c.ReadDisable(false)
			e.turns()
		},
		told: "enable; data first; RemoteClose",
	}, {
		name: "a filter that stops and starts again inside the call gets it again",
		set: func(p *probe) {
			p.onData = func(*pipeline.Buffer, bool) pipeline.FilterStatus {
				p.onData = nil
				p.c.ReadDisable(true)
				p.c.ReadDisable(false)
				return pipeline.StopIteration
			}
		},
		run:  func(*env, *probe, *peer) {},
		told: "data first; data first",
	}, {
		name:  "over the read buffer's limit nothing is read behind it",
		limit: 3,
		set: func(p *probe) {
			p.onData = func(*pipeline.Buffer, bool) pipeline.FilterStatus { return pipeline.StopIteration }
		},
		run:  func(e *env, _ *probe, p *peer) { p.write("second"); e.turns() },
		told: "data first",
	}} {
		t.Run(c.name, func(t *testing.T) {
			onKernels(t, func(e *env) {
				pr := &probe{e: e}
				l := e.listen(pipeline.ListenerConfig{
					PerConnectionBufferLimitBytes: c.limit,
					ListenerFilters:               []pipeline.ListenerFilterFactory{looking(e).factory},
					FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{func(conn *pipeline.Connection) {
						pr.c = conn
						conn.AddReadFilter(pr)
						conn.AddConnectionCallbacks(pr)
						if c.set != nil {
							c.set(pr)
						}
					}}}},
				})
				p := e.dial(l.Address())
				p.write("first")
				e.until("connected", func() bool { return l.Stats().CxTotal == 1 })
				e.turns()
				c.run(e, pr, p)
				e.turns()
				e.told("f.accept; f.data first; new; Connected; " + c.told)
			})
		})
	}
}

// The peer must not believe that somebody has read what nobody has: a close with
// bytes in the kernel is a reset, and so is one with bytes that were read for the
// listener filters only.
func TestCloseOfUnreadBytesIsAReset(t *testing.T) {
	for _, c := range []struct {
		name  string
		chain pipeline.FilterChain
		drain bool
		end   string
	}{
		{"no filter chain matches", pipeline.FilterChain{FilterChainMatch: pipeline.FilterChainMatch{ServerNames: []string{"a.test"}}, Filters: []pipeline.FilterFactory{echo.Filter}}, false, "ECONNRESET"},
		{"closed by a network filter", pipeline.FilterChain{Filters: []pipeline.FilterFactory{closing}}, false, "ECONNRESET"},
		{"drained", pipeline.FilterChain{Filters: []pipeline.FilterFactory{closing}}, true, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onKernels(t, func(e *env) {
				f := looking(e)
				f.onData = func(data string) pipeline.FilterStatus {
					if c.drain {
						f.buffer.Drain(len(data))
					}
					return pipeline.Continue
				}
				l := e.listen(pipeline.ListenerConfig{ListenerFilters: []pipeline.ListenerFilterFactory{f.factory}, FilterChains: []pipeline.FilterChain{c.chain}})
				p := e.dial(l.Address())
				p.write("first")
				p.wants("", c.end)
			})
		})
	}
}

// pieces is a transport socket that reads a few bytes at a time, until there is no more.
type pieces struct{ silentSocket }

func (s *pieces) DoRead(buf *pipeline.Buffer) (result pipeline.IoResult) {
	for more := true; more; {
		var p [2]byte
		var n int
		var err error
		n, more, err = s.cb.Read(p[:])
		result.EndStreamRead = n == 0 && err == nil
		if err != nil && err != syscall.EAGAIN {
			result.Close, result.Err = true, err
		}
		buf.Write(p[:max(n, 0)])
		result.Bytes += max(n, 0)
	}
	return result
}

// Transport sockets read what the listener filters have left, in pieces of any size, and
// then from the kernel: as soon as that has told of something, and not before.
func TestTransportSocketsReadWhatWasPreread(t *testing.T) {
	onKernels(t, func(e *env) {
		pr := &probe{e: e}
		pr.onData = func(*pipeline.Buffer, bool) pipeline.FilterStatus { // wants it again
			pr.onData = nil
			pr.c.ReadDisable(true)
			pr.c.ReadDisable(false)
			return pipeline.StopIteration
		}
		f := looking(e)
		f.onData = func(string) pipeline.FilterStatus {
			e.kernel.calls = map[string]int{} // of the connection
			return pipeline.Continue
		}
		l := e.listen(pipeline.ListenerConfig{
			ListenerFilters: []pipeline.ListenerFilterFactory{f.factory},
			FilterChains: []pipeline.FilterChain{{
				Filters:         []pipeline.FilterFactory{func(c *pipeline.Connection) { pr.c = c; c.AddReadFilter(pr) }},
				TransportSocket: func() pipeline.TransportSocket { return new(pieces) },
			}},
		})
		p := e.dial(l.Address())
		p.write("first")
		e.until("connected", func() bool { return l.Stats().CxTotal == 1 })
		e.turns()
		if got := e.kernel.calls["read"]; got != 0 {
			e.Errorf("got %d reads of the kernel, want none", got)
		}
		p.write("odd")
		e.turns()
		if got := e.kernel.calls["read"]; got != 2 {
			e.Errorf("got %d reads of the kernel for 3 bytes, want 2", got)
		}
		e.told("f.accept; f.data first; new; data first; data first; data odd")
		p.write("last")
		p.fin()
		e.until("closed", func() bool { return l.Stats().CxActive == 0 })
		e.told("data last")
	})
}

// What a socket has waited with goes along to its connection. The next one that the
// same filters look at waits with storage of its own.
func TestBytesThatWaitedStayThoseOfTheirConnection(t *testing.T) {
	onKernels(t, func(e *env) {
		f := looking(e)
		f.onData = nil
		var conns []*probe
		l := e.listen(pipeline.ListenerConfig{
			ListenerFilters: []pipeline.ListenerFilterFactory{f.factory},
			FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{func(c *pipeline.Connection) {
				pr := &probe{e: e, c: c}
				conns = append(conns, pr)
				c.AddReadFilter(pr)
				c.ReadDisable(true)
			}}}},
		})
		var peers []*peer
		for _, text := range []string{"aaaa", "bbbb"} {
			p := e.dial(l.Address())
			peers = append(peers, p)
			p.write(text)
			e.until("waits", func() bool { return l.Stats().PreCxActive == 1 })
			e.turns()
			f.cb.ContinueFilterChain(true)
		}
		for _, pr := range conns {
			pr.c.ReadDisable(false)
			e.turns()
		}
		e.told("f.accept; f.data aaaa; new; f.accept; f.data bbbb; new; data aaaa; data bbbb")
		for _, p := range peers {
			p.close()
		}
		e.turns()
	})
}

// A listener that is handed a socket is handed what was read of it; one that has no
// room for it resets it.
func TestHandedSocketBringsItsBytes(t *testing.T) {
	m := newManagedEnv(t)
	f, target := looking(m.env), netip.MustParseAddrPort("192.0.2.1:80")
	spec := m.spec("redirected")
	spec.Config = func(int) *pipeline.ListenerConfig {
		return &pipeline.ListenerConfig{UseOriginalDst: true,
			ListenerFilters: []pipeline.ListenerFilterFactory{f.factory, func() pipeline.ListenerFilter { return &restoring{to: &target} }},
			FilterChains:    []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{closing}}}}
	}
	addr := m.add(spec)
	g := looking(m.env)
	g.name = "g"
	s := m.spec("target")
	s.NoBind, s.Address = true, target
	s.Config = func(int) *pipeline.ListenerConfig {
		cfg := echoConfig()
		cfg.ConnectionLimit = 1
		cfg.ListenerFilters = []pipeline.ListenerFilterFactory{g.factory}
		return &cfg
	}
	m.add(s)
	p := m.dial(addr)
	p.write("first")
	m.settle()
	if got, state := p.read(); got != "first" || state != "" {
		m.Errorf("echo: got %q %s, want first", got, state)
	}
	m.told("f.accept; f.data first; g.accept; g.data first")
	q := m.dial(addr)
	q.write("first")
	m.settle()
	m.wantEnd(q, "ECONNRESET")
}
