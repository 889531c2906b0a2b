package fakepoller

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"edgewise.test/faults"
	"edgewise.test/poller"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files in testdata")

// addr is where the listeners of these tests are.
var addr = netip.MustParseAddrPort("127.0.0.1:443")

// listen makes a listener at addr and registers it with its number as token.
func listen(t testing.TB, k *Worker, cfg poller.ListenConfig) poller.FD {
	t.Helper()
	l, err := poller.ListenTCP(k, addr, cfg)
	if err != nil {
		t.Fatalf("listen at %s: %v", addr, err)
	}
	if err := k.Add(l, poller.In, tokenOf(l)); err != nil {
		t.Fatalf("add listener: %v", err)
	}
	return l
}

func tokenOf(fd poller.FD) poller.Token { return poller.MakeToken(uint32(fd), 0) }

func fdOf(token poller.Token) poller.FD { return poller.FD(token.Slot()) }

// echo answers everybody at l with what they say, until the world is over.
func echo(k *Worker, l poller.FD) {
	var events [16]poller.Event
	var buf [64]byte
	owed := map[poller.FD][]byte{}
	for {
		n, err := k.Wait(events[:], -1)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return
		}
		for _, e := range events[:n] {
			fd := fdOf(e.Token)
			if fd == l {
				acceptOne(k, l)
				continue
			}
			if len(owed[fd]) == 0 {
				n, err := k.Read(fd, buf[:])
				if err == syscall.EAGAIN {
					continue
				}
				if n == 0 {
					k.Close(fd)
					continue
				}
				owed[fd] = append(owed[fd][:0], buf[:n]...)
			}
			sent, err := k.Write(fd, owed[fd])
			owed[fd] = owed[fd][sent:]
			switch {
			case err != nil && err != syscall.EAGAIN:
				delete(owed, fd)
				k.Close(fd)
			case len(owed[fd]) > 0:
				k.Modify(fd, poller.Out, e.Token)
			case e.Events&poller.Out != 0:
				k.Modify(fd, poller.In|poller.RdHup, e.Token)
			}
		}
	}
}

func acceptOne(k *Worker, l poller.FD) {
	fd, _, err := k.Accept(l)
	if err != nil {
		return
	}
	if err := k.Add(fd, poller.In|poller.RdHup, tokenOf(fd)); err != nil {
		k.Close(fd)
	}
}

// planned returns the source of a plan's lines, and fails the test when one of
// them decides nothing.
func planned(t *testing.T, body string) *faults.PlanSource {
	t.Helper()
	plan, err := faults.Parse("edgewise plan v1\n" + body)
	if err != nil {
		t.Fatal(err)
	}
	source := plan.Source()
	t.Cleanup(func() {
		for _, d := range source.Missed() {
			t.Errorf("deviation %q: got no choice by that name, want one", d)
		}
	})
	return source
}

// lines returns a trace with one space between words, which is easier to write
// in a test.
func lines(w *World) []string {
	var all []string
	for _, e := range w.Trace() {
		all = append(all, strings.Join(strings.Fields(e.String()), " "))
	}
	return all
}

// traceText is the trace as a person reads it.
func traceText(w *World) string {
	var b strings.Builder
	for _, e := range w.Trace() {
		b.WriteString(e.String() + "\n")
	}
	return b.String()
}

// checkGolden compares got with testdata/name, or writes it there with -update.
func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got); go test -update writes what is:\n%s", path, diff)
	}
}

// checkFindings compares the kinds of what the auditors saw, at the end of a run.
func checkFindings(t *testing.T, w *World, want ...FindingKind) {
	t.Helper()
	var got []FindingKind
	for _, f := range w.Audit() {
		got = append(got, f.Kind)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s%v\n%s", diff, w.Findings(), traceText(w))
	}
}

// elsewhere is where nobody listens.
var elsewhere = netip.MustParseAddrPort("127.0.0.1:444")
