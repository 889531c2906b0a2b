package main

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// runtimeCalls are those that a language runtime makes for itself, more of them
// under strace than without. They are not counted.
var runtimeCalls = []string{"futex", "getpid", "gettid", "madvise", "mmap", "munmap", "nanosleep", "rt_sigprocmask", "rt_sigreturn", "sched_yield", "tgkill", "timer_settime"}

// syscalls counts the system calls of one connection: the difference of a long run
// and a short one, so that those of the start do not count.
func syscalls(name, mode string, upstream bool, subjects []*subject, reference *subject, bound float64) *work {
	return &work{
		name: name, upstream: upstream, subjects: subjects,
		metrics: []metric{{name: "calls per connection", reference: reference, goal: &goal{bound: bound, value: true}}},
		runAll: func(b *bench, w *work) ([]round, error) {
			all := round{}
			port := 0
			if w.upstream {
				p, err := b.startServer(cEcho, loadCPU, 0)
				if err != nil {
					return nil, err
				}
				port = p.port
			}
			for _, s := range w.subjects {
				counts, err := b.callsPerConnection(s, mode, port)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", s.name, err)
				}
				sum := 0.0
				for _, n := range counts {
					sum += n
				}
				all[s] = []reading{plain(sum)}
				w.notes = append(w.notes, s.name+": "+describe(counts))
			}
			return []round{all}, nil
		},
	}
}

func (b *bench) callsPerConnection(s *subject, mode string, upstream int) (map[string]float64, error) {
	short, long := 500, 4500
	if b.quick {
		short, long = 100, 300
	}
	few, err := b.trace(s, mode, upstream, short)
	if err != nil {
		return nil, err
	}
	many, err := b.trace(s, mode, upstream, long)
	if err != nil {
		return nil, err
	}
	per := map[string]float64{}
	for name, n := range many {
		if !slices.Contains(runtimeCalls, name) {
			per[name] = float64(n-few[name]) / float64(long-short)
		}
	}
	return per, nil
}

// trace counts the system calls of a server with so many connections.
func (b *bench) trace(s *subject, mode string, upstream, connections int) (map[string]int, error) {
	file := filepath.Join(b.dir, "strace.out")
	p, err := b.startServer(s, serverCPU, upstream, b.paths["strace"], "-c", "-f", "-o", file)
	if err != nil {
		return nil, err
	}
	_, err = b.load(p, mode, connections, 20e9, concurrent)
	b.stop(p)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseStrace(bufio.NewScanner(f))
}

// parseStrace reads the table of strace -c: time, seconds, µs per call, calls,
// maybe errors, name.
func parseStrace(lines *bufio.Scanner) (map[string]int, error) {
	counts := map[string]int{}
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 5 || f[len(f)-1] == "total" {
			continue
		}
		if n, err := strconv.Atoi(f[3]); err == nil {
			counts[f[len(f)-1]] = n
		}
	}
	return counts, lines.Err()
}

// describe lists calls that matter, the most frequent first.
func describe(counts map[string]float64) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var out []string
	for _, name := range names {
		if counts[name] >= 0.005 {
			out = append(out, fmt.Sprintf("%s %.2f", name, counts[name]))
		}
	}
	return strings.Join(out, ", ")
}
