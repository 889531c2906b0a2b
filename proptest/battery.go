package proptest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/poller"
)

// TestListenerFilter is a battery for a listener filter, in the manner of
// testing/fstest.TestFS. Each stream is what a client sends. Whatever the
// network does to it, the filter must come to the same verdict as when all of it
// comes at once; a client that breaks off anywhere, falls silent, dribbles or
// sends rubbish must end in exactly one way, with nothing left.
//
//	func TestMyFilter(t *testing.T) {
//		proptest.TestListenerFilter(t, myfilter.New, hello, []byte("GET / HTTP/1.1\r\n\r\n"))
//	}
func TestListenerFilter(t *testing.T, factory pipeline.ListenerFilterFactory, streams ...[]byte) {
	for i, stream := range streams {
		t.Run(fmt.Sprintf("stream %d", i+1), func(t *testing.T) { (&listenerBattery{factory, stream}).run(t) })
	}
}

type listenerBattery struct {
	factory pipeline.ListenerFilterFactory
	stream  []byte
}

// step is what a client of a battery does.
type step struct {
	send []byte
	wait time.Duration
	end  ending
}

type ending uint8

const (
	silent ending = iota // the client stays and says nothing
	fin
	rst
)

// fused is what follows a stream at once: the protocol behind the filter.
var fused = []byte("the bytes of the next protocol")

func (b *listenerBattery) run(t *testing.T) {
	whole := []step{{send: b.stream}}
	want, err := b.verdict(whole, faults.Plan{}, nil)
	if err != nil {
		t.Fatalf("all at once: %v", err)
	}
	same := func(how string, steps []step, plan faults.Plan, want string, wrap func(poller.System) poller.System) bool {
		got, err := b.verdict(steps, plan, wrap)
		if err == nil && got != want {
			err = fmt.Errorf("got %s, want %s as when it comes at once", got, want)
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", how, err, plan)
		}
		return err == nil
	}
	any := func(how string, steps []step) bool {
		got, err := b.verdict(steps, faults.Plan{}, nil)
		if last := steps[len(steps)-1]; err == nil && last.end != silent && strings.Contains(got, "downstream_pre_cx_timeout") {
			err = fmt.Errorf("got %s, want an end when the client is gone", got)
		}
		if err != nil {
			t.Errorf("%s: %v", how, err)
			return false
		}
		return true
	}
	for at := 1; at < len(b.stream); at++ {
		if !same(fmt.Sprintf("split at byte %d", at), whole, segments(1, 1, at), want, nil) {
			break
		}
	}
	same("byte by byte", whole, segments(1, faults.Onward, 1), want, nil)
	same("every call interrupted once", whole, faults.Plan{}, want, func(k poller.System) poller.System { return &interrupting{System: k} })
	if fusedWant, err := b.verdict([]step{{send: b.stream}, {wait: time.Second, send: fused}}, faults.Plan{}, nil); err != nil {
		t.Errorf("followed by more: %v", err)
	} else {
		same("fused with what follows", []step{{send: append(bytes.Clone(b.stream), fused...)}}, faults.Plan{}, fusedWant, nil)
	}
	for at := range b.stream {
		part := b.stream[:at]
		if !any(fmt.Sprintf("silence after byte %d", at), []step{{send: part}}) ||
			!any(fmt.Sprintf("FIN after byte %d", at), []step{{send: part, end: fin}}) ||
			!any(fmt.Sprintf("RST after byte %d", at), []step{{send: part, end: rst}}) ||
			!any(fmt.Sprintf("FIN soon after byte %d", at), []step{{send: part}, {wait: time.Second, end: fin}}) ||
			!any(fmt.Sprintf("RST soon after byte %d", at), []step{{send: part}, {wait: time.Second, end: rst}}) {
			break
		}
	}
	any("one byte a second", drip(b.stream, time.Second))
	for at := range b.stream {
		for _, rubbish := range []byte{0, 0xff, ^b.stream[at]} {
			hostile := bytes.Clone(b.stream)
			hostile[at] = rubbish
			if !any(fmt.Sprintf("byte %d is %#x", at, rubbish), []step{{send: hostile}}) {
				return
			}
		}
	}
	b.search(t, want)
}

func segments(from, to, bytes int) faults.Plan {
	return faults.Plan{Deviations: []faults.Deviation{{Actor: "conn 1", Op: faults.Segment, From: from, To: to, Outcome: bytes}}}
}

func drip(stream []byte, every time.Duration) []step {
	var steps []step
	for i := range stream {
		steps = append(steps, step{send: stream[i : i+1]}, step{wait: every})
	}
	return steps
}

// batteryTimeout is the listener_filters_timeout of a battery.
const batteryTimeout = 15 * time.Second

// verdict lets one client do steps, and says how its socket ended and what came
// out of the filter. The error is a broken contract.
func (b *listenerBattery) verdict(steps []step, plan faults.Plan, wrap func(poller.System) poller.System) (string, error) {
	w := &World{World: fakepoller.New(fakepoller.Config{Source: plan.Source()})}
	defer w.Close()
	verdict := b.scene(w, steps, wrap)
	if f := w.judge(); f != nil {
		return "", errors.New(f.message)
	}
	return verdict, nil
}

var batteryAddr = netip.MustParseAddrPort("127.0.0.1:443")

func (b *listenerBattery) scene(w *World, steps []step, wrap func(poller.System) poller.System) string {
	var chain sink
	stage := newStage(w, wrap, &pipeline.ListenerConfig{
		StatPrefix:             "battery",
		ListenerFiltersTimeout: batteryTimeout,
		ListenerFilters:        []pipeline.ListenerFilterFactory{func() pipeline.ListenerFilter { return &monitored{w: w, filter: b.factory()} }},
		FilterChains:           []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{chain.add}}},
	})
	w.Peer("client", func(p *fakepoller.Peer) {
		c, err := p.Dial(batteryAddr)
		if err != nil {
			return
		}
		for _, s := range steps {
			if s.wait > 0 {
				p.Sleep(s.wait)
			}
			if len(s.send) > 0 {
				if _, err := c.Write(s.send); err != nil {
					return
				}
			}
			switch s.end {
			case fin:
				c.CloseWrite()
			case rst:
				c.Reset()
				return
			}
		}
		p.Sleep(2 * batteryTimeout)
	})
	w.Run()
	w.Counted(stage.listener.Snapshot())
	return chain.String() + stage.endings()
}

// search runs the stream under many schedules: whoever gets through must get
// through as in the calm run.
func (b *listenerBattery) search(t *testing.T, want string) {
	r := Search(Config{Schedules: 2000, Cores: 1, Scenario: func(w *World) {
		got := b.scene(w, []step{{send: b.stream}}, nil)
		disturbed := w.Injected(faults.Reset)+w.Injected(faults.Connect)+w.Injected(faults.Delay)+w.Injected(faults.Pause)+w.Injected(faults.Wake)+
			w.Injected(faults.Accept)+w.Injected(faults.Queue)+w.Injected(faults.Handshake)+w.Injected(faults.Fin) > 0
		if !disturbed && got != want {
			w.Errorf("verdict: got %s, want %s", got, want)
		}
	}})
	if r.Failure != nil {
		t.Errorf("%s", r.Failure.Report("plan:", r.Failure.Plan.String()))
	}
}

// stage is a worker with a listener.
type stage struct {
	listener *pipeline.Listener
}

func newStage(w *World, wrap func(poller.System) poller.System, cfg *pipeline.ListenerConfig) *stage {
	worker := w.NewWorker()
	var k poller.System = worker
	if wrap != nil {
		k = wrap(k)
	}
	fd, err := poller.ListenTCP(k, batteryAddr, poller.ListenConfig{})
	if err != nil {
		w.Fatalf("listen: %v", err)
	}
	loop := pipeline.NewLoop(k)
	listener, err := pipeline.NewListener(loop, fd, cfg)
	if err != nil {
		w.Fatalf("listener: %v", err)
	}
	worker.Go(func() {
		if err := loop.Run(); err != nil {
			w.Errorf("loop: %v", err)
		}
	})
	return &stage{listener}
}

// endings lists how sockets ended, by the counters.
func (s *stage) endings() string {
	text := ""
	for _, stat := range s.listener.Snapshot() {
		for _, name := range []string{"downstream_listener_filter_reject", "downstream_listener_filter_remote_close", "downstream_listener_filter_error", "downstream_pre_cx_timeout"} {
			if stat.Name == "listener.battery."+name && stat.Value > 0 {
				text += fmt.Sprintf("%s=%d ", name, stat.Value)
			}
		}
	}
	return text
}

// sink is a network filter that keeps what it gets, and what is known about the
// connection.
type sink struct {
	connections int
	info        string
	got         []byte
}

func (s *sink) add(c *pipeline.Connection) {
	info := c.Info()
	s.connections++
	s.info = fmt.Sprintf("server name %q, transport %q, protocols %q, from %v to %v", info.RequestedServerName(), info.DetectedTransportProtocol(),
		info.RequestedApplicationProtocols(), info.RemoteAddress().Addr(), info.LocalAddress())
	c.AddReadFilter(s)
}

func (s *sink) OnNewConnection(pipeline.ReadFilterCallbacks) pipeline.FilterStatus {
	return pipeline.Continue
}

func (s *sink) OnData(data *pipeline.Buffer, _ bool) pipeline.FilterStatus {
	s.got = append(s.got, data.Bytes()...)
	data.Drain(data.Len())
	return pipeline.StopIteration
}

func (s *sink) String() string {
	if s.connections == 0 {
		return "no connection, "
	}
	return fmt.Sprintf("%d connection (%s) with %d bytes %q, ", s.connections, s.info, len(s.got), s.got)
}

// monitored checks that a filter is told things in order, and passes them on.
type monitored struct {
	w      *World
	filter pipeline.ListenerFilter
	active bool
	seen   int
}

func (m *monitored) OnAccept(cb pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	if m.active {
		m.w.Errorf("OnAccept: called again before the end of the socket before")
	}
	m.active, m.seen = true, 0
	return m.told(m.filter.OnAccept(cb), cb)
}

func (m *monitored) OnData(buffer *pipeline.ListenerFilterBuffer) pipeline.FilterStatus {
	if n := len(buffer.Bytes()); n <= m.seen {
		m.w.Errorf("OnData: called with %d bytes after %d", n, m.seen)
	} else {
		m.seen = n
	}
	return m.told(m.filter.OnData(buffer), nil)
}

func (m *monitored) told(status pipeline.FilterStatus, _ pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	if status == pipeline.Continue {
		m.active = false
	}
	return status
}

func (m *monitored) OnClose() {
	if !m.active {
		m.w.Errorf("OnClose: called when the filter did not hold the chain")
	}
	m.active = false
	m.filter.OnClose()
}

func (m *monitored) MaxReadBytes() int { return m.filter.MaxReadBytes() }

// interrupting answers every read and peek with EINTR first.
type interrupting struct {
	poller.System
	calm bool
}

func (i *interrupting) Read(fd poller.FD, p []byte) (int, error) {
	if i.calm = !i.calm; i.calm {
		return 0, syscall.EINTR
	}
	return i.System.Read(fd, p)
}

func (i *interrupting) Peek(fd poller.FD, p []byte) (int, error) {
	if i.calm = !i.calm; i.calm {
		return 0, syscall.EINTR
	}
	return i.System.Peek(fd, p)
}

// TestNetworkFilter is a battery for the network filters that factory adds. Each
// request is what a client sends; what comes back within a second when all of it
// comes at once must come back whatever the network does, and clients that break
// off leave nothing behind.
func TestNetworkFilter(t *testing.T, factory pipeline.FilterFactory, requests ...[]byte) {
	for i, request := range requests {
		t.Run(fmt.Sprintf("request %d", i+1), func(t *testing.T) {
			chain := pipeline.FilterChain{Filters: []pipeline.FilterFactory{factory}}
			exchange := func(c net.Conn, p *fakepoller.Peer) ([]byte, error) {
				if _, err := c.Write(request); err != nil {
					return nil, err
				}
				return readFor(c, p, time.Second)
			}
			runConnectionBattery(t, chain, len(request), exchange)
		})
	}
}

// readFor reads until nothing has come for that long, or until the end.
func readFor(c net.Conn, p *fakepoller.Peer, quiet time.Duration) ([]byte, error) {
	var got []byte
	buffer := make([]byte, 4096)
	for {
		c.SetReadDeadline(fakepoller.Epoch.Add(p.Now() + quiet))
		n, err := c.Read(buffer)
		got = append(got, buffer[:n]...)
		var timeout net.Error
		if err == io.EOF || errors.As(err, &timeout) && timeout.Timeout() {
			return got, nil
		}
		if err != nil {
			return got, err
		}
	}
}

// TestTransportSocket is a battery for a transport socket with the echo filter
// above it. client speaks the protocol on a fresh connection and returns what it
// got echoed; that must be the same whatever the network does, and a client that
// is reset anywhere leaves nothing behind.
func TestTransportSocket(t *testing.T, factory pipeline.TransportSocketFactory, client func(net.Conn) ([]byte, error)) {
	chain := pipeline.FilterChain{TransportSocket: factory, Filters: []pipeline.FilterFactory{echo.Filter}}
	runConnectionBattery(t, chain, 64, func(c net.Conn, _ *fakepoller.Peer) ([]byte, error) { return client(c) })
}

// runConnectionBattery judges what exchange returns on a connection to chain.
// splits is how many places of the first write are worth cutting at.
func runConnectionBattery(t *testing.T, chain pipeline.FilterChain, splits int, exchange func(net.Conn, *fakepoller.Peer) ([]byte, error)) {
	scenario := func(want []byte, wrap func(poller.System) poller.System, result *[]byte) func(*World) {
		return func(w *World) {
			stage := newStage(w, wrap, &pipeline.ListenerConfig{StatPrefix: "battery", FilterChains: []pipeline.FilterChain{chain}})
			w.Peer("client", func(p *fakepoller.Peer) {
				c, err := p.Dial(batteryAddr)
				if err != nil {
					return
				}
				got, err := exchange(c, p)
				c.Close()
				broken := w.Injected(faults.Reset)+w.Injected(faults.Accept)+w.Injected(faults.Connect) > 0
				late := w.Injected(faults.Delay)+w.Injected(faults.Pause)+w.Injected(faults.Wake)+w.Injected(faults.Queue)+w.Injected(faults.Handshake)+w.Injected(faults.Fin) > 0
				switch {
				case result != nil:
					*result = got
					if err != nil {
						w.Errorf("exchange: %v", err)
					}
				case broken || late:
					w.Delivered("exchange", want, got, false)
				case err != nil:
					w.Errorf("exchange: %v", err)
				default:
					w.Delivered("exchange", want, got, true)
				}
			})
			w.Run()
			w.Counted(stage.listener.Snapshot())
		}
	}
	var want []byte
	if f := Replay(Config{Scenario: scenario(nil, nil, &want)}, faults.Plan{}); f != nil {
		t.Fatalf("all at once: %s", f.Report())
	}
	judge := func(how string, plan faults.Plan, wrap func(poller.System) poller.System) bool {
		if f := Replay(Config{Scenario: scenario(want, wrap, nil)}, plan); f != nil {
			t.Errorf("%s: %s", how, f.Report("plan:", plan.String()))
			return false
		}
		return true
	}
	for at := 1; at < splits; at++ {
		if !judge(fmt.Sprintf("split at byte %d", at), segments(1, 1, at), nil) {
			break
		}
	}
	judge("byte by byte", segments(1, faults.Onward, 1), nil)
	answers := segments(1, faults.Onward, 1)
	answers.Deviations[0].Actor = "conn 1 server"
	judge("answers byte by byte", answers, nil)
	room := faults.Plan{Deviations: []faults.Deviation{{Actor: "conn 1 server", Op: faults.Room, From: 1, To: faults.Onward, Outcome: 2}}}
	judge("one byte of room at a time", room, nil)
	judge("every call interrupted once", faults.Plan{}, func(k poller.System) poller.System { return &interrupting{System: k} })
	if r := Search(Config{Schedules: 2000, Cores: 1, Scenario: scenario(want, nil, nil)}); r.Failure != nil {
		t.Errorf("%s", r.Failure.Report("plan:", r.Failure.Plan.String()))
	}
}
