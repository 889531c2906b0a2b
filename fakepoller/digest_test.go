package fakepoller

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"edgewise.test/faults"
	"edgewise.test/poller"
)

// busy runs three workers in two processes and six clients for ten minutes of
// virtual time: the first two workers share a listener (EXCLUSIVE), the third has
// its own process.
func busy(cfg Config) *World {
	cfg.MaxSteps = 20_000
	cfg.NoFile = 12
	cfg.SndBuf, cfg.RcvBuf = 64, 64
	w := New(cfg)
	shared := w.NewWorker()
	l := insist(shared, addr, 2)
	for _, k := range []*Worker{shared, w.NewWorker()} {
		k.Add(l, poller.In|poller.Exclusive, tokenOf(l))
		k.Go(func() { echo(k, l) })
	}
	other := w.NewProcess().NewWorker()
	own := insist(other, elsewhere, 1)
	other.Add(own, poller.In, tokenOf(own))
	other.Go(func() { echo(other, own) })
	for i := range 6 {
		to := []netip.AddrPort{addr, addr, elsewhere}[i%3]
		w.Peer(fmt.Sprint("client ", i), func(p *Peer) { visit(p, to, i) })
	}
	w.RunFor(10 * time.Minute)
	return w
}

// insist listens, again and again where a hostile kernel has no memory.
func insist(k *Worker, at netip.AddrPort, backlog int) poller.FD {
	for {
		if l, err := poller.ListenTCP(k, at, poller.ListenConfig{Backlog: backlog}); err == nil {
			return l
		}
	}
}

// visit dials twice, says something and leaves in one of three ways.
func visit(p *Peer, to netip.AddrPort, i int) {
	for round := range 2 {
		c, err := p.Dial(to)
		if err != nil {
			continue
		}
		c.SetDeadline(Epoch.Add(p.Now() + time.Minute))
		said := make([]byte, 1+50*i)
		c.Write(said)
		io.ReadFull(c, said)
		p.Sleep(time.Duration(i) * time.Second)
		switch (i + round) % 3 {
		case 0:
			c.CloseWrite()
			c.Read(said)
			c.Close()
		case 1:
			c.Reset()
		case 2:
			c.Write(said[:1])
			c.Close()
		}
	}
}

func digestOf(seed uint64) uint64 {
	w := busy(Config{Source: faults.Seed(seed, faults.Profile{})})
	defer w.Close()
	return w.Digest()
}

// TestDigests compares with what other machines, architectures and versions got:
// see TestDigestsEverywhere.
func TestDigests(t *testing.T) {
	var b strings.Builder
	for seed := range uint64(20) {
		fmt.Fprintf(&b, "seed %d: %016x\n", seed, digestOf(seed))
	}
	// All of ten thousand seeds in one number.
	const many = 10_000
	all := uint64(0)
	for seed := range uint64(many) {
		all = mix(all ^ digestOf(seed))
	}
	fmt.Fprintf(&b, "%d seeds: %016x\n", many, all)
	checkGolden(t, "digests.txt", b.String())
}

// TestDigestsEverywhere runs TestDigests in other environments.
func TestDigestsEverywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("short: the digests are not compared with those of -race, GOMAXPROCS and GOARCH=386")
	}
	tests := []struct {
		name string
		args []string
		env  []string
	}{
		{"race", []string{"-race"}, []string{"CGO_ENABLED=1"}},
		{"one processor", nil, []string{"GOMAXPROCS=1"}},
		{"two processors", nil, []string{"GOMAXPROCS=2"}},
		{"eight processors", nil, []string{"GOMAXPROCS=8"}},
		{"386", nil, []string{"GOARCH=386", "CGO_ENABLED=0"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := slices.Concat([]string{"test", "-count=1", "-run", "^TestDigests$"}, test.args, []string{"."})
			command := exec.Command("go", args...)
			command.Env = append(os.Environ(), test.env...)
			out, err := command.CombinedOutput()
			if err == nil {
				return
			}
			if cannot := unable(string(out)); cannot != "" {
				t.Skipf("NOT COMPARED: this machine can not run it: %s", cannot)
			}
			t.Errorf("%s %v: got %v, want the golden digests:\n%s", strings.Join(test.env, " "), command.Args, err, out)
		})
	}
}

// unable returns the line by which the go command says that it can not build or
// run for an environment.
func unable(out string) string {
	for _, line := range strings.Split(out, "\n") {
		for _, sign := range []string{"exec format error", "-race is not supported", "-race requires cgo", "C compiler", "unsupported GOOS/GOARCH"} {
			if strings.Contains(line, sign) {
				return line
			}
		}
	}
	return ""
}

// TestRunsRepeat: the same seed gives the same digest, in worlds that run at the
// same time.
func TestRunsRepeat(t *testing.T) {
	seeds := uint64(3000)
	if testing.Short() {
		seeds = 300
	}
	const shards = 4
	for shard := range uint64(shards) {
		t.Run(fmt.Sprint("shard ", shard), func(t *testing.T) {
			t.Parallel()
			distinct := map[uint64]bool{}
			for seed := shard; seed < seeds; seed += shards {
				first, second := digestOf(seed), digestOf(seed)
				if first != second {
					t.Fatalf("seed %d: got %016x and %016x, want the same", seed, first, second)
				}
				distinct[first] = true
			}
			if got, want := len(distinct), int(seeds/shards*9/10); got < want {
				t.Errorf("got %d distinct digests in %d runs, want at least %d: the digest sees too little", got, seeds/shards, want)
			}
		})
	}
}

// TestDigestDoesNotDependOnTheTrace: whether somebody looks changes nothing.
func TestDigestDoesNotDependOnTheTrace(t *testing.T) {
	for seed := range uint64(50) {
		w := busy(Config{Source: faults.Seed(seed, faults.Profile{}), Trace: true})
		got, want := w.Digest(), digestOf(seed)
		w.Close()
		if got != want {
			t.Fatalf("seed %d: got %016x with a trace, want %016x", seed, got, want)
		}
	}
}

// TestRecordedRunReplays: the plan of a seed's deviations gives the seed's run.
func TestRecordedRunReplays(t *testing.T) {
	for seed := range uint64(50) {
		r := &faults.Recorder{Source: faults.Seed(seed, faults.Profile{})}
		w := busy(Config{Source: r})
		want := w.Digest()
		w.Close()
		plan, err := faults.Parse(r.Plan().String())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		source := plan.Source()
		w = busy(Config{Source: source})
		got := w.Digest()
		w.Close()
		if got != want || len(source.Missed()) > 0 {
			t.Fatalf("seed %d: replay got %016x and missed %v, want %016x", seed, got, source.Missed(), want)
		}
	}
}

// TestSeedsFindNothingInTheKernel: an echo server that makes no mistake with its
// numbers is never told that it did, and nobody panics.
func TestSeedsFindNothingInTheKernel(t *testing.T) {
	for seed := range uint64(500) {
		w := busy(Config{Source: faults.Seed(seed, faults.Profile{Hostile: true}), Hostile: true})
		for _, f := range w.Audit() {
			if f.Kind == Panic || f.Kind == DoubleClose || f.Kind == UseAfterClose {
				t.Errorf("seed %d: got %s\n%s", seed, f, f.Stack)
			}
		}
		w.Close()
	}
}
