package main

import "fmt"

// fakeLives are lives of connections in the fake kernel, beside the same pipeline on
// loopback in the same run.
func fakeLives() *work {
	loopback, fake := &subject{name: "loopback"}, &subject{name: "fake"}
	g := &goBench{pkg: "pipeline", pattern: "^BenchmarkLives$", time: "0.5s", figures: map[string]*subject{
		"Lives loopback-lives/s": loopback, "Lives fake-lives/s": fake,
	}}
	return &work{
		name: "lives of connections, with hello, match and echo", subjects: []*subject{loopback, fake}, own: fake,
		metrics: []metric{{name: "per second", reference: loopback, goal: &goal{bound: 20, atLeast: true}}},
		runAll:  g.rounds,
	}
}

// fakeEvents is what one event costs among so many connections.
func fakeEvents() *work {
	return scaling("an event in the fake kernel, among connections", "EventAmong", "connections", 10, 100, 1000, 10_000, 100_000)
}

// fakeWorkers is the same among workers with ten connections each.
func fakeWorkers() *work {
	return scaling("an event in the fake kernel, among workers", "EventAmongWorkers", "workers", 1, 8, 64)
}

// scaling has the goal that the last size costs not much more than the first.
func scaling(name, benchmark, unit string, sizes ...int) *work {
	w := &work{name: name}
	g := &goBench{pkg: "fakepoller", pattern: "^Benchmark" + benchmark + "$", time: "50ms", figures: map[string]*subject{}}
	for _, n := range sizes {
		s := &subject{name: fmt.Sprintf("%d %s", n, unit)}
		w.subjects = append(w.subjects, s)
		g.figures[fmt.Sprintf("%s/%d ns/op", benchmark, n)] = s
		w.own = s
	}
	w.metrics = []metric{{name: "time", unit: "ns", reference: w.subjects[0], goal: &goal{bound: 1.5}}}
	w.runAll = g.rounds
	return w
}

// fakeSearch is what a search pays for each schedule.
func fakeSearch() *work {
	calm, seed := &subject{name: "three clients, calm"}, &subject{name: "three clients, seed"}
	g := &goBench{pkg: "proptest", pattern: "^BenchmarkSchedules$", time: "0.3s", figures: map[string]*subject{
		"Schedules/calm schedules/s": calm, "Schedules/seed schedules/s": seed,
	}}
	return &work{
		name: "schedules, routed by server name, with audit and digest", subjects: []*subject{calm, seed}, own: seed,
		metrics: []metric{{name: "per second", reference: calm, goal: &goal{bound: 20_000, value: true, atLeast: true}}},
		runAll:  g.rounds,
	}
}
