package pipeline_test

import (
	"syscall"
	"testing"
	"time"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/httpinspector"
)

// Hazards that follow from Envoy's source and Linux's behaviour, one test for each,
// which shows that they are not here. The names are those of their descriptions.

func hazardListener(e *env, timeout time.Duration, f *script) *pipeline.Listener {
	cfg := echoConfig()
	cfg.ListenerFilters = []pipeline.ListenerFilterFactory{f.factory}
	cfg.ListenerFiltersTimeout = timeout
	return e.listen(cfg)
}

// L2: http_inspector takes a wake-up without new bytes for the end of its input,
// and the connection for something else than HTTP.
func TestHazardWakeupWithoutBytesIsNoVerdict(t *testing.T) {
	onKernels(t, func(e *env) {
		protocol := "none"
		cfg := echoConfig()
		cfg.ListenerFilters = []pipeline.ListenerFilterFactory{new(httpinspector.Inspector).Filter}
		cfg.FilterChains[0].Filters = []pipeline.FilterFactory{func(c *pipeline.Connection) {
			protocol = c.Info().RequestedApplicationProtocols()[0]
			closing(c)
		}}
		l := e.listen(cfg)
		p := e.dial(l.Address())
		p.write("GET / HT")
		e.turns()
		for _, part := range []string{"T", "P"} {
			e.kernel.read = []error{syscall.EAGAIN} // a wake-up for nothing
			p.write(part)
			e.turns()
		}
		p.write("/1.1\r\n")
		e.until("routed", func() bool { return l.Stats().CxTotal == 1 })
		if protocol != "http/1.1" {
			e.Errorf("protocol: got %s, want http/1.1", protocol)
		}
	})
}

// L3: a reset behind a part of a hello is seen by nobody, and holds its slot.
func TestHazardResetBehindQueuedBytesEndsTheSocket(t *testing.T) {
	onKernels(t, func(e *env) {
		l := hazardListener(e, -1, &script{e: e, name: "f", want: 100})
		p := e.dial(l.Address())
		p.write("part")
		e.turns()
		p.reset()
		e.until("ended", func() bool { return l.Stats().PreCxActive == 0 })
		e.told("f.accept; f.data part; f.close")
		if got := l.Stats().FilterError; got != 1 {
			e.Errorf("downstream_listener_filter_error: got %d, want 1", got)
		}
	})
}

// L4: a reset while reading is disabled is not noticed until the next write.
func TestHazardResetWhileReadDisabledIsNoticed(t *testing.T) {
	onKernels(t, func(e *env) {
		l, pr, p := e.connect(nil)
		pr.c.ReadDisable(true)
		p.reset()
		e.until("closed", func() bool { return l.Stats().CxActive == 0 })
		e.told("new; Connected; RemoteClose")
	})
}

// L5: a drain of which the stream has less than was peeked goes round for ever. Here it
// asks the kernel nothing.
func TestHazardDrainNeedsNoStream(t *testing.T) {
	e := newFakeEnv(t)
	f := &script{e: e, name: "f", want: 10}
	f.onData = func(string) pipeline.FilterStatus {
		e.kernel.calls = map[string]int{}
		f.buffer.Drain(4)
		e.logf("%d calls", len(e.kernel.calls))
		f.cb.ContinueFilterChain(false)
		return pipeline.StopIteration
	}
	l := hazardListener(e, -1, f)
	p := e.dial(l.Address())
	p.write("1234")
	p.fin()
	e.turns()
	e.told("f.accept; f.data 1234; 0 calls")
	p.wants("", "EOF")
}

// L7: EINTR ends a good connection.
func TestHazardInterruptedReadIsNoError(t *testing.T) {
	onKernels(t, func(e *env) {
		f := &script{e: e, name: "f", want: 4}
		f.onData = func(string) pipeline.FilterStatus { return pipeline.Continue }
		l := hazardListener(e, -1, f)
		e.kernel.read = []error{syscall.EINTR, syscall.EINTR, syscall.EINTR}
		p := e.dial(l.Address())
		p.write("1234")
		p.wants("1234", "")
	})
}

// L8: an accept error fires again at once, without a counter.
func TestHazardAcceptErrorIsCountedAndPaused(t *testing.T) {
	e := newFakeEnv(t)
	l := e.listen(echoConfig())
	for range 1000 {
		e.kernel.accept = append(e.kernel.accept, syscall.EMFILE)
	}
	e.dial(l.Address())
	start := e.kernel.Now()
	for e.kernel.Now() < start+10*time.Second {
		e.must(e.loop.Turn(100 * time.Millisecond))
	}
	if got := l.Stats().AcceptResource; got < 10 || got > 20 {
		e.Errorf("accepts that failed in 10 s: got %d, want 10 to 20", got)
	}
}

// L11: TCP_NODELAY that is refused aborts the process.
func TestHazardRefusedNoDelayIsNoFailure(t *testing.T) {
	onKernels(t, func(e *env) {
		e.kernel.nodelay = syscall.EINVAL
		l := e.listen(echoConfig())
		p := e.dial(l.Address())
		p.write("x")
		p.wants("x", "")
	})
}

// L13: a filter with work of its own is not told of a timeout or removal.
func TestHazardFilterHearsOfTimeoutAndRemoval(t *testing.T) {
	for _, removed := range []bool{false, true} {
		e := newFakeEnv(t)
		l := hazardListener(e, time.Second, &script{e: e, name: "f", want: 4})
		e.dial(l.Address())
		e.turns()
		if removed {
			l.Close()
		}
		e.until("ended", func() bool { return l.Stats().PreCxActive == 0 })
		e.told("f.accept; f.close")
	}
}
