package pipeline_test

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/poller"
)

func echoConfig() pipeline.ListenerConfig {
	return pipeline.ListenerConfig{FilterChains: []pipeline.FilterChain{{Name: "echo", Filters: []pipeline.FilterFactory{echo.Filter}}}}
}

func TestEchoSendsBackDataAndEndOfStream(t *testing.T) {
	onKernels(t, func(e *env) {
		l := e.listen(echoConfig())
		p := e.dial(l.Address())
		p.write("hello ")
		p.wants("hello ", "")
		p.write("world")
		p.fin()
		p.wants("world", "EOF")
		e.stats(l, "downstream_cx_accepted=1 downstream_cx_destroy=1 downstream_cx_total=1 downstream_pre_cx_connected=1 downstream_pre_cx_total=1")
	})
}

// Every errno that accept(2) lists, twice: what is disarmed once must be armed
// again in the same way.
func TestAcceptErrorsNeitherKillNorSpinTheListener(t *testing.T) {
	for _, c := range []struct {
		err     syscall.Errno
		counter string
		pauses  bool
	}{
		{syscall.EINTR, "downstream_accept_retry", false},
		{syscall.ECONNABORTED, "downstream_accept_retry", false},
		{syscall.EPROTO, "downstream_accept_retry", false},
		{syscall.ENETDOWN, "downstream_accept_retry", false},
		{syscall.EPERM, "downstream_accept_retry", false},
		{syscall.EMFILE, "downstream_accept_resource", true},
		{syscall.ENFILE, "downstream_accept_resource", true},
		{syscall.ENOBUFS, "downstream_accept_resource", true},
		{syscall.ENOMEM, "downstream_accept_resource", true},
		{syscall.EINVAL, "downstream_accept_error", true},
		{syscall.EBADF, "downstream_accept_error", true},
	} {
		t.Run(poller.ErrnoName(c.err), func(t *testing.T) {
			onKernels(t, func(e *env) {
				l := e.listen(echoConfig())
				for round := uint64(1); round <= 2; round++ {
					e.kernel.accepts = 0
					e.kernel.accept = []error{c.err, c.err, c.err}
					p := e.dial(l.Address())
					p.write("x")
					e.until("accepted", func() bool { return l.Stats().Accepted == round })
					p.wants("x", "")
					if got := l.Snapshot().Get("listener.test." + c.counter); got != 3*round {
						e.Errorf("round %d: %s: got %d, want %d", round, c.counter, got, 3*round)
					}
					if e.kernel.accepts > 5 {
						e.Errorf("round %d: got %d calls of accept for one connection, want at most 5", round, e.kernel.accepts)
					}
				}
			})
		})
	}
}

func TestAcceptPauseDoublesUpToASecondAndStartsAnewAfterSuccess(t *testing.T) {
	e := newFakeEnv(t)
	l := e.listen(echoConfig())
	var gaps []string
	for range 2 {
		e.kernel.accept = nil
		for range 10 {
			e.kernel.accept = append(e.kernel.accept, syscall.EMFILE)
		}
		p := e.dial(l.Address())
		last, calls := e.kernel.Now(), e.kernel.accepts
		for len(e.kernel.accept) > 0 || l.Stats().CxActive == 0 {
			e.must(e.loop.Turn(-1))
			if e.kernel.accepts > calls {
				gaps = append(gaps, (e.loop.Now() - last).String())
				last, calls = e.loop.Now(), e.kernel.accepts
			}
		}
		p.close()
		e.turns()
	}
	want := "0s 5ms 10ms 20ms 40ms 80ms 160ms 320ms 640ms 1s 1s"
	if got := strings.Join(gaps, " "); got != want+" "+want {
		t.Errorf("pauses:\n got %s\nwant %s twice", got, want)
	}
}

func TestListenerAcceptsMoreWhileEventsFollowEachOtherUpToItsBatch(t *testing.T) {
	onKernels(t, func(e *env) {
		cfg := echoConfig()
		cfg.MaxConnectionsToAcceptPerSocketEvent = 3
		l := e.listen(cfg)
		var got []uint64
		for range 2 {
			for range 9 {
				e.dial(l.Address())
			}
			for range 4 {
				e.must(e.loop.Turn(5 * time.Millisecond))
				got = append(got, l.Stats().Accepted)
			}
			e.turns()
		}
		if got, want := fmt.Sprint(got), "[1 3 6 9 10 12 15 18]"; got != want {
			e.Errorf("accepted after each turn: got %v, want %v", got, want)
		}
	})
}

func TestConnectionsOverTheLimitAreClosedAndCounted(t *testing.T) {
	onKernels(t, func(e *env) {
		cfg := echoConfig()
		cfg.ConnectionLimit = 1
		l := e.listen(cfg)
		first := e.dial(l.Address())
		e.turns()
		second := e.dial(l.Address())
		second.wants("", "EOF")
		first.fin()
		first.wants("", "EOF")
		third := e.dial(l.Address())
		third.write("in")
		third.wants("in", "")
		if got := l.Stats().CxOverflow; got != 1 {
			e.Errorf("downstream_cx_overflow: got %d, want 1", got)
		}
	})
}

func TestDisabledListenerLeavesConnectionsInTheQueue(t *testing.T) {
	onKernels(t, func(e *env) {
		l := e.listen(echoConfig())
		for round := uint64(0); round < 2; round++ {
			l.Disable()
			p := e.dial(l.Address())
			p.write("later")
			e.turns()
			if l.Stats().Accepted != round {
				e.Errorf("accepted while disabled: got %d, want %d", l.Stats().Accepted, round)
			}
			l.Enable()
			p.wants("later", "")
		}
	})
}

func TestDisableDuringAcceptPauseOutlivesThePause(t *testing.T) {
	onKernels(t, func(e *env) {
		l := e.listen(echoConfig())
		e.kernel.accept = []error{syscall.EMFILE}
		e.dial(l.Address())
		e.until("paused", func() bool { return l.Stats().AcceptResource == 1 })
		l.Disable()
		for end := e.kernel.Now() + 20*time.Millisecond; e.kernel.Now() < end; {
			e.must(e.loop.Turn(20 * time.Millisecond))
		}
		if got := l.Stats().Accepted; got != 0 {
			e.Errorf("accepted while disabled: got %d, want 0", got)
		}
		l.Enable()
		e.until("accepted", func() bool { return l.Stats().Accepted == 1 })
	})
}

func TestNoDelayRefusedByADeadSocketIsNoFailure(t *testing.T) {
	onKernels(t, func(e *env) {
		e.kernel.nodelay = syscall.EINVAL
		l := e.listen(echoConfig())
		p := e.dial(l.Address())
		p.write("x")
		p.wants("x", "")
	})
}

func TestNoFilterChainMatchClosesTheConnection(t *testing.T) {
	onKernels(t, func(e *env) {
		l := e.listen(pipeline.ListenerConfig{FilterChains: []pipeline.FilterChain{{
			FilterChainMatch: pipeline.FilterChainMatch{ServerNames: []string{"edge.test"}}, Filters: []pipeline.FilterFactory{echo.Filter},
		}}})
		p := e.dial(l.Address())
		p.wants("", "EOF")
		e.stats(l, "downstream_cx_accepted=1 downstream_pre_cx_connected=1 downstream_pre_cx_total=1 no_filter_chain_match=1")
	})
}

func TestChainWithoutReadFilterClosesTheConnection(t *testing.T) {
	onKernels(t, func(e *env) {
		l := e.listen(pipeline.ListenerConfig{FilterChains: []pipeline.FilterChain{{}}})
		p := e.dial(l.Address())
		p.wants("", "EOF")
		e.stats(l, "downstream_cx_accepted=1 downstream_cx_destroy=1 downstream_cx_total=1 downstream_pre_cx_connected=1 downstream_pre_cx_total=1 network_extension_config_missing=1")
	})
}

func TestDrainWaitsForConnectionsAndClosesTheRestAtTheDeadline(t *testing.T) {
	onKernels(t, func(e *env) {
		for _, deadline := range []time.Duration{20 * time.Millisecond, time.Hour} {
			l := e.listen(echoConfig())
			p, q := e.dial(l.Address()), e.dial(l.Address())
			p.write("x")
			p.wants("x", "")
			drained := 0
			l.Drain(deadline, func() { drained++ })
			if drained != 0 {
				e.Error("done was called inside Drain")
			}
			p.write("y")
			if deadline == time.Hour {
				p.wants("y", "")
				p.fin()
				q.fin()
			}
			e.until("drained", func() bool { return drained > 0 })
			e.turns()
			if drained != 1 {
				e.Errorf("done was called %d times, want 1", drained)
			}
			if _, end := q.read(); end != "EOF" {
				e.Errorf("after the drain a client reads %q, want EOF", end)
			}
		}
	})
}

func TestDrainOfAnIdleListenerIsDoneAtOnceButNotInside(t *testing.T) {
	onKernels(t, func(e *env) {
		l := e.listen(echoConfig())
		done := false
		l.Drain(time.Hour, func() { done = true })
		if done {
			e.Error("done was called inside Drain")
		}
		e.must(e.loop.Turn(time.Second))
		if !done {
			e.Error("done was not called in the next iteration")
		}
	})
}

func TestListenerMayCloseInsideItsOwnCallbacks(t *testing.T) {
	for _, where := range []string{"OnAccept", "OnData", "OnNewConnection"} {
		t.Run(where, func(t *testing.T) {
			onKernels(t, func(e *env) {
				var l *pipeline.Listener
				f := &script{e: e, name: "f", want: 4}
				f.onAccept = func() pipeline.FilterStatus {
					if where == "OnAccept" {
						l.Close()
					}
					return pipeline.StopIteration
				}
				f.onData = func(string) pipeline.FilterStatus {
					if where == "OnData" {
						l.Close()
					}
					return pipeline.Continue
				}
				l = e.listen(pipeline.ListenerConfig{
					ListenerFilters: []pipeline.ListenerFilterFactory{f.factory},
					FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{func(c *pipeline.Connection) {
						c.AddReadFilter(newConnectionFunc(func() pipeline.FilterStatus {
							if where == "OnNewConnection" {
								l.Close()
							}
							return pipeline.Continue
						}))
					}}}},
				})
				p, q := e.dial(l.Address()), e.dial(l.Address())
				p.write("data")
				e.turns()
				_ = q
				e.laws(l, pipeline.CheckEnded)
				if _, err := e.peers.Read(p.fd, make([]byte, 1)); err == syscall.EAGAIN {
					e.Error("the connection is still open")
				}
			})
		})
	}
}

func TestBadConfigNamesThePlace(t *testing.T) {
	match := func(m ...pipeline.FilterChainMatch) (c pipeline.ListenerConfig) {
		for _, m := range m {
			c.FilterChains = append(c.FilterChains, pipeline.FilterChain{FilterChainMatch: m})
		}
		return c
	}
	type m = pipeline.FilterChainMatch
	for _, c := range []struct {
		cfg  pipeline.ListenerConfig
		want string
	}{
		{match(m{}, m{ServerNames: []string{"a", "*foo.com"}}), `filter_chains[1].filter_chain_match.server_names[1]: "*foo.com": a wildcard is a leading "*."`},
		{match(m{ServerNames: []string{"a.*.com"}}), `filter_chains[0].filter_chain_match.server_names[0]: "a.*.com": a wildcard is a leading "*."`},
		{match(m{ServerNames: []string{"*"}}), `filter_chains[0].filter_chain_match.server_names[0]: "*": a wildcard is a leading "*."`},
		{match(m{ServerNames: []string{""}}), `filter_chains[0].filter_chain_match.server_names[0]: "": want a name`},
		{match(m{TransportProtocol: "quic"}), `filter_chains[0].filter_chain_match.transport_protocol: "quic": want "tls", "raw_buffer" or nothing`},
		{match(m{ApplicationProtocols: []string{""}}), `filter_chains[0].filter_chain_match.application_protocols[0]: "": want a name`},
		{match(m{ServerNames: []string{"a"}}, m{ServerNames: []string{"b", "A"}}),
			`filter_chains[1].filter_chain_match: server name "A", transport protocol "", application protocol "": filter_chains[0] has the same`},
		{match(m{DestinationPort: 443, PrefixRanges: prefixes("10.1.2.3/8")}, m{DestinationPort: 443, PrefixRanges: prefixes("::/0", "10.0.0.0/8")}),
			`filter_chains[1].filter_chain_match: destination port 443, destination IP 10.0.0.0/8, server name "", transport protocol "", application protocol "": filter_chains[0] has the same`},
		{match(m{SourceType: pipeline.SourceTypeExternal, SourcePorts: []uint16{7, 7}}),
			`filter_chains[0].filter_chain_match.source_ports[1]: 7: the same as [0]`},
		{match(m{ServerNames: []string{"a", "b", "A"}}), `filter_chains[0].filter_chain_match.server_names[2]: A: the same as [0]`},
		{match(m{PrefixRanges: prefixes("10.0.0.0/8", "10.1.0.0/8")}), `filter_chains[0].filter_chain_match.prefix_ranges[1]: 10.1.0.0/8: the same as [0]`},
		{match(m{SourcePrefixRanges: prefixes("0.0.0.0/0")}, m{}),
			`filter_chains[1].filter_chain_match: server name "", transport protocol "", application protocol "": filter_chains[0] has the same`},
		{match(m{SourcePorts: []uint16{7, 0}}), `filter_chains[0].filter_chain_match.source_ports[1]: 0: want a port`},
		{match(m{SourceType: 3}), `filter_chains[0].filter_chain_match.source_type: SourceType(3): want ANY, SAME_IP_OR_LOOPBACK or EXTERNAL`},
		{match(m{DirectSourcePrefixRanges: make([]netip.Prefix, 1)}), `filter_chains[0].filter_chain_match.direct_source_prefix_ranges[0]: invalid Prefix: want an IPv4 or IPv6 prefix`},
		{match(m{}, m{}), `filter_chains[1].filter_chain_match: server name "", transport protocol "", application protocol "": filter_chains[0] has the same`},
	} {
		err := c.cfg.Validate()
		if err == nil || err.Error() != c.want {
			t.Errorf("Validate:\n got %v\nwant %s", err, c.want)
		}
	}
}

func prefixes(s ...string) (p []netip.Prefix) {
	for _, s := range s {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

func TestNewListenerNamesTheDescriptorThatIsNone(t *testing.T) {
	e := newFakeEnv(t)
	if _, err := pipeline.NewListener(e.loop, 99, &pipeline.ListenerConfig{}); err == nil || err.Error() != "listener fd 99: local address: bad file descriptor" {
		t.Errorf("got %v", err)
	}
}
