package pipeline_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgewise.test/pipeline"
)

// probe is a read filter, a write filter and the callbacks of a connection, and
// logs all three.
type probe struct {
	e      *env
	name   string
	c      *pipeline.Connection
	cb     pipeline.ReadFilterCallbacks
	onNew  func() pipeline.FilterStatus
	onData func(data *pipeline.Buffer, end bool) pipeline.FilterStatus // nil: drains and continues
	event  func(pipeline.ConnectionEvent)
}

func (p *probe) OnNewConnection(cb pipeline.ReadFilterCallbacks) pipeline.FilterStatus {
	p.cb = cb
	p.e.logf("%snew", p.name)
	if p.onNew != nil {
		return p.onNew()
	}
	return pipeline.Continue
}

func (p *probe) OnData(data *pipeline.Buffer, end bool) pipeline.FilterStatus {
	s := string(data.Bytes())
	if len(s) > 20 {
		s = "many"
	}
	if end {
		s += " END"
	}
	p.e.logf("%sdata %s", p.name, s)
	if p.onData != nil {
		return p.onData(data, end)
	}
	data.Drain(data.Len())
	return pipeline.Continue
}

func (p *probe) OnWrite(data *pipeline.Buffer, end bool) pipeline.FilterStatus {
	p.e.logf("%swrite %s", p.name, data.Bytes())
	data.WriteString(p.name)
	return pipeline.Continue
}

func (p *probe) OnEvent(event pipeline.ConnectionEvent) {
	p.e.logf("%s%v", p.name, event)
	if p.event != nil {
		p.event(event)
	}
}

func (p *probe) OnAboveWriteBufferHighWatermark() { p.e.logf("%sabove", p.name) }
func (p *probe) OnBelowWriteBufferLowWatermark()  { p.e.logf("%sbelow", p.name) }

// connect returns a server connection with a probe on it, and its peer.
func (e *env) connect(set func(p *probe)) (*pipeline.Listener, *probe, *peer) {
	e.Helper()
	pr := &probe{e: e}
	l := e.listen(pipeline.ListenerConfig{
		PerConnectionBufferLimitBytes: 1000,
		FilterChains: []pipeline.FilterChain{{Name: "chain", Filters: []pipeline.FilterFactory{func(c *pipeline.Connection) {
			pr.c = c
			c.AddReadFilter(pr)
			c.AddConnectionCallbacks(pr)
			if set != nil {
				set(pr)
			}
		}}}},
	})
	p := e.dial(l.Address())
	e.turns()
	return l, pr, p
}

func (pr *probe) write(s string, end bool) {
	var b pipeline.Buffer
	b.WriteString(s)
	pr.c.Write(&b, end)
}

func TestConnection(t *testing.T) {
	halfClose := func(p *probe) { p.c.EnableHalfClose(true) }
	for _, c := range []struct {
		name string
		set  func(p *probe)
		run  func(e *env, pr *probe, p *peer)
		told string
	}{{
		name: "a FIN closes",
		run:  func(e *env, pr *probe, p *peer) { p.write("x"); p.fin(); e.turns() },
		told: "new; Connected; data x; RemoteClose",
	}, {
		name: "with half-close a FIN is the end of the stream, once",
		set:  halfClose,
		run: func(e *env, pr *probe, p *peer) {
			p.write("x")
			p.fin()
			e.turns()
			pr.write("answer", true)
			p.wants("answer", "EOF")
		},
		told: "new; Connected; data x END; LocalClose",
	}, {
		name: "an interrupted read is tried again",
		run: func(e *env, pr *probe, p *peer) {
			e.kernel.read = []error{syscall.EINTR, syscall.EINTR}
			p.write("x")
			e.turns()
		},
		told: "new; Connected; data x",
	}, {
		name: "data before a reset is delivered",
		run:  func(e *env, pr *probe, p *peer) { p.write("x"); p.reset(); e.turns() },
		told: "new; Connected; data x; RemoteClose",
	}, {
		name: "data before a reset is delivered even with output waiting",
		run: func(e *env, pr *probe, p *peer) {
			p.write("x")
			p.reset()
			pr.write("output", false)
			e.turns()
		},
		told: "new; Connected; data x; RemoteClose",
	}, {
		name: "data before a write that fails is delivered",
		run: func(e *env, pr *probe, p *peer) {
			p.write("x")
			pr.write("output", false)
			e.kernel.write = []error{syscall.EPIPE}
			e.turns()
		},
		told: "new; Connected; data x; RemoteClose",
	}, {
		name: "a reset is noticed while reading is disabled",
		run: func(e *env, pr *probe, p *peer) {
			pr.c.ReadDisable(true)
			p.write("x")
			e.turns()
			p.reset()
			e.turns()
		},
		told: "new; Connected; RemoteClose",
	}, {
		name: "a FIN is noticed while reading is disabled",
		run: func(e *env, pr *probe, p *peer) {
			pr.c.ReadDisable(true)
			p.fin()
			e.turns()
		},
		told: "new; Connected; RemoteClose",
	}, {
		name: "data before a FIN is not lost to a connection that does not read now",
		run: func(e *env, pr *probe, p *peer) {
			pr.c.ReadDisable(true)
			pr.c.ReadDisable(true)
			p.write("x")
			p.fin()
			e.turns()
			pr.c.ReadDisable(false)
			e.turns()
			e.logf("enable")
			pr.c.ReadDisable(false)
			e.turns()
		},
		told: "new; Connected; enable; data x; RemoteClose",
	}, {
		name: "data that came while reading was disabled needs no new event",
		run: func(e *env, pr *probe, p *peer) {
			pr.c.ReadDisable(true)
			p.write("x")
			e.turns()
			e.logf("enable")
			pr.c.ReadDisable(false)
			e.turns()
		},
		told: "new; Connected; enable; data x",
	}, {
		name: "a filter that keeps data gets it again with more",
		set: func(p *probe) {
			p.onData = func(*pipeline.Buffer, bool) pipeline.FilterStatus { return pipeline.StopIteration }
		},
		run: func(e *env, pr *probe, p *peer) {
			p.write("a")
			e.turns()
			p.write("b")
			e.turns()
		},
		told: "new; Connected; data a; data ab",
	}, {
		name: "a close inside OnNewConnection",
		set: func(p *probe) {
			p.onNew = func() pipeline.FilterStatus { p.c.Close(pipeline.NoFlush); return pipeline.Continue }
		},
		run:  func(e *env, pr *probe, p *peer) { e.turns() },
		told: "new; LocalClose",
	}, {
		name: "a close inside OnData is the end of callbacks",
		set: func(p *probe) {
			p.onData = func(*pipeline.Buffer, bool) pipeline.FilterStatus {
				p.c.Close(pipeline.Abort)
				p.c.Close(pipeline.FlushWrite)
				p.write("into the void", false)
				p.c.ReadDisable(false)
				return pipeline.Continue
			}
		},
		run:  func(e *env, pr *probe, p *peer) { p.write("x"); e.turns(); p.write("y"); e.turns() },
		told: "new; Connected; data x; LocalClose",
	}, {
		name: "FlushWrite writes first",
		run: func(e *env, pr *probe, p *peer) {
			pr.write("bye", false)
			pr.c.Close(pipeline.FlushWrite)
			e.logf("closing")
			p.wants("bye", "EOF")
		},
		told: "new; Connected; closing; LocalClose",
	}, {
		name: "NoFlush tries once",
		run: func(e *env, pr *probe, p *peer) {
			pr.write("bye", false)
			pr.c.Close(pipeline.NoFlush)
			e.logf("closed")
			p.wants("bye", "EOF")
		},
		told: "new; Connected; LocalClose; closed",
	}, {
		name: "Abort does not write",
		run: func(e *env, pr *probe, p *peer) {
			pr.write("bye", false)
			pr.c.Close(pipeline.Abort)
			p.wants("", "EOF")
		},
		told: "new; Connected; LocalClose",
	}, {
		name: "AbortReset resets",
		run: func(e *env, pr *probe, p *peer) {
			pr.c.Close(pipeline.AbortReset)
			p.wants("", "ECONNRESET")
		},
		told: "new; Connected; LocalClose",
	}, {
		name: "FlushWriteAndDelay waits for the peer to close",
		set:  func(p *probe) { p.c.SetDelayedCloseTimeout(time.Hour) },
		run: func(e *env, pr *probe, p *peer) {
			pr.write("bye", false)
			pr.c.Close(pipeline.FlushWriteAndDelay)
			p.wants("bye", "")
			e.logf("peer closes")
			p.close()
			e.turns()
		},
		told: "new; Connected; peer closes; RemoteClose",
	}, {
		name: "FlushWriteAndDelay does not wait for ever",
		set:  func(p *probe) { p.c.SetDelayedCloseTimeout(20 * time.Millisecond) },
		run: func(e *env, pr *probe, p *peer) {
			pr.c.Close(pipeline.FlushWriteAndDelay)
			p.write("ignored")
			e.until("closed", func() bool { return pr.c.State() == pipeline.Closed })
		},
		told: "new; Connected; LocalClose",
	}, {
		name: "an interrupted write is tried again",
		run: func(e *env, pr *probe, p *peer) {
			e.kernel.write = []error{syscall.EINTR, syscall.EINTR}
			pr.write("hello", false)
			p.wants("hello", "")
		},
		told: "new; Connected",
	}} {
		t.Run(c.name, func(t *testing.T) {
			onKernels(t, func(e *env) {
				_, pr, p := e.connect(c.set)
				c.run(e, pr, p)
				e.told(c.told)
			})
		})
	}
}

func TestFlushOutlivesAPeerThatHasEndedItsOwnDirection(t *testing.T) {
	onKernels(t, func(e *env) {
		_, pr, p := e.connect(nil)
		all := strings.Repeat("0123456789abcdef", 1<<20) // more than the kernel takes at once
		pr.write(all, false)
		pr.c.Close(pipeline.FlushWrite)
		e.turns()
		p.fin()
		e.turns()
		if pr.c.State() != pipeline.Closing {
			e.Fatal("nothing was left to flush, or it was dropped")
		}
		var got string
		for range 1000 {
			more, end := p.read()
			if got += more; end != "" {
				break
			}
			p.e.idle()
			e.must(e.loop.Turn(time.Millisecond))
		}
		if got != all {
			e.Errorf("the peer got %d bytes, want %d", len(got), len(all))
		}
		e.told("new; Connected; above; LocalClose")
	})
}

func TestFiltersRunInOrderAndContinueReadingResumesBehind(t *testing.T) {
	onKernels(t, func(e *env) {
		first, second := &probe{e: e, name: "1"}, &probe{e: e, name: "2"}
		first.onNew = func() pipeline.FilterStatus { return pipeline.StopIteration }
		first.onData = func(*pipeline.Buffer, bool) pipeline.FilterStatus { return pipeline.StopIteration }
		_, pr, p := e.connect(func(p *probe) {
			p.onData = func(*pipeline.Buffer, bool) pipeline.FilterStatus { return pipeline.Continue }
			for _, f := range []*probe{first, second} {
				p.c.AddReadFilter(f)
				p.c.AddWriteFilter(f)
			}
		})
		p.write("x")
		e.turns()
		e.told("new; 1new; Connected; data x; 1data x")
		first.cb.ContinueReading()
		e.told("2new; 2data x")
		pr.write("y", false)
		p.wants("y21", "")
		e.told("2write y; 1write y2")
	})
}

func TestReaderOverItsLimitIsStoppedAndStarted(t *testing.T) {
	onKernels(t, func(e *env) {
		_, pr, p := e.connect(func(p *probe) {
			p.onData = func(*pipeline.Buffer, bool) pipeline.FilterStatus { return pipeline.StopIteration }
		})
		p.write(strings.Repeat("x", 1001))
		e.turns()
		if pr.c.ReadEnabled() {
			e.Error("reading goes on with 1001 bytes of 1000")
		}
		p.write("more")
		e.turns()
		e.told("new; Connected; data many")
		pr.onData = nil
		pr.c.ReadDisable(true) // by somebody else, twice
		pr.c.ReadDisable(true)
		pr.c.ReadDisable(false)
		e.turns()
		e.told("")
		pr.c.ReadDisable(false)
		e.turns()
		e.told("data many; data more")
		if !pr.c.ReadEnabled() {
			e.Error("reading is still disabled")
		}
	})
}

func TestWriterIsToldOfItsLimit(t *testing.T) {
	onKernels(t, func(e *env) {
		_, pr, p := e.connect(nil)
		pr.write(strings.Repeat("x", 1000), false)
		e.told("new; Connected")
		pr.write("x", false)
		e.told("above")
		p.wants(strings.Repeat("x", 1001), "")
		e.told("below")
	})
}

// A connection whose peer never stops must not keep others waiting: a turn gives
// it one chunk.
func TestOnePeerDoesNotStarveAnother(t *testing.T) {
	onKernels(t, func(e *env) {
		l := e.listen(echoConfig())
		e.turns()
		var most, before int
		greedy := &probe{e: e}
		cfg := pipeline.ListenerConfig{FilterChains: []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{func(c *pipeline.Connection) {
			c.AddReadFilter(greedy)
		}}}}}
		greedy.onData = func(data *pipeline.Buffer, _ bool) pipeline.FilterStatus {
			before += data.Len()
			data.Drain(data.Len())
			return pipeline.Continue
		}
		flood := e.dial(e.listen(cfg).Address())
		e.turns()
		sent := 0
		chunk := make([]byte, 32<<10)
		for {
			n, err := e.peers.Write(flood.fd, chunk)
			if err != nil {
				break
			}
			sent += n
		}
		e.idle()
		total := 0
		for range 200 {
			before = 0
			e.must(e.loop.Turn(time.Millisecond))
			most = max(most, before)
			total += before
			e.idle()
		}
		_ = l
		if total != sent || sent <= 128<<10 {
			e.Fatalf("read %d of %d bytes", total, sent)
		}
		if most > 128<<10 {
			e.Errorf("one turn read %d bytes for one connection, want at most 128 KiB", most)
		}
	})
}

func TestCallbackThatClosesInConnectedHidesItFromTheOthers(t *testing.T) {
	onKernels(t, func(e *env) {
		second := &probe{e: e, name: "2"}
		e.connect(func(p *probe) {
			p.event = func(event pipeline.ConnectionEvent) {
				if event == pipeline.Connected {
					p.c.Close(pipeline.NoFlush)
				}
			}
			p.c.AddConnectionCallbacks(second)
		})
		e.told("new; Connected; LocalClose; 2LocalClose")
	})
}

func TestClientConnection(t *testing.T) {
	onKernels(t, func(e *env) {
		fd, addr := e.socket() // nobody accepts: the kernel does
		pr := &probe{e: e}
		pr.c = pipeline.NewClientConnection(e.loop, addr, pipeline.ClientConfig{ConnectTimeout: time.Hour})
		pr.c.AddReadFilter(pr)
		pr.c.AddConnectionCallbacks(pr)
		pr.c.Connect()
		pr.write("early", false)
		e.told("")
		e.turns()
		e.told("new; Connected")
		server, _, err := e.kernel.Accept(fd)
		e.must(err)
		buf := make([]byte, 10)
		if n, err := e.kernel.Read(server, buf); string(buf[:max(n, 0)]) != "early" {
			e.Errorf("the server got %q, %v", buf[:max(n, 0)], err)
		}
		e.must(e.kernel.Close(fd))
		e.must(e.kernel.Close(server))
		e.turns()
		e.told("RemoteClose")
		if err := pr.c.Failure(); err != nil {
			e.Errorf("failure of an orderly end: got %v", err)
		}
	})
}

func TestClientConnectionThatFails(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(e *env)
		want string
		errs error
	}{
		{name: "refused", want: "RemoteClose", errs: syscall.ECONNREFUSED},
		{name: "out of descriptors", set: func(e *env) { e.kernel.sockets = []error{syscall.EMFILE} }, want: "RemoteClose", errs: syscall.EMFILE},
	} {
		t.Run(c.name, func(t *testing.T) {
			onKernels(t, func(e *env) {
				fd, addr := e.socket()
				e.must(e.kernel.Close(fd))
				if c.set != nil {
					c.set(e)
				}
				pr := &probe{e: e}
				pr.c = pipeline.NewClientConnection(e.loop, addr, pipeline.ClientConfig{})
				pr.c.AddReadFilter(pr)
				pr.c.AddConnectionCallbacks(pr)
				pr.c.Connect()
				e.told("") // not inside Connect
				e.turns()
				e.told(c.want)
				if err := pr.c.Failure(); !errors.Is(err, c.errs) {
					e.Errorf("failure: got %v, want %v", err, c.errs)
				}
			})
		})
	}
}

func TestClientConnectionTimesOut(t *testing.T) {
	e := newFakeEnv(t)
	pr := &probe{e: e}
	fd, addr := e.socket()
	// A full queue: SYNs are dropped.
	e.must(e.kernel.Listen(fd, 0))
	e.dial(addr)
	pr.c = pipeline.NewClientConnection(e.loop, addr, pipeline.ClientConfig{ConnectTimeout: 10 * time.Millisecond})
	pr.c.AddConnectionCallbacks(pr)
	pr.c.Connect()
	e.until("closed", func() bool { return pr.c.State() == pipeline.Closed })
	e.told("LocalClose")
	if err := pr.c.Failure(); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("failure: got %v, want ETIMEDOUT", err)
	}
}

func TestUnbalancedReadDisablePanicsWithItsReason(t *testing.T) {
	e := newFakeEnv(t)
	_, pr, _ := e.connect(nil)
	defer func() {
		if got := recover(); got != "pipeline: ReadDisable(false) without a ReadDisable(true)" {
			t.Errorf("got %v", got)
		}
	}()
	pr.c.ReadDisable(false)
}
