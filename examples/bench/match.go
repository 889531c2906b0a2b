package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// chainMatch runs the benchmark of package pipeline, which takes the two in turns.
func chainMatch() *work {
	units := map[string]*subject{
		"ns/match-of-10":         {name: "10 chains"},
		"ns/match-of-10000":      {name: "10,000 chains"},
		"ns/cold-match-of-10000": {name: "10,000 chains, every one in turn"},
	}
	few := units["ns/match-of-10"]
	return &work{
		name: "filter chain match", subjects: []*subject{few, units["ns/match-of-10000"], units["ns/cold-match-of-10000"]},
		metrics: []metric{{name: "time", unit: "ns", reference: few, goal: &goal{bound: 2}}},
		runAll: func(b *bench, w *work) ([]round, error) {
			out, err := exec.Command("taskset", "-c", strconv.Itoa(serverCPU), "go", "test", "-C", "../..", "-run", "^$", "-bench", "^BenchmarkMatch$",
				"-benchtime", "3x", "-count", strconv.Itoa(b.rounds), "./pipeline").CombinedOutput()
			if err != nil {
				return nil, fmt.Errorf("%w\n%s", err, out)
			}
			var all []round
			for line := range strings.Lines(string(out)) {
				if !strings.HasPrefix(line, "BenchmarkMatch") {
					continue
				}
				r := round{}
				fields := strings.Fields(line)
				for i := 3; i < len(fields); i += 2 {
					if s := units[fields[i]]; s != nil {
						ns, err := strconv.ParseFloat(fields[i-1], 64)
						if err != nil {
							return nil, err
						}
						r[s] = []reading{plain(ns)}
					}
				}
				all = append(all, r)
			}
			return all, nil
		},
	}
}
