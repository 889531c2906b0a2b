package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"edgewise.test/pipeline"
)

// proxy is the workers, and what they listen for. Its methods belong to one
// goroutine, but for those that say otherwise.
type proxy struct {
	workers   []*worker
	manager   *pipeline.ListenerManager
	drainTime time.Duration
	config    *config
	ended     chan error // of the loop of each worker

	mu        sync.Mutex // guards what follows
	listeners []listener // those that there are
	drains    bool
	stopped   bool
}

// newProxy starts n workers, which listen on what cfg says.
func newProxy(cfg *config, n int, drainTime time.Duration) (*proxy, error) {
	p := &proxy{drainTime: drainTime, config: cfg, ended: make(chan error, n)}
	var loops []*pipeline.Loop
	for i := range n {
		w, err := newWorker(i, n)
		if err != nil {
			return nil, err
		}
		p.workers = append(p.workers, w)
		loops = append(loops, w.loop)
	}
	p.manager = pipeline.NewListenerManager(loops...)
	for _, w := range p.workers {
		go func() { p.ended <- w.loop.Run() }()
	}
	return p, p.change(cfg)
}

// reload makes cfg hold for new connections, and lets those that are there go on for
// the drain time where it has nothing for them any more. After an error everything
// is as before.
func (p *proxy) reload(cfg *config) error {
	if cfg.admin != p.config.admin {
		return errors.New("admin.address: can not change while the program runs")
	}
	if err := p.change(cfg); err != nil {
		if back := p.change(p.config); back != nil {
			err = fmt.Errorf("%w (and back: %w)", err, back)
		}
		return err
	}
	p.config = cfg
	return nil
}

// change goes from the listeners that there are to those of cfg. What can fail comes
// first: listeners on new addresses.
func (p *proxy) change(cfg *config) error {
	for _, w := range p.workers {
		w.do(func() { w.configure(cfg, p.drainTime) })
	}
	var later []listener
	for _, l := range cfg.listeners {
		if old := p.find(l.name); old != nil && old.address == l.address && old.managed.SharedSocket == l.managed.SharedSocket {
			later = append(later, l)
			continue
		}
		if err := p.set(l); err != nil {
			return err
		}
	}
	for _, l := range later {
		if err := p.set(l); err != nil {
			return err
		}
	}
	for _, old := range slices.Clone(p.listeners) {
		if !slices.ContainsFunc(cfg.listeners, func(l listener) bool { return l.name == old.name }) {
			p.manager.Drain(old.name, p.drainTime, nil)
			p.forget(old.name)
		}
	}
	return nil
}

// set adds a listener, or changes the one of its name, in place if only filter
// chains differ.
func (p *proxy) set(l listener) error {
	done := make(chan error, 1)
	told := func(err error) { done <- err }
	spec := l.managed
	spec.Address = l.address
	spec.Config = func(i int) *pipeline.ListenerConfig { return p.workers[i].listeners[l.name] }
	old := p.find(l.name)
	switch {
	case old == nil:
		p.manager.Add(spec, told)
	case old.revision != l.revision:
		if old.address == l.address {
			spec.Address = p.manager.Address(l.name) // with the port that the kernel chose
		}
		p.manager.Replace(spec, p.drainTime, told)
	case old.chainsRevision != l.chainsRevision:
		p.manager.UpdateFilterChains(l.name, func(i int) ([]pipeline.FilterChain, *pipeline.FilterChain) {
			cfg := p.workers[i].listeners[l.name]
			return cfg.FilterChains, cfg.DefaultFilterChain
		}, p.drainTime, told, nil)
	default:
		return nil
	}
	if err := <-done; err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if old != nil {
		*old = l
	} else {
		p.listeners = append(p.listeners, l)
	}
	return nil
}

func (p *proxy) find(name string) *listener {
	for i := range p.listeners {
		if p.listeners[i].name == name {
			return &p.listeners[i]
		}
	}
	return nil
}

func (p *proxy) forget(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listeners = slices.DeleteFunc(p.listeners, func(l listener) bool { return l.name == name })
}

// drain stops accepting, and calls done when all connections have ended or the drain
// time has passed. done is called on any goroutine.
func (p *proxy) drain(done func()) {
	p.mu.Lock()
	p.drains = true
	p.mu.Unlock()
	listeners, workers := len(p.listeners), len(p.workers)
	var mu sync.Mutex
	last := func(left *int) bool {
		mu.Lock()
		defer mu.Unlock()
		*left--
		return *left == 0
	}
	flush := func() {
		for _, w := range p.workers {
			w.loop.Post(func() {
				w.flush(func() {
					if last(&workers) {
						done()
					}
				})
			})
		}
	}
	for _, w := range p.workers {
		w.loop.Post(func() { w.flushUntil = w.loop.Now() + p.drainTime })
	}
	for _, l := range p.listeners {
		p.manager.Drain(l.name, p.drainTime, func() {
			if last(&listeners) {
				flush()
			}
		})
	}
}

// draining says that the program is about to end. Any goroutine may call it.
func (p *proxy) draining() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drains
}

// stop ends the loops. Nothing can be asked of the proxy then.
func (p *proxy) stop() error {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	var err error
	for _, w := range p.workers {
		w.loop.Stop()
	}
	for range p.workers {
		err = errors.Join(err, <-p.ended)
	}
	return err
}

// boundListener is a listener and where it listens.
type boundListener struct {
	name    string
	address netip.AddrPort
}

// addresses are the listeners that there are, in the order of the configuration at
// first. Any goroutine may call it.
func (p *proxy) addresses() []boundListener {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []boundListener
	for _, l := range p.listeners {
		all = append(all, boundListener{l.name, p.manager.Address(l.name)})
	}
	return all
}

// snapshot returns the counters and histograms of all workers. It says no when they
// have stopped. Any goroutine but those of the loops may call it.
func (p *proxy) snapshot() (s pipeline.Snapshot, histograms []pipeline.NamedHistogram, ok bool) {
	p.mu.Lock() // so that nobody stops meanwhile
	defer p.mu.Unlock()
	if p.stopped {
		return nil, nil, false
	}
	done := make(chan struct{})
	p.manager.Snapshot(func(all pipeline.Snapshot, h []pipeline.NamedHistogram) {
		s, histograms = all, h
		close(done)
	})
	<-done
	all := []pipeline.Snapshot{s}
	for _, w := range p.workers {
		w.do(func() { all = append(all, w.parts.snapshot()) })
	}
	return pipeline.MergeSnapshots(all...), histograms, true
}
