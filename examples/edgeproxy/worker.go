package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/tcpproxy"
	"edgewise.test/pipeline/tlsinspector"
	"edgewise.test/poller"
)

// flushInterval is between two looks at the upstream connections of a worker that
// has no downstream connections any more.
const flushInterval = 10 * time.Millisecond

// worker is one event loop with listeners, proxies and clusters of its own. Workers
// share nothing but the addresses they listen on, which the kernel spreads new
// connections over (SO_REUSEPORT).
type worker struct {
	kernel    poller.System
	loop      *pipeline.Loop
	listeners []*pipeline.Listener
	inspector *tlsinspector.Inspector
	clusters  map[string]*tcpproxy.Cluster
	counted   []interface{ Snapshot() pipeline.Snapshot } // everything with counters
	stopped   chan struct{}                               // closed when the loop has ended
}

// newWorker listens. addresses are where: a port 0 in it becomes the one that the
// kernel chose, for the next worker.
func newWorker(cfg *config, addresses []netip.AddrPort) (*worker, error) {
	kernel, err := poller.Open()
	if err != nil {
		return nil, fmt.Errorf("open the poller: %w", err)
	}
	w := &worker{
		kernel:    kernel,
		loop:      pipeline.NewLoop(kernel),
		inspector: tlsinspector.New(tlsinspector.Config{}),
		clusters:  map[string]*tcpproxy.Cluster{},
		stopped:   make(chan struct{}),
	}
	w.counted = append(w.counted, w.inspector)
	for _, c := range cfg.clusters {
		cluster := tcpproxy.NewCluster(c)
		w.clusters[c.Name] = cluster
		w.counted = append(w.counted, cluster)
	}
	for i := range cfg.listeners {
		if err := w.listen(&cfg.listeners[i], &addresses[i]); err != nil {
			return nil, fmt.Errorf("listener %s: %w", cfg.listeners[i].name, err)
		}
	}
	return w, nil
}

func (w *worker) listen(cfg *listener, address *netip.AddrPort) error {
	fd, err := poller.ListenTCP(w.kernel, *address, poller.ListenConfig{ReusePort: true})
	if err != nil {
		return fmt.Errorf("listen on %v: %w", *address, err)
	}
	l, err := pipeline.NewListener(w.loop, fd, w.pipeline(cfg))
	if err != nil {
		return err
	}
	w.listeners = append(w.listeners, l)
	w.counted = append(w.counted, l)
	*address = l.Address()
	return nil
}

// pipeline adds what belongs to this worker to the configuration that all share.
func (w *worker) pipeline(cfg *listener) *pipeline.ListenerConfig {
	p := cfg.pipeline
	if cfg.tlsInspector {
		p.ListenerFilters = []pipeline.ListenerFilterFactory{w.inspector.Filter}
	}
	p.FilterChains = slices.Clone(p.FilterChains)
	for i := range p.FilterChains {
		p.FilterChains[i].Filters = w.filters(cfg.chains[i])
	}
	if p.DefaultFilterChain != nil {
		chain := *p.DefaultFilterChain
		chain.Filters = w.filters(cfg.defaultChain)
		p.DefaultFilterChain = &chain
	}
	return &p
}

func (w *worker) filters(cfg tcpProxy) []pipeline.FilterFactory {
	proxy := tcpproxy.New(tcpproxy.Config{
		StatPrefix:  cfg.statPrefix,
		Cluster:     w.clusters[cfg.cluster],
		IdleTimeout: cfg.idleTimeout,
	})
	w.counted = append(w.counted, proxy)
	return []pipeline.FilterFactory{proxy.Filter}
}

// run returns when the worker has drained.
func (w *worker) run() error {
	defer close(w.stopped)
	return w.loop.Run()
}

// drain stops accepting, and ends run when all connections have ended or drainTime
// has passed. Any goroutine may call it.
func (w *worker) drain(drainTime time.Duration) {
	w.loop.Post(func() {
		left, deadline := len(w.listeners), w.loop.Now()+drainTime
		for _, l := range w.listeners {
			l.Drain(drainTime, func() {
				if left--; left == 0 {
					w.flush(deadline)
				}
			})
		}
	})
}

// flush waits for upstreams to get the last bytes of clients that have gone.
func (w *worker) flush(deadline time.Duration) {
	for _, c := range w.clusters {
		if c.Stats().CxActive > 0 && w.loop.Now() < deadline {
			w.loop.NewTimer(func() { w.flush(deadline) }).Enable(flushInterval)
			return
		}
	}
	w.loop.Stop()
}

// snapshot returns the counters. Any goroutine may call it, also when run is over.
func (w *worker) snapshot() pipeline.Snapshot {
	taken := make(chan pipeline.Snapshot, 1)
	w.loop.Post(func() { taken <- w.takeSnapshot() })
	select {
	case s := <-taken:
		return s
	case <-w.stopped:
		return w.takeSnapshot()
	}
}

func (w *worker) takeSnapshot() pipeline.Snapshot {
	var all []pipeline.Snapshot
	for _, c := range w.counted {
		all = append(all, c.Snapshot())
	}
	return pipeline.MergeSnapshots(all...)
}
