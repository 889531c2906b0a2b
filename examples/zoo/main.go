// Zoo keeps real bugs of proxies in cages: each is planted in a small host program
// with a scenario that a user would naturally write, and edgewise hunts them all.
//
//	go run ./examples/zoo                     # the scoreboard
//	go run ./examples/zoo -list
//	go run ./examples/zoo -only A1,C3 -v      # with the report of each
//	go run ./examples/zoo -baselines          # beside what people do without edgewise
//
// Exit status: 0 all bugs were found, 1 one was not, 2 a flag is wrong.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("zoo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "the bugs to hunt, as `ids` with commas; empty: all")
	list := flags.Bool("list", false, "list the bugs and stop")
	verbose := flags.Bool("v", false, "print the report of each bug")
	var m meter
	flags.IntVar(&m.seeds, "seeds", 20, "how often each strategy hunts, to take the median")
	flags.IntVar(&m.budget, "budget", 100_000, "schedules per hunt at the most")
	flags.DurationVar(&m.limit, "limit", 30*time.Second, "time per hunt at the most")
	flags.BoolVar(&m.baselines, "baselines", false, "add what people do without edgewise: random bytes for choices, and loopback with sleeps")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "zoo: got argument %q, want only flags\n", flags.Arg(0))
		return 2
	}
	if m.seeds < 1 || m.budget < 1 || m.limit <= 0 {
		fmt.Fprintf(stderr, "zoo: got -seeds %d -budget %d -limit %v, want them above 0\n", m.seeds, m.budget, m.limit)
		return 2
	}
	entries, err := chosen(*only)
	if err != nil {
		fmt.Fprintf(stderr, "zoo: -only: %v\n", err)
		return 2
	}
	if *list {
		for _, e := range entries {
			fmt.Fprintf(stdout, "%-4s %s\n", e.id, e.what)
		}
		return 0
	}
	found := 0
	board := newScoreboard(stdout, m.columns())
	for s := range m.measure(entries) {
		board.add(s)
		if s.failure != nil {
			found++
			if *verbose {
				fmt.Fprintf(stdout, "\n%s\n", s.failure.Report(s.entry.links...))
			}
		}
	}
	board.totals(m)
	if found < len(entries) {
		return 1
	}
	return 0
}

// chosen returns the entries with the ids, in the zoo's order.
func chosen(only string) ([]*entry, error) {
	var ids []string
	if only != "" {
		ids = strings.Split(only, ",")
	}
	var all []*entry
	for i := range zoo {
		if e := &zoo[i]; only == "" || slices.Contains(ids, string(e.id)) {
			all = append(all, e)
		}
	}
	for _, name := range ids {
		if !slices.ContainsFunc(all, func(e *entry) bool { return string(e.id) == name }) {
			return nil, fmt.Errorf("got %q, want an id of -list", name)
		}
	}
	return all, nil
}
