// Hunt lets edgewise look for a bug that really happened in a proxy's listener
// filter: it searches schedules until one breaks it, shrinks that to a few
// lines, explains it and replays it.
//
//	go run ./examples/hunt                    # the first scenario
//	go run ./examples/hunt -list
//	go run ./examples/hunt -fixed             # the same code without the bug: it passes
//	go run ./examples/hunt -replay hunt.plan
//
// Exit status: 0 the hunt ended as it should (the bug was found, or with -fixed
// none was), 1 it did not, 2 a flag or a plan file is wrong. With -replay: 0
// when the scenario passes under the plan, 1 when it fails.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"edgewise.test/faults"
	"edgewise.test/proptest"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("hunt", flag.ContinueOnError)
	flags.SetOutput(stderr)
	name := flags.String("scenario", scenarios[0].name, "what to hunt in; see -list")
	list := flags.Bool("list", false, "list the scenarios and stop")
	seed := flags.Uint64("seed", 1, "start of the random schedules")
	budget := flags.Int("budget", 100_000, "schedules to run at the most")
	replay := flags.String("replay", "", "run only the plan in this `file`")
	out := flags.String("o", "hunt.plan", "where to write the plan that was found; empty: nowhere")
	fixed := flags.Bool("fixed", false, "hunt in the code without the bug")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "hunt: got argument %q, want only flags\n", flags.Arg(0))
		return 2
	}
	if *list {
		for _, s := range scenarios {
			fmt.Fprintf(stdout, "%-16s %s\n", s.name, s.what)
		}
		return 0
	}
	if *budget < 1 {
		fmt.Fprintf(stderr, "hunt: -budget: got %d, want at least 1\n", *budget)
		return 2
	}
	s, ok := scenarioNamed(*name)
	if !ok {
		fmt.Fprintf(stderr, "hunt: -scenario: got %q, want one of %s\n", *name, names())
		return 2
	}
	config := proptest.Config{Scenario: s.run(*fixed), Seed: *seed, Schedules: *budget}
	if *replay != "" {
		return replayPlan(config, *replay, stdout, stderr)
	}
	fmt.Fprintf(stdout, "hunting in %s: %s\n", s.name, s.what)
	progress := newProgress(stderr)
	config.Progress = progress.show
	r := proptest.Search(config)
	progress.clear()
	if r.Failure == nil {
		fmt.Fprintf(stdout, "nothing found in %s\n", r.Summary())
		return status(*fixed)
	}
	return report(config, s, r, *out, *fixed, stdout, stderr)
}

func names() string {
	var all []string
	for _, s := range scenarios {
		all = append(all, s.name)
	}
	return strings.Join(all, ", ")
}

func status(asItShould bool) int {
	if asItShould {
		return 0
	}
	return 1
}

// report prints the failure, keeps its plan, and shows that the plan replays.
func report(config proptest.Config, s scenario, r proptest.Result, out string, fixed bool, stdout, stderr io.Writer) int {
	f := r.Failure
	fmt.Fprintf(stdout, "found after %d schedules in %.2fs (%d boundary calls)\n\n", r.Schedules, r.Elapsed.Seconds(), r.Steps)
	how := []string{"it happened: " + s.bug}
	if out != "" {
		if err := os.WriteFile(out, []byte(f.Document()), 0o666); err != nil {
			fmt.Fprintf(stderr, "hunt: %v\n", err)
			return 2
		}
		how = append(how, fmt.Sprintf("replay: go run ./examples/hunt -scenario %s -replay %s", s.name, out))
		page := strings.TrimSuffix(out, ".plan") + ".html"
		if err := writePage(page, s.name, f); err != nil {
			fmt.Fprintf(stderr, "hunt: %v\n", err)
			return 2
		}
		how = append(how, "look:   "+page)
	}
	fmt.Fprint(stdout, f.Report(how...))
	fmt.Fprintf(stdout, "\nthe plan:\n%s", indent(f.Document()))
	again := proptest.Replay(config, f.Plan)
	if again == nil || again.Message != f.Message || again.Digest != f.Digest {
		fmt.Fprintln(stdout, "\nreplayed: it ended differently")
		return 1
	}
	fmt.Fprintf(stdout, "\nreplayed: the same failure, trace digest %016x\n", again.Digest)
	return status(!fixed)
}

// writePage writes the timeline of a failure.
func writePage(file, title string, f *proptest.Failure) error {
	var page bytes.Buffer
	if err := f.WriteHTML(&page, title); err != nil {
		return err
	}
	return os.WriteFile(file, page.Bytes(), 0o666)
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ") + "\n"
}

// replayPlan runs one plan and says how it ended.
func replayPlan(config proptest.Config, file string, stdout, stderr io.Writer) int {
	text, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintf(stderr, "hunt: -replay: %v\n", err)
		return 2
	}
	plan, err := faults.Parse(string(text))
	if err != nil {
		fmt.Fprintf(stderr, "hunt: -replay: %s: %v\n", file, err)
		return 2
	}
	f := proptest.Replay(config, plan)
	if f == nil {
		fmt.Fprintln(stdout, "the scenario passes under the plan")
		return 0
	}
	fmt.Fprint(stdout, f.Report(fmt.Sprintf("trace digest %016x", f.Digest)))
	return 1
}
