// Edgeproxy routes TLS connections by server name (SNI) and application protocol
// (ALPN) to upstreams, without terminating TLS. Its configuration is a part of
// Envoy's; see README.md.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"edgewise.test/pipeline"
)

// Exit statuses.
const (
	exitOK    = 0
	exitError = 1 // the system did not let us, or not any more
	exitUsage = 2 // the flags or the configuration are wrong
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

type options struct {
	config    string
	check     bool
	workers   int
	drainTime time.Duration
}

func run(args []string, stdout, stderr io.Writer) int {
	opts, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		return exitUsage
	}
	cfg, err := loadConfig(opts.config)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	if opts.check {
		fmt.Fprintf(stdout, "%s: OK\n", opts.config)
		return exitOK
	}
	if err := serve(cfg, opts, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "edgeproxy:", err)
		return exitError
	}
	return exitOK
}

// parseOptions has told stderr about the error that it returns.
func parseOptions(args []string, stderr io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("edgeproxy", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&opts.config, "config", "", "configuration `file`")
	flags.BoolVar(&opts.check, "check", false, "only check the configuration")
	flags.IntVar(&opts.workers, "workers", runtime.GOMAXPROCS(0), "number of event loops")
	flags.DurationVar(&opts.drainTime, "drain-time", 10*time.Second, "how long connections may go on after SIGTERM")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case opts.config == "":
		err = errors.New("-config is missing")
	case opts.workers < 1:
		err = fmt.Errorf("-workers %d: want 1 or more", opts.workers)
	case opts.drainTime < 0:
		err = fmt.Errorf("-drain-time %v: want 0 or more", opts.drainTime)
	}
	if err != nil {
		fmt.Fprintln(stderr, "edgeproxy:", err)
		flags.Usage()
	}
	return opts, err
}

// serve returns when all workers have drained, or one has failed.
func serve(cfg *config, opts options, stdout, stderr io.Writer) error {
	signals := make(chan os.Signal, 16)
	stopSignals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	signal.Notify(signals, append(stopSignals, dumpSignals...)...)
	defer signal.Stop(signals)

	workers, err := listen(cfg, opts.workers, stdout)
	if err != nil {
		return err
	}
	ended := make(chan error, len(workers))
	for _, w := range workers {
		go func() { ended <- w.run() }()
	}
	for left := len(workers); left > 0; {
		select {
		case s := <-signals:
			if slices.Contains(dumpSignals, s) {
				dump(workers, stderr)
				continue
			}
			signal.Reset(stopSignals...) // the second one ends the process
			for _, w := range workers {
				w.drain(opts.drainTime)
			}
		case err := <-ended:
			if err != nil {
				return err
			}
			left--
		}
	}
	return nil
}

// listen makes the workers, and tells stdout the bound addresses in one line.
func listen(cfg *config, n int, stdout io.Writer) ([]*worker, error) {
	addresses := make([]netip.AddrPort, len(cfg.listeners))
	for i, l := range cfg.listeners {
		addresses[i] = l.address
	}
	workers := make([]*worker, n)
	for i := range workers {
		w, err := newWorker(cfg, addresses)
		if err != nil {
			return nil, err
		}
		workers[i] = w
	}
	bound := make([]string, len(addresses))
	for i, l := range cfg.listeners {
		bound[i] = fmt.Sprintf("%s on %v", l.name, addresses[i])
	}
	fmt.Fprintf(stdout, "edgeproxy: listening: %s\n", strings.Join(bound, ", "))
	return workers, nil
}

// dump writes the sum of all workers' counters, and an empty line behind them.
func dump(workers []*worker, stderr io.Writer) {
	var snapshots []pipeline.Snapshot
	for _, w := range workers {
		snapshots = append(snapshots, w.snapshot())
	}
	fmt.Fprintf(stderr, "%v\n", pipeline.MergeSnapshots(snapshots...))
}
