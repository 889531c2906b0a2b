package pipeline_test

import (
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/pipeline/tlsinspector"
	"edgewise.test/poller"
)

// inspect returns a listener whose sockets go through the scripts and then echo.
func (e *env) inspect(cfg pipeline.ListenerConfig, scripts ...*script) *pipeline.Listener {
	for i, f := range scripts {
		f.e = e
		if f.name == "" {
			f.name = string(rune('a' + i))
		}
		cfg.ListenerFilters = append(cfg.ListenerFilters, f.factory)
	}
	cfg.FilterChains = []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{echo.Filter}}}
	return e.listen(cfg)
}

// enough returns what OnData does when n bytes are enough.
func enough(n int) func(string) pipeline.FilterStatus {
	return func(data string) pipeline.FilterStatus {
		if len(data) >= n {
			return pipeline.Continue
		}
		return pipeline.StopIteration
	}
}

const life = "downstream_cx_accepted=1 "

func TestListenerFilters(t *testing.T) {
	const connected = life + "downstream_cx_active=1 downstream_cx_total=1 downstream_pre_cx_connected=1 downstream_pre_cx_total=1"
	const echoed = life + "downstream_cx_destroy=1 downstream_cx_total=1 downstream_pre_cx_connected=1 downstream_pre_cx_total=1"
	for _, c := range []struct {
		name    string
		filters []*script
		timeout time.Duration // 0: the default
		run     func(e *env, l *pipeline.Listener, p *peer)
		told    string
		stats   string
	}{{
		name:    "bytes that come in parts are offered once each time there are more",
		filters: []*script{{want: 10, onData: enough(10)}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			p.write("01234")
			e.turns()
			p.write("5678")
			e.turns()
			p.write("9abc")
			p.wants("0123456789abc", "")
		},
		told:  "a.accept; a.data 01234; a.data 012345678; a.data 0123456789", // no more than it wished
		stats: connected,
	}, {
		name:    "the next filter gets what was read already",
		filters: []*script{{want: 5, onData: enough(5)}, {want: 3, onData: enough(3)}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			p.write("hello")
			p.wants("hello", "")
		},
		told:  "a.accept; a.data hello; b.accept; b.data hello",
		stats: connected,
	}, {
		name:    "data with its FIN is complete before the FIN counts",
		filters: []*script{{want: 10, onData: enough(5)}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			p.write("01")
			e.turns()
			p.write("234")
			p.fin()
			p.wants("01234", "EOF")
		},
		told:  "a.accept; a.data 01; a.data 01234",
		stats: echoed,
	}, {
		name:    "a FIN behind too few bytes ends the socket at once",
		filters: []*script{{want: 10, onData: enough(10)}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			p.write("01234")
			e.turns()
			p.fin()
			e.turns()
		},
		told:  "a.accept; a.data 01234; a.close",
		stats: life + "downstream_listener_filter_remote_close=1 downstream_pre_cx_total=1",
	}, {
		name:    "a FIN that was there before the first look ends the socket at once",
		filters: []*script{{want: 10, onData: enough(10)}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			p.write("01234")
			p.fin()
			e.turns()
		},
		told:  "a.accept; a.data 01234; a.close",
		stats: life + "downstream_listener_filter_remote_close=1 downstream_pre_cx_total=1",
	}, {
		name:    "a FIN without bytes ends the socket at once",
		filters: []*script{{want: 10}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			e.turns()
			p.fin()
			e.turns()
		},
		told:  "a.accept; a.close",
		stats: life + "downstream_listener_filter_remote_close=1 downstream_pre_cx_total=1",
	}, {
		name:    "a FIN that the first filter did not mind ends the socket at the second, which wants more",
		filters: []*script{{want: 10, onData: enough(5)}, {want: 10}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			e.turns()
			p.write("01234")
			p.fin()
			e.turns()
		},
		told:  "a.accept; a.data 01234; b.accept; b.data 01234; b.close",
		stats: life + "downstream_listener_filter_remote_close=1 downstream_pre_cx_total=1",
	}, {
		name:    "a reset behind queued bytes ends the socket at once",
		filters: []*script{{want: 10}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			p.write("01234")
			e.turns()
			p.reset()
			e.turns()
		},
		told:  "a.accept; a.data 01234; a.close",
		stats: life + "downstream_listener_filter_error=1 downstream_pre_cx_total=1",
	}, {
		name:    "a reset before accept ends the socket",
		filters: []*script{{want: 10}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			p.reset()
			e.turns()
		},
		told:  "a.accept; a.close",
		stats: life + "downstream_listener_filter_error=1 downstream_pre_cx_total=1",
	}, {
		name:    "a wish that grows is met from what is queued",
		filters: []*script{{want: 4}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			p.write("0123456789")
			p.wants("0123456789", "")
		},
		told:  "a.accept; a.data 0123; a.data 01234567; a.data 0123456789",
		stats: connected,
	}, {
		name:    "an interrupted read is no error",
		filters: []*script{{want: 4, onData: enough(4)}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			p.write("0123")
			e.kernel.read = []error{syscall.EINTR, syscall.EINTR}
			p.wants("0123", "")
		},
		told:  "a.accept; a.data 0123",
		stats: connected,
	}, {
		name:    "a read that fails ends the socket",
		filters: []*script{{want: 4}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			e.kernel.read = []error{syscall.ENOTCONN}
			e.turns()
		},
		told:  "a.accept; a.close",
		stats: life + "downstream_listener_filter_error=1 downstream_pre_cx_total=1",
	}, {
		name:    "the timeout tells the filter",
		timeout: 30 * time.Millisecond,
		filters: []*script{{want: 4}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			p.write("01")
			e.until("timeout", func() bool { return l.Stats().PreCxTimeout == 1 })
		},
		told:  "a.accept; a.data 01; a.close",
		stats: life + "downstream_pre_cx_timeout=1 downstream_pre_cx_total=1",
	}, {
		name:    "removal tells the filter",
		filters: []*script{{want: 4}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			e.turns()
			l.Close()
			e.turns()
		},
		told:  "a.accept; a.close",
		stats: life + "downstream_pre_cx_removed=1 downstream_pre_cx_total=1",
	}, {
		name:    "a filter that closes the socket refuses it, and is not told",
		filters: []*script{{want: 4}},
		run: func(e *env, l *pipeline.Listener, p *peer) {
			p.write("01")
			e.turns()
			e.first.cb.Socket().Close()
			e.first.cb.Socket().Close()
			p.wants("", "ECONNRESET") // unread bytes
		},
		told:  "a.accept; a.data 01",
		stats: life + "downstream_listener_filter_reject=1 downstream_pre_cx_total=1",
	}} {
		t.Run(c.name, func(t *testing.T) {
			onKernels(t, func(e *env) {
				// Fresh scripts for each kernel.
				var filters []*script
				for _, f := range c.filters {
					g := *f
					filters = append(filters, &g)
				}
				if c.name == "a wish that grows is met from what is queued" {
					f := filters[0]
					f.onData = func(data string) pipeline.FilterStatus {
						if len(data) == f.want {
							f.want *= 2
						}
						return enough(10)(data)
					}
				}
				l := e.inspect(pipeline.ListenerConfig{ListenerFiltersTimeout: c.timeout}, filters...)
				e.first = filters[0]
				p := e.dial(l.Address())
				c.run(e, l, p)
				e.told(c.told)
				e.stats(l, c.stats)
			})
		})
	}
}

func TestWakeupWithoutNewBytesDoesNotReachAFilter(t *testing.T) {
	onKernels(t, func(e *env) {
		f := &script{want: 10}
		l := e.inspect(pipeline.ListenerConfig{}, f)
		p := e.dial(l.Address())
		p.write("0123")
		e.turns()
		reads := 0
		e.kernel.calls = map[string]int{}
		for range 3 {
			e.kernel.read = []error{syscall.EAGAIN} // a wake-up for nothing
			p.write("x")
			e.turns()
			reads = e.kernel.calls["read"]
		}
		if reads < 3 {
			e.Errorf("got %d reads, want one for each wake-up: the test does not test", reads)
		}
		e.told("a.accept; a.data 0123")
		p.write("y")
		e.turns()
		e.told("a.data 0123xxxy")
	})
}

func TestFilterThatWaitsForSomethingElseContinuesTheChainItself(t *testing.T) {
	onKernels(t, func(e *env) {
		f := &script{}
		l := e.inspect(pipeline.ListenerConfig{}, f)
		p := e.dial(l.Address())
		p.write("early")
		p.fin()
		e.turns()
		e.stats(l, life+"downstream_pre_cx_active=1 downstream_pre_cx_total=1")
		cb := f.cb
		cb.ContinueFilterChain(true)
		cb.ContinueFilterChain(true) // too late
		cb.ContinueFilterChain(false)
		p.wants("early", "EOF")
		e.told("a.accept")
	})
}

func TestFilterThatWaitsForSomethingElseHearsOfAClose(t *testing.T) {
	onKernels(t, func(e *env) {
		l := e.inspect(pipeline.ListenerConfig{}, &script{})
		p := e.dial(l.Address())
		e.turns()
		p.fin()
		e.turns()
		e.told("a.accept; a.close")
		e.stats(l, life+"downstream_listener_filter_remote_close=1 downstream_pre_cx_total=1")
	})
}

func TestContinueFilterChainInsideACallbackIsItsAnswer(t *testing.T) {
	for _, success := range []bool{true, false} {
		onKernels(t, func(e *env) {
			f := &script{want: 1}
			f.onData = func(string) pipeline.FilterStatus {
				f.cb.ContinueFilterChain(success)
				return pipeline.StopIteration
			}
			l := e.inspect(pipeline.ListenerConfig{}, f)
			p := e.dial(l.Address())
			p.write("x")
			e.turns()
			if got, want := l.Stats().CxTotal == 1, success; got != want {
				e.Errorf("ContinueFilterChain(%v): got a connection: %v", success, got)
			}
			if got, want := l.Stats().FilterReject == 1, !success; got != want {
				e.Errorf("ContinueFilterChain(%v): got a reject: %v", success, got)
			}
		})
	}
}

func TestTimeoutContinuesWithWhatIsKnown(t *testing.T) {
	onKernels(t, func(e *env) {
		l := e.inspect(pipeline.ListenerConfig{
			ListenerFiltersTimeout: 10 * time.Millisecond, ContinueOnListenerFiltersTimeout: true,
		}, &script{want: 100})
		p := e.dial(l.Address())
		p.write("0123")
		e.until("timeout", func() bool { return l.Stats().PreCxTimeout == 1 })
		p.wants("0123", "")
		e.told("a.accept; a.data 0123; a.close")
		e.stats(l, life+"downstream_cx_active=1 downstream_cx_total=1 downstream_pre_cx_connected=1 downstream_pre_cx_timeout=1 "+
			"downstream_pre_cx_timeout_continued=1 downstream_pre_cx_total=1")
		// CVE-2019-18836: the stalled filter's registration must be gone.
		before := e.loop.Stats().Events
		e.must(e.loop.Turn(5 * time.Millisecond))
		if got := e.loop.Stats().Events; got != before {
			e.Errorf("an idle connection gave %d events", got-before)
		}
	})
}

func TestDrainedBytesReachNeitherTheNextFilterNorTheConnection(t *testing.T) {
	onKernels(t, func(e *env) {
		first := &script{want: 20}
		first.onData = func(data string) pipeline.FilterStatus {
			if !strings.Contains(data, "|") {
				return pipeline.StopIteration
			}
			first.buffer.Drain(strings.Index(data, "|") + 1)
			return pipeline.Continue
		}
		l := e.inspect(pipeline.ListenerConfig{}, first, &script{want: 5, onData: enough(5)})
		p := e.dial(l.Address())
		p.write("head")
		e.turns()
		p.write("er|he")
		e.turns()
		p.write("llo")
		p.wants("hello", "")
		e.told("a.accept; a.data head; a.data header|he; b.accept; b.data he; b.data hello")
	})
}

// The sockets of a loop share the storage of what they read. A filter that goes on
// later, when another socket has used it, still leaves its own bytes to the next.
func TestBytesOutliveThoseOfOtherSockets(t *testing.T) {
	for _, drained := range []int{0, 2} {
		onKernels(t, func(e *env) {
			first := &script{want: 4}
			var waiting []pipeline.ListenerFilterCallbacks
			first.onData = func(string) pipeline.FilterStatus {
				first.buffer.Drain(drained)
				waiting = append(waiting, first.cb)
				return pipeline.StopIteration
			}
			l := e.inspect(pipeline.ListenerConfig{}, first, &script{want: 2, onData: enough(2)})
			var peers []*peer
			for _, text := range []string{"aaaa", "bbbb"} {
				p := e.dial(l.Address())
				peers = append(peers, p)
				p.write(text)
				e.until("offered", func() bool { return len(waiting) == len(peers) })
			}
			for _, cb := range waiting {
				cb.ContinueFilterChain(true)
			}
			for i, text := range []string{"aaaa", "bbbb"} {
				peers[i].wants(text[drained:], "")
			}
			want := "a.accept; a.data aaaa; a.accept; a.data bbbb; b.accept; b.data aaaa; b.accept; b.data bbbb"
			if drained > 0 {
				want = strings.NewReplacer("b.data aaaa", "b.data aa", "b.data bbbb", "b.data bb").Replace(want)
			}
			e.told(want)
		})
	}
}

// Sockets that wait in the middle of a hello keep what has come of it, and at most as
// much again, whatever the storage that it was read to.
func TestWaitingSocketsCostLittle(t *testing.T) {
	large := make([]byte, 5000) // of a hello of 16 KiB
	copy(large, []byte{22, 3, 1, 0x3f, 0xf0, 1, 0, 0x3f, 0xec, 3, 3})
	for _, c := range []struct {
		part []byte
		most uint64
	}{{clientHello("a.test")[:100], 2048}, {large, 10_000}} {
		t.Run(strconv.Itoa(len(c.part)), func(t *testing.T) { waitingSockets(t, c.part, c.most) })
	}
}

func waitingSockets(t *testing.T, part []byte, most uint64) {
	k, err := poller.Open()
	if err != nil {
		t.Skip("no epoll here: ", err)
	}
	defer k.Release()
	loop := pipeline.NewLoop(k)
	fd, err := poller.ListenTCP(k, netip.MustParseAddrPort("127.0.0.1:0"), poller.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	inspector := tlsinspector.New(tlsinspector.Config{})
	l, err := pipeline.NewListener(loop, fd, &pipeline.ListenerConfig{
		ListenerFilters: []pipeline.ListenerFilterFactory{inspector.Filter}, FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{echo.Filter}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const sockets = 200
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range uint64(sockets) {
		fd, err := k.Socket(poller.Inet)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close(fd)
		if err := k.Connect(fd, l.Address()); err != nil && err != syscall.EINPROGRESS {
			t.Fatal(err)
		}
		for _, err := k.Write(fd, part); err == syscall.EAGAIN; {
			_, err = k.Write(fd, part)
		}
		for l.Stats().PreCxActive <= i {
			if err := loop.Turn(time.Second); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := loop.Turn(0); err != nil {
		t.Fatal(err)
	}
	if each := (heap() - before) / sockets; each > most {
		t.Errorf("got %d bytes of ours for each of %d waiting sockets, want at most %d", each, sockets, most)
	} else {
		t.Logf("%d bytes each", each)
	}
}

// A socket object is used again; nothing of one life may be seen in the next.
func TestSocketsKeepNothingOfTheirPredecessors(t *testing.T) {
	onKernels(t, func(e *env) {
		var names []string
		f := &script{want: 8}
		f.onData = func(data string) pipeline.FilterStatus {
			info := f.cb.Socket().Info()
			names = append(names, data+"/"+info.RequestedServerName()+info.DetectedTransportProtocol()+strings.Join(info.RequestedApplicationProtocols(), ","))
			info.SetRequestedServerName([]byte("Edge.TEST"))
			info.SetDetectedTransportProtocol("tls")
			info.AddRequestedApplicationProtocol([]byte("h2"))
			return pipeline.Continue
		}
		l := e.inspect(pipeline.ListenerConfig{}, f)
		for _, data := range []string{"12345678", "abc"} {
			p := e.dial(l.Address())
			p.write(data)
			p.wants(data, "")
			p.close()
			e.turns()
		}
		if got := strings.Join(names, " "); got != "12345678/ abc/" {
			e.Errorf("got %q, want nothing left of the first life", got)
		}
	})
}
