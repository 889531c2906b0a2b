// Bench measures package pipeline on real epoll beside the least that a C program
// can do, and beside its peers, on the machine that it runs on:
//
//	go run . [-rounds N] [-only substring] [-quick]
//
// It builds the servers, runs them pinned to one core with a load generator on the
// other, prints a table for each kind of work and draws all of it to bench.svg.
// What is missing on the machine is left out, and said. See README.md for the
// method.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// bench is what all measurements share.
type bench struct {
	tools
	rounds  int
	quick   bool
	window  time.Duration // of one measurement
	hello   string        // file
	tries   int           // at a window without foreign load
	foreign float64       // the most foreign load that a window may have, in cores
	dropped int           // windows thrown away
	servers []*process    // running
}

func main() {
	log.SetFlags(0)
	b := &bench{}
	var only, hello, svg string
	flag.IntVar(&b.rounds, "rounds", 15, "paired rounds of each work")
	flag.BoolVar(&b.quick, "quick", false, "one short round of each, only to see that all of it runs")
	flag.StringVar(&only, "only", "", "only the works and metrics with this `text` in their name")
	flag.StringVar(&hello, "hello", "go-alpn", "ClientHello in testdata/hello of tlsinspector; its server name is "+serverName)
	flag.StringVar(&svg, "svg", "bench.svg", "draw to this `file`")
	flag.Float64Var(&b.foreign, "foreign", 0.08, "throw windows away in which others have used more than this part of a core")
	flag.IntVar(&b.tries, "tries", 8, "how often to try for a window without foreign load")
	flag.Parse()
	b.window = 400 * time.Millisecond
	if b.quick {
		b.rounds, b.tries, b.window, b.foreign = 1, 1, 100*time.Millisecond, 1e9
	}
	b.hello = filepath.Join("..", "..", "pipeline", "tlsinspector", "testdata", "hello", hello+".bin")
	if err := b.run(only, svg); err != nil {
		log.Fatal("bench: ", err)
	}
}

func (b *bench) run(only, svg string) error {
	if err := raiseFileLimit(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := b.build(dir); err != nil {
		return err
	}
	if err := b.writeIdentity(); err != nil {
		return err
	}
	// Servers in process groups of their own would outlive an interrupt.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		b.stopAll()
		os.RemoveAll(dir)
		os.Exit(1)
	}()
	defer b.stopAll()

	var tables []*table
	var failed []error
	fmt.Printf("%s\n\n", b.machine())
	start := time.Now()
	for _, w := range b.works() {
		if !strings.Contains(w.name, only) {
			continue
		}
		t, err := b.measure(w)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", w.name, err))
			log.Print("FAILED: ", failed[len(failed)-1])
			continue
		}
		fmt.Println(t)
		tables = append(tables, t)
	}
	fmt.Printf("%d rounds of each in %v, %d windows thrown away for foreign load.\n", b.rounds, time.Since(start).Round(time.Second), b.dropped)
	if err := os.WriteFile(svg, draw(tables, b.machine()), 0o666); err != nil {
		return err
	}
	return errors.Join(failed...)
}

// raiseFileLimit gives servers and generator what maxClients needs, if it may.
func raiseFileLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Max = max(limit.Max, 2*maxClients+200)
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raise the limit of open files to %d: %w", limit.Max, err)
	}
	return nil
}
