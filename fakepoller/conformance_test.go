package fakepoller_test

import (
	"net/netip"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/poller"
	"edgewise.test/poller/pollertest"
)

// TestConformance runs the body that real epoll passes.
func TestConformance(t *testing.T) {
	pollertest.Run(t, newMachine, differences...)
}

// differences is the written list of where the fake is not Linux.
var differences = []pollertest.Difference{}

// machine is a fake world as the conformance body wants it.
type machine struct {
	w *fakepoller.World
	p *fakepoller.Process
}

func newMachine(t *testing.T) pollertest.World {
	w := fakepoller.New(fakepoller.Config{})
	t.Cleanup(w.Close)
	return machine{w, w.NewProcess()}
}

// Go implements [pollertest.Threads].
func (m machine) Go(f func()) { m.w.Peer("thread", func(*fakepoller.Peer) { f() }) }

func (m machine) NewSystem() (poller.System, error) { return m.p.NewWorker(), nil }
func (m machine) Settle()                           { m.w.RunFor(50 * time.Millisecond) }
func (m machine) Sleep(d time.Duration)             { m.w.RunFor(d) }
func (m machine) Loopback() netip.AddrPort          { return netip.MustParseAddrPort("127.0.0.1:0") }

func (m machine) SetNoFile(limit int) (func(), error) {
	before := m.p.NoFile()
	m.p.SetNoFile(limit)
	return func() { m.p.SetNoFile(before) }, nil
}
