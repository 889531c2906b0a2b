// Package pollertest proves that an implementation of [poller.System] behaves as
// Linux does: one case per measured row, run on real epoll and on any model of it.
//
// A case is a script. Its steps add words to a line, and the line must be the one
// that Linux gave:
//
//	[A:IN] read=4 []; new data [A:IN] read=7 []
//
// [A:IN] is one Wait that returned one event, of the socket called A, with that
// bit; [] is a Wait that returned nothing; read=EAGAIN is a call with its result;
// "bits X" is what a fresh registration for IN, OUT, PRI and RDHUP reports. Every
// step is followed by World.Settle, so a line states settled outcomes, and the
// order of the events in a batch counts. "Reset" means SO_LINGER 0 and close.
//
// An implementation runs the body from a test of its own:
//
//	func TestConformance(t *testing.T) {
//		pollertest.Run(t, func(t *testing.T) pollertest.World { return newWorld(t) })
//	}
//
// The ids are those of the table of measurements that the rows come from; the
// rows which the boundary can not express are in [NotCovered].
package pollertest

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"edgewise.test/poller"
)

// World is one machine to run a case on.
type World interface {
	// NewSystem makes a further epoll instance over the same descriptor table.
	// It may take any number of descriptors. Run releases what it makes.
	NewSystem() (poller.System, error)

	// Settle returns when everything in flight has arrived and has been answered.
	// It must not be so long that a retransmission (200 ms, SYN 1 s) happens.
	Settle()

	// Sleep lets d pass, timers of the network included.
	Sleep(d time.Duration)

	// SetNoFile sets the limit of open files to limit, so that no descriptor with
	// that number or a higher one can be made (RLIMIT_NOFILE of getrlimit(2)).
	SetNoFile(limit int) (restore func(), err error)

	// Loopback is the address to make listeners on, with port 0. Cases that are
	// about IPv4 itself are skipped when it is IPv6.
	Loopback() netip.AddrPort
}

// Difference is a case that a machine is known to answer in another way. It is
// tested like the rest: a difference that is gone must leave the list.
type Difference struct {
	ID   string
	Line string // what the machine says instead; "" when it can not run the case
	Why  string
}

// Run runs every case, each on a world of its own and one after the other, but
// for those that let seconds pass: they come last, in parallel, and -short skips
// them.
func Run(t *testing.T, newWorld func(t *testing.T) World, differences ...Difference) {
	all := allCases()
	known := map[string]Difference{}
	for _, d := range differences {
		if !slices.ContainsFunc(all, func(c testCase) bool { return c.id == d.ID }) {
			t.Errorf("difference %s (%s): there is no such case", d.ID, d.Why)
		}
		known[d.ID] = d
	}
	for _, c := range all {
		t.Run(c.id, func(t *testing.T) {
			d, differs := known[c.id]
			switch {
			case differs && d.Line == "":
				t.Skip(d.Why)
			case c.slow && testing.Short():
				t.Skip("takes seconds")
			}
			if c.slow {
				t.Parallel() // together, after all the others, which count on nobody else opening descriptors
			}
			world := newWorld(t)
			if c.ipv4 && !world.Loopback().Addr().Is4() {
				t.Skip("about IPv4")
			}
			got := runCase(t, world, c)
			switch {
			case differs && got == d.Line:
			case differs && slices.Contains(c.lines(), got):
				t.Errorf("%s\n got: %s\nthis is what Linux does, so the difference is gone: %s", c.name, got, d.Why)
			case differs:
				t.Errorf("%s\n got: %s\nwant: %s\n  as: %s", c.name, got, d.Line, d.Why)
			case !slices.Contains(c.lines(), got):
				t.Errorf("%s\n got: %s%s", c.name, got, wanted(c))
			}
		})
	}
}

// testCase is one row: a script and the line that Linux gives for it.
type testCase struct {
	id, name string
	run      func(e *env)
	want     string
	or       []string // further lines, where Linux itself varies
	slow     bool     // lets seconds pass
	ipv4     bool     // needs addresses of 127.0.0.0/8
}

func allCases() []testCase {
	return slices.Concat(controlCases(), waitCases(), edgeCases(), listenCases(), acceptCases(), connectCases(),
		dataCases(), resetCases(), closeCases(), matrixCases(), boundaryCases(), waiterCases(), foundCases())
}

func (c testCase) lines() []string {
	return append([]string{c.want}, c.or...)
}

func wanted(c testCase) string {
	text := "\nwant: " + c.want
	for _, line := range c.or {
		text += "\n  or: " + line
	}
	return text
}

func runCase(t *testing.T, world World, c testCase) string {
	e := newEnv(t, world)
	defer e.release()
	c.run(e)
	return e.line()
}
