// Edgeproxy routes connections by what package pipeline finds out before the first
// routed byte, such as server name (SNI), application protocol (ALPN) and addresses,
// to upstreams. It passes TLS through or terminates it, and speaks the PROXY
// protocol on both sides. Its configuration is a part of Envoy's; see README.md.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
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
	flags.DurationVar(&opts.drainTime, "drain-time", 10*time.Second, "how long connections may go on after SIGTERM, or when a reload has nothing for them")
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
	signal.Notify(signals, slices.Concat(stopSignals, dumpSignals, reloadSignals)...)
	defer signal.Stop(signals)

	p, err := newProxy(cfg, opts.workers, opts.drainTime)
	if err != nil {
		return err
	}
	announce(p, stdout)
	if cfg.admin.IsValid() {
		a, err := listenAdmin(cfg.admin, p)
		if err != nil {
			return err
		}
		defer a.close()
		fmt.Fprintf(stdout, "edgeproxy: admin on %v\n", a.listener.Addr())
	}
	drained := make(chan struct{})
	for {
		select {
		case s := <-signals:
			switch {
			case slices.Contains(dumpSignals, s):
				dump(p, stderr)
			case p.draining(): // nothing is to be changed any more
			case slices.Contains(reloadSignals, s):
				reload(p, opts.config, stdout, stderr)
			default:
				signal.Reset(stopSignals...) // the second one ends the process
				p.drain(func() { close(drained) })
			}
		case <-drained:
			return p.stop()
		case err := <-p.ended:
			return err
		}
	}
}

// announce tells stdout the bound addresses in one line.
func announce(p *proxy, stdout io.Writer) {
	var bound []string
	for _, l := range p.addresses() {
		bound = append(bound, fmt.Sprintf("%s on %v", l.name, l.address))
	}
	fmt.Fprintf(stdout, "edgeproxy: listening: %s\n", strings.Join(bound, ", "))
}

// reload reads the configuration again. A bad one changes nothing.
func reload(p *proxy, name string, stdout, stderr io.Writer) {
	cfg, err := loadConfig(name)
	if err == nil {
		err = p.reload(cfg)
	}
	if err != nil {
		fmt.Fprintln(stderr, "edgeproxy: reload:", err)
		return
	}
	announce(p, stdout)
}

// dump writes the sum of all workers' counters, and an empty line behind them.
func dump(p *proxy, stderr io.Writer) {
	s, _, _ := p.snapshot()
	fmt.Fprintf(stderr, "%v\n", s)
}
