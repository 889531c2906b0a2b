package main

// chainMatch is how long the choice of a filter chain takes.
func chainMatch() *work {
	few, many, cold := &subject{name: "10 chains"}, &subject{name: "10,000 chains"}, &subject{name: "10,000 chains, every one in turn"}
	g := &goBench{pkg: "pipeline", pattern: "^BenchmarkMatch$", time: "3x", figures: map[string]*subject{
		"Match ns/match-of-10": few, "Match ns/match-of-10000": many, "Match ns/cold-match-of-10000": cold,
	}}
	return &work{
		name: "filter chain match", subjects: []*subject{few, many, cold}, own: many,
		metrics: []metric{{name: "time", unit: "ns", reference: few, goal: &goal{bound: 2}}},
		runAll:  g.rounds,
	}
}
