package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// goBench is a benchmark of one of our packages whose figures make a table. It runs
// once in each round, on one processor.
type goBench struct {
	pkg, pattern, time string
	figures            map[string]*subject // by "name unit", the name without Benchmark
}

func (g *goBench) rounds(b *bench, w *work) ([]round, error) {
	dir := filepath.Join("..", "..", g.pkg)
	program := filepath.Join(b.dir, g.pkg+".test")
	if out, err := exec.Command("go", "test", "-C", dir, "-c", "-o", program, ".").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the benchmarks of %s: %w\n%s", g.pkg, err, out)
	}
	benchtime := g.time
	if b.quick {
		benchtime = "1x"
	}
	var all []round
	for range b.rounds {
		if !b.quick {
			b.awaitQuiet()
		}
		cmd := exec.Command("taskset", "-c", strconv.Itoa(serverCPU), program, "-test.run", "^$", "-test.bench", g.pattern, "-test.benchtime", benchtime)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1") // names have no suffix then
		out, err := cmd.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, out)
		}
		r, err := g.parse(string(out))
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// parse reads lines of a name, a number of iterations, and figures with their units.
func (g *goBench) parse(out string) (round, error) {
	r := round{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		for i := 3; i < len(fields); i += 2 {
			s := g.figures[name+" "+fields[i]]
			if s == nil {
				continue
			}
			x, err := strconv.ParseFloat(fields[i-1], 64)
			if err != nil {
				return nil, fmt.Errorf("benchmark %s: %w", name, err)
			}
			r[s] = []reading{plain(x)}
		}
	}
	for name, s := range g.figures {
		if r[s] == nil {
			return nil, fmt.Errorf("no figure %q in\n%s", name, out)
		}
	}
	return r, nil
}
