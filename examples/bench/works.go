package main

import (
	"fmt"
	"syscall"
	"time"
)

const (
	concurrent = 64
	burstSize  = 4000 // below net.core.somaxconn
	anyCount   = 1 << 30
)

// works are what is measured, with the goals of edgewise.
func (b *bench) works() []*work {
	idleClients := 3000 // with io.Copy a client takes six descriptors: two pipes
	if b.quick {
		idleClients = 500
	}
	accepting := b.present(cDrain, cRead, edgewiseClose, edgewiseConnect, netClose, gnetClose, netpollClose)
	routing := b.present(cProxy, edgewiseRoute, haproxy, nginx, netCopy, netSplice)
	cpu := func(reference *subject, bound float64) []metric {
		return []metric{{name: "CPU per connection", unit: "µs", reference: reference, goal: &goal{bound: bound}}}
	}
	all := []*work{
		{
			name: fmt.Sprintf("accept, hello, close (%d at a time)", concurrent), subjects: accepting, warmUp: "close", metrics: cpu(cDrain, 1.05),
			run: func(b *bench, p *process, _ int) ([]reading, error) { return b.connections(p, "close", concurrent) },
		},
		{
			name: fmt.Sprintf("burst (%d queued connections)", burstSize), subjects: accepting, warmUp: "close", metrics: cpu(cRead, 1.15),
			run: func(b *bench, p *process, _ int) ([]reading, error) { return b.bursts(p) },
		},
		{
			name: fmt.Sprintf("route by server name (%d at a time)", concurrent), upstream: true, subjects: routing, warmUp: "route", metrics: cpu(cProxy, 1.10),
			run: func(b *bench, p *process, _ int) ([]reading, error) { return b.connections(p, "route", concurrent) },
		},
		{
			name: "echo through the proxy (4 connections)", upstream: true, subjects: routing, warmUp: "route",
			metrics: []metric{
				{name: "throughput", unit: "GB/s", reference: cProxy, goal: &goal{bound: 1, atLeast: true}},
				{name: "CPU per GB", unit: "s", reference: cProxy, goal: &goal{bound: 0.35, value: true}},
			},
			run: func(b *bench, p *process, _ int) ([]reading, error) { return b.echo(p, "echo") },
		},
		{
			name: fmt.Sprintf("idle (%d routed clients, two connections each)", idleClients), upstream: true, few: true, subjects: routing,
			metrics: []metric{{name: "memory per connection", unit: "KiB", reference: cProxy, goal: &goal{bound: 2, value: true}}},
			run:     func(b *bench, p *process, _ int) ([]reading, error) { return b.idle(p, idleClients) },
		},
		b.latency(routing),
	}
	if b.paths["strace"] != "" {
		all = append(all,
			syscalls("system calls: accept, hello, close", "close", false, accepting, cRead, 4.1),
			syscalls("system calls: route", "route", true, routing, cProxy, 13))
	}
	all = append(all, b.terminate()...)
	return append(all, chainMatch(), fakeLives(), fakeEvents(), fakeWorkers(), fakeSearch())
}

// connections keeps n connections going for a window.
func (b *bench) connections(p *process, mode string, n int) ([]reading, error) {
	before := p.cpu()
	r, err := b.load(p, mode, anyCount, b.window, n)
	if err != nil {
		return nil, err
	}
	return []reading{cpuReading(p.cpu()-before, r)}, nil
}

func cpuReading(used time.Duration, r result) reading {
	n := float64(r["connections"])
	return reading{
		value: used.Seconds() / n * 1e6,
		norm:  used.Seconds() / time.Duration(r["cpu_ns"]).Seconds(),
		load:  float64(r["cpu_ns"]) / n,
	}
}

// bursts stops the server while connections queue, and lets it go on. Only that
// counts.
func (b *bench) bursts(p *process) ([]reading, error) {
	times := 3
	if b.quick {
		times = 1
	}
	var used time.Duration
	sum := result{}
	for range times {
		syscall.Kill(p.pid, syscall.SIGSTOP)
		l, err := b.startLoad(p, "burst", burstSize, time.Second, 0)
		if err != nil {
			return nil, err
		}
		if err := l.await("queued"); err != nil {
			return nil, err
		}
		before := p.cpu()
		syscall.Kill(p.pid, syscall.SIGCONT)
		l.proceed()
		if err := l.await("closed"); err != nil {
			return nil, err
		}
		used += p.cpu() - before
		r, err := l.wait()
		if err != nil {
			return nil, err
		}
		for name, n := range r {
			sum[name] += n
		}
	}
	return []reading{cpuReading(used, sum)}, nil
}

func (b *bench) echo(p *process, mode string) ([]reading, error) {
	before := p.cpu()
	r, err := b.load(p, mode, 0, b.window, 4)
	if err != nil {
		return nil, err
	}
	gigabytes := float64(r["bytes"]) / 1e9 // one way
	used := (p.cpu() - before).Seconds()
	throughput := plain(gigabytes / time.Duration(r["wall_ns"]).Seconds())
	load := time.Duration(r["cpu_ns"]).Seconds()
	throughput.load = load / gigabytes
	return []reading{throughput, {value: used / gigabytes, norm: used / load}}, nil
}

// idle is how much the resident memory grows, for each of the two connections that
// a client has to a proxy and through it.
func (b *bench) idle(p *process, clients int) ([]reading, error) {
	before := p.rss()
	l, err := b.startLoad(p, "idle", clients, 10*time.Second, 0)
	if err != nil {
		return nil, err
	}
	if err := l.await("open"); err != nil {
		return nil, err
	}
	grown := p.rss() - before
	l.proceed()
	if _, err := l.wait(); err != nil {
		return nil, err
	}
	return []reading{plain(float64(grown) / float64(2*clients) / 1024)}, nil
}

// latencyWindows are measured for one reading, their median: a single hiccup of the
// machine is the p99 of its window.
const latencyWindows = 5

// latency is measured at half of the connections that HAProxy can do.
func (b *bench) latency(subjects []*subject) *work {
	reference := haproxy
	if b.paths["haproxy"] == "" {
		reference = cProxy
	}
	rate := 0
	return &work{
		name: "latency at half load", upstream: true, subjects: subjects, warmUp: "route",
		metrics: []metric{
			{name: "connect to first byte, p99", unit: "µs", reference: reference, goal: &goal{bound: 1}},
			{name: "p50", unit: "µs", reference: reference},
		},
		run: func(b *bench, p *process, upstream int) ([]reading, error) {
			if rate == 0 {
				var err error
				if rate, err = b.halfLoad(reference, upstream); err != nil {
					return nil, err
				}
			}
			var p99, p50 []float64
			for range latencyWindows {
				r, err := b.load(p, "latency", 1<<20, b.window, rate)
				if err != nil {
					return nil, err
				}
				p99 = append(p99, float64(r["p99_ns"])/1e3)
				p50 = append(p50, float64(r["p50_ns"])/1e3)
			}
			return []reading{plain(spreadOf(p99).median), plain(spreadOf(p50).median)}, nil
		},
	}
}

// halfLoad is in connections per second.
func (b *bench) halfLoad(s *subject, upstream int) (int, error) {
	p, err := b.startServer(s, serverCPU, upstream)
	if err != nil {
		return 0, err
	}
	defer b.stop(p)
	r, err := b.load(p, "route", anyCount, b.window, concurrent)
	if err != nil {
		return 0, err
	}
	return int(float64(r["connections"]) / time.Duration(r["wall_ns"]).Seconds() / 2), nil
}
