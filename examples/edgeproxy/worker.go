package main

import (
	"fmt"
	"slices"
	"time"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/tcpproxy"
	"edgewise.test/pipeline/tlstransport"
	"edgewise.test/poller"
)

// flushInterval is between two looks at the upstream connections of a worker that
// has no downstream connections any more.
const flushInterval = 10 * time.Millisecond

// retireDelay is behind the drain time, after which nothing of a listener or filter
// chain is left.
const retireDelay = time.Second

// worker is one event loop with filters, proxies and clusters of its own; its
// listeners are the manager's. Workers share nothing but the addresses they listen
// on, which the kernel spreads new connections over (SO_REUSEPORT). All but its
// methods that say otherwise belongs to the loop.
type worker struct {
	index, workers int
	loop           *pipeline.Loop
	flushUntil     time.Duration // set when the program drains
	parts          parts
	clusters       map[string]*tcpproxy.Cluster        // of the configuration
	listeners      map[string]*pipeline.ListenerConfig // of the configuration
}

func newWorker(index, workers int) (*worker, error) {
	kernel, err := poller.Open()
	if err != nil {
		return nil, fmt.Errorf("open the poller: %w", err)
	}
	return &worker{index: index, workers: workers, loop: pipeline.NewLoop(kernel)}, nil
}

// do runs f on the loop, and returns when it is done. Any other goroutine may call
// it.
func (w *worker) do(f func()) {
	done := make(chan struct{})
	w.loop.Post(func() {
		f()
		close(done)
	})
	<-done
}

// configure makes what cfg needs. It changes clusters at once, and listeners not at
// all. What is not needed any more is dropped after drainTime.
func (w *worker) configure(cfg *config, drainTime time.Duration) {
	w.parts.generation++
	w.clusters = map[string]*tcpproxy.Cluster{}
	for _, c := range cfg.clusters {
		cluster := partOf(&w.parts, "cluster "+c.Name, func() *tcpproxy.Cluster { return tcpproxy.NewCluster(c) })
		cluster.Update(c)
		w.clusters[c.Name] = cluster
	}
	w.listeners = map[string]*pipeline.ListenerConfig{}
	for i := range cfg.listeners {
		w.listeners[cfg.listeners[i].name] = w.pipeline(&cfg.listeners[i])
	}
	w.retireLater(w.parts.generation, drainTime+retireDelay)
}

func (w *worker) retireLater(generation int, after time.Duration) {
	w.loop.NewTimer(func() {
		if w.parts.retire(generation) {
			w.retireLater(generation, after)
		}
	}).Enable(after)
}

// pipeline adds what belongs to this worker to the configuration that all share.
func (w *worker) pipeline(cfg *listener) *pipeline.ListenerConfig {
	p := cfg.pipeline
	for _, f := range cfg.filters {
		made := partOf(&w.parts, "listener filter "+cfg.name+" "+f.revision, func() filterPart { return f.build(w.index, w.workers) })
		factory := pipeline.ListenerFilterFactory(made.Filter)
		if f.disabled != nil {
			factory = pipeline.FilterDisabled(f.disabled, factory)
		}
		p.ListenerFilters = append(p.ListenerFilters, factory)
	}
	p.FilterChains = slices.Clone(p.FilterChains)
	for i := range p.FilterChains {
		w.complete(&p.FilterChains[i], cfg, &cfg.chains[i])
	}
	if p.DefaultFilterChain != nil {
		chain := *p.DefaultFilterChain
		w.complete(&chain, cfg, cfg.defaultChain)
		p.DefaultFilterChain = &chain
	}
	return &p
}

func (w *worker) complete(chain *pipeline.FilterChain, l *listener, cfg *filterChain) {
	if cfg.tls != nil {
		factory := partOf(&w.parts, "tls "+l.name+" "+cfg.tls.revision, func() *tlstransport.Factory {
			return tlstransport.NewServer(tlstransport.Config{TLS: cfg.tls.config, StatPrefix: "listener." + l.statPrefix() + "."})
		})
		chain.TransportSocket = factory.TransportSocket
	}
	proxy := partOf(&w.parts, fmt.Sprintf("tcp_proxy %+v", cfg.proxy), func() *tcpproxy.Proxy {
		return tcpproxy.New(tcpproxy.Config{
			StatPrefix:  cfg.proxy.statPrefix,
			Cluster:     w.clusters[cfg.proxy.cluster],
			IdleTimeout: cfg.proxy.idleTimeout,
		})
	})
	chain.Filters = []pipeline.FilterFactory{proxy.Filter}
}

// flush waits for upstreams to get the last bytes of clients that have gone, until
// flushUntil.
func (w *worker) flush(done func()) {
	if w.parts.busy() && w.loop.Now() < w.flushUntil {
		w.loop.NewTimer(func() { w.flush(done) }).Enable(flushInterval)
		return
	}
	done()
}
