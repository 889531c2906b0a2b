package pipeline_test

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/poller"
)

// managed is two workers under one manager, turned by hand.
type managedEnv struct {
	*env
	loops   []*pipeline.Loop
	manager *pipeline.ListenerManager
}

func newManagedEnv(t *testing.T) *managedEnv {
	w := fakepoller.New(fakepoller.Config{})
	t.Cleanup(w.Close)
	first := w.NewWorker()
	e := newEnv(t, first, w.NewProcess().NewWorker())
	m := &managedEnv{env: e, loops: []*pipeline.Loop{e.loop, pipeline.NewLoop(w.NewWorker())}}
	m.manager = pipeline.NewListenerManager(m.loops...)
	t.Cleanup(func() {
		for _, f := range w.Audit() {
			if f.Kind != fakepoller.Leak { // clients may stay open
				t.Errorf("audit: %v", f)
			}
		}
	})
	return m
}

// settle turns all loops until none has anything to do.
func (m *managedEnv) settle() {
	m.Helper()
	for range 6 {
		m.idle()
		for _, l := range m.loops {
			m.must(l.Turn(0))
			m.must(l.Turn(0))
		}
	}
}

func (m *managedEnv) spec(name string) pipeline.ManagedListener {
	return pipeline.ManagedListener{Name: name, Address: netip.MustParseAddrPort("127.0.0.1:0"), Config: func(int) *pipeline.ListenerConfig {
		cfg := echoConfig()
		return &cfg
	}}
}

// add waits until all workers have it.
func (m *managedEnv) add(spec pipeline.ManagedListener) netip.AddrPort {
	m.Helper()
	m.manager.Add(spec, func(err error) { m.must(err); m.logf("added") })
	m.settle()
	m.told("added")
	return m.manager.Address(spec.Name)
}

func (m *managedEnv) snapshot() (s pipeline.Snapshot) {
	m.Helper()
	m.manager.Snapshot(func(got pipeline.Snapshot, _ []pipeline.NamedHistogram) { s = got })
	m.settle()
	if s == nil {
		m.Fatal("no snapshot came")
	}
	if err := pipeline.CheckConservation(s); err != nil {
		m.Errorf("%v\n%v", err, s)
	}
	return s
}

func (m *managedEnv) counted(prefix, want string) {
	m.Helper()
	var got []string
	for _, s := range m.snapshot() {
		if name, ok := strings.CutPrefix(s.Name, prefix); ok && s.Value != 0 {
			got = append(got, fmt.Sprintf("%s=%d", name, s.Value))
		}
	}
	if got := strings.Join(got, " "); got != want {
		m.Errorf("counters of %s\n got %s\nwant %s", prefix, got, want)
	}
}

// wantEcho talks to a listener.
func (m *managedEnv) wantEcho(p *peer, text string) {
	m.Helper()
	p.write(text)
	m.settle()
	if got, end := p.read(); got != text || end != "" {
		m.Errorf("echo: got %q %s, want %q", got, end, text)
	}
}

func (m *managedEnv) wantEnd(p *peer, want string) {
	m.Helper()
	m.settle()
	if got, end := p.read(); got != "" || end != want {
		m.Errorf("client: got %q %s, want the end %s", got, end, want)
	}
}

func TestManagedListenerCountsUnderItsStatPrefix(t *testing.T) {
	m := newManagedEnv(t)
	spec := m.spec("a")
	spec.StatPrefix, spec.ExactBalance = "ingress", true
	client := m.dial(m.add(spec))
	m.wantEcho(client, "hello")
	for _, stat := range m.snapshot() {
		if strings.HasPrefix(stat.Name, "listener.a.") {
			t.Errorf("got the counter %s, want all of them under listener.ingress", stat.Name)
		}
	}
	m.counted("listener.ingress.downstream_cx_a", "ccepted=1 ctive=1")
	client.close()
	m.settle()
}

func TestManagerAddsDrainsAndRemoves(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared socket %v", shared), func(t *testing.T) {
			m := newManagedEnv(t)
			spec := m.spec("a")
			spec.SharedSocket = shared
			addr := m.add(spec)
			var clients []*peer
			for i := range 6 {
				clients = append(clients, m.dial(addr))
				m.settle()
				m.wantEcho(clients[i], "hello")
			}
			m.manager.Add(m.spec("a"), func(err error) { m.logf("%v", err) })
			m.told("listener a: add: there is one of this name")

			m.manager.Drain("a", time.Hour, func() { m.logf("drained") })
			m.manager.Drain("a", time.Hour, func() { m.logf("nothing to drain") })
			m.settle()
			m.told("nothing to drain")
			m.wantEcho(clients[0], "still there")
			late := m.dial(addr)
			m.wantEnd(late, "ECONNREFUSED")
			for _, p := range clients[1:] {
				p.close()
			}
			m.settle()
			m.counted("listener_manager.", "listener_added=1 listener_create_failure=1 listener_create_success=1 total_listeners_draining=1")
			clients[0].close()
			m.settle()
			m.told("drained")
			m.counted("listener_manager.", "listener_added=1 listener_create_failure=1 listener_create_success=1 listener_removed=1")
			m.counted("listener.a.", "downstream_cx_accepted=6 downstream_cx_destroy=6 downstream_cx_total=6 downstream_pre_cx_connected=6 downstream_pre_cx_total=6")

			again := m.spec("a")
			again.Address = addr
			m.add(again)
			p := m.dial(addr)
			m.settle()
			m.wantEcho(p, "again")
			m.manager.Remove("a", func() { m.logf("removed") })
			m.wantEnd(p, "EOF")
			m.told("removed")
		})
	}
}

func TestManagerLeavesNothingWhenAWorkerCanNotListen(t *testing.T) {
	m := newManagedEnv(t)
	spec := m.spec("a")
	spec.Config = func(worker int) *pipeline.ListenerConfig {
		cfg := echoConfig()
		if worker == 1 {
			cfg.FilterChains[0].FilterChainMatch.TransportProtocol = "quic"
		}
		return &cfg
	}
	m.manager.Add(spec, func(err error) { m.logf("%v", err) })
	m.settle()
	m.told(`listener a: listener 127.0.0.1:32768: filter_chains[0].filter_chain_match.transport_protocol: "quic": want "tls", "raw_buffer" or nothing`)
	m.wantEnd(m.dial(netip.MustParseAddrPort("127.0.0.1:32768")), "ECONNREFUSED")
	m.add(m.spec("a")) // the name is free
}

func TestReplaceKeepsTheQueueAndTheConnections(t *testing.T) {
	m := newManagedEnv(t)
	spec := m.spec("a")
	spec.SharedSocket = true
	spec.Address = m.add(spec)
	old := m.dial(spec.Address)
	m.settle()
	m.wantEcho(old, "old")

	m.manager.DisableListeners(nil)
	m.settle()
	queued := m.dial(spec.Address) // nobody has accepted it when the listener is replaced
	m.manager.Replace(spec, time.Minute, func(err error) { m.must(err); m.logf("replaced") })
	m.settle()
	m.told("replaced")
	m.manager.EnableListeners(nil)
	m.settle()
	m.wantEcho(queued, "queued")
	m.wantEcho(old, "goes on")
	m.counted("listener_manager.", "listener_added=1 listener_create_success=2 listener_modified=1 total_listeners_active=1 total_listeners_draining=1")
	for range 70 {
		m.peers.Wait(make([]poller.Event, 1), time.Second)
		m.settle()
	}
	m.wantEnd(old, "EOF")
	m.wantEcho(queued, "stays")
	m.counted("listener_manager.", "listener_added=1 listener_create_success=2 listener_modified=1 total_listeners_active=1")
	bad := spec
	bad.Config = func(int) *pipeline.ListenerConfig {
		return &pipeline.ListenerConfig{FilterChains: make([]pipeline.FilterChain, 2)}
	}
	m.manager.Replace(bad, 0, func(err error) { m.logf("failed %v", err != nil) })
	m.settle()
	m.told("failed true")
	m.wantEcho(queued, "untouched")
	m.wantEcho(m.dial(spec.Address), "and open")
}

func TestInPlaceUpdateKeepsEqualChainsAndDrainsOthers(t *testing.T) {
	m := newManagedEnv(t)
	chain := func(name, revision string, port uint16) pipeline.FilterChain {
		return pipeline.FilterChain{Name: name, Revision: revision, Filters: []pipeline.FilterFactory{echo.Filter},
			FilterChainMatch: pipeline.FilterChainMatch{SourcePorts: []uint16{port}}}
	}
	spec := m.spec("a")
	spec.SharedSocket = true
	ports := []uint16{5001, 5002, 5003}
	spec.Config = func(int) *pipeline.ListenerConfig {
		return &pipeline.ListenerConfig{FilterChains: []pipeline.FilterChain{chain("kept", "1", 5001), chain("changed", "1", 5002), chain("gone", "1", 5003)}}
	}
	addr := m.add(spec)
	var clients []*peer
	from := func(port uint16) *peer {
		fd, err := m.peers.Socket(poller.Inet)
		m.must(err)
		m.must(m.peers.SetSockOpt(fd, poller.SOReuseAddr, 1))
		m.must(m.peers.Bind(fd, netip.AddrPortFrom(addr.Addr(), port)))
		if err := m.peers.Connect(fd, addr); err != syscall.EINPROGRESS {
			m.Fatal(err)
		}
		m.settle()
		return &peer{m.env, fd}
	}
	for _, port := range ports {
		clients = append(clients, from(port))
	}
	update := func(chains ...pipeline.FilterChain) {
		m.manager.UpdateFilterChains("a", func(int) ([]pipeline.FilterChain, *pipeline.FilterChain) { return chains, nil }, 5*time.Second,
			func(err error) { m.logf("updated %v", err) }, func() { m.logf("drained") })
		m.settle()
	}
	update(chain("a", "", 0))
	m.told("updated listener a: filter_chains[0].filter_chain_match.source_ports[0]: 0: want a port")
	update(chain("new", "1", 5004), chain("changed", "2", 5002), chain("kept", "1", 5001))
	m.told("updated <nil>")
	for i, port := range ports {
		m.wantEcho(clients[i], fmt.Sprint("still ", port))
	}
	m.wantEcho(from(5004), "new chain")
	m.wantEnd(from(5003+10), "EOF") // no chain
	for range 6 {
		m.peers.Wait(make([]poller.Event, 1), time.Second)
		m.settle()
	}
	m.told("drained")
	m.wantEcho(clients[0], "kept")
	m.wantEnd(clients[1], "EOF")
	m.wantEnd(clients[2], "EOF")
	if got := m.snapshot().Get("listener_manager.listener_in_place_updated"); got != 1 {
		m.Errorf("listener_in_place_updated: got %d, want 1", got)
	}
}

func TestExactBalanceGivesEachWorkerItsShare(t *testing.T) {
	m := newManagedEnv(t)
	spec := m.spec("a")
	spec.SharedSocket, spec.ExactBalance = true, true
	addr := m.add(spec)
	perWorker := [2]int{}
	for i := range 10 {
		p := m.dial(addr)
		// Only the first worker accepts.
		for range 3 {
			m.must(m.loops[0].Turn(0))
		}
		m.settle()
		m.wantEcho(p, "x")
		if i == 4 {
			p.close() // the next one goes to the worker that has lost one
			m.settle()
		}
	}
	s := m.snapshot()
	perWorker[1] = int(s.Get("listener.a.downstream_cx_taken_over"))
	perWorker[0] = 10 - perWorker[1]
	if perWorker[0] < 5 || perWorker[0] > 6 {
		m.Errorf("connections per worker: got %v, want 5 or 6 on the first", perWorker)
	}
	m.manager.Remove("a", nil)
	m.settle()
	if err := pipeline.CheckEnded(m.snapshot()); err != nil {
		m.Error(err)
	}
}

// envoy PR 8422: the listener goes while a socket is on its way to it.
func TestSocketOnItsWayToARemovedListenerIsClosedAndCounted(t *testing.T) {
	m := newManagedEnv(t)
	limit := pipeline.NewLimit(10)
	spec := m.spec("a")
	spec.SharedSocket, spec.ExactBalance = true, true
	spec.Config = func(int) *pipeline.ListenerConfig {
		cfg := echoConfig()
		cfg.GlobalConnectionLimit = limit
		return &cfg
	}
	addr := m.add(spec)
	m.dial(addr)
	m.must(m.loops[0].Turn(0)) // stays on the first worker
	second := m.dial(addr)
	// Before the first worker accepts, the second has the removal in its queue.
	m.manager.Remove("a", func() { m.logf("removed") })
	m.must(m.loops[0].Turn(0)) // accepts and posts, then removes, and tells the second
	m.wantEnd(second, "EOF")
	m.told("removed")
	s := m.snapshot()
	if err := pipeline.CheckEnded(s); err != nil {
		m.Errorf("%v\n%v", err, s)
	}
	if limit.Used() != 0 {
		m.Errorf("global units: got %d in use, want 0", limit.Used())
	}
}

func TestRestoredAddressChoosesTheListener(t *testing.T) {
	m := newManagedEnv(t)
	var target netip.AddrPort
	restore := func() pipeline.ListenerFilter { return &restoring{to: &target} }
	spec := m.spec("redirected")
	spec.SharedSocket = true
	limit := pipeline.NewLimit(10)
	spec.Config = func(int) *pipeline.ListenerConfig {
		return &pipeline.ListenerConfig{UseOriginalDst: true, ConnectionLimit: 1, GlobalConnectionLimit: limit,
			ListenerFilters: []pipeline.ListenerFilterFactory{restore},
			FilterChains:    []pipeline.FilterChain{{Name: "own", Filters: []pipeline.FilterFactory{closing}}}}
	}
	addr := m.add(spec)
	for _, name := range []string{"exact", "wildcard"} {
		s := m.spec(name)
		s.NoBind = true
		s.Config = func(int) *pipeline.ListenerConfig {
			cfg := echoConfig()
			cfg.ConnectionLimit = 1
			return &cfg
		}
		s.Address = map[string]netip.AddrPort{"exact": netip.MustParseAddrPort("192.0.2.1:80"), "wildcard": netip.MustParseAddrPort("0.0.0.0:80")}[name]
		m.add(s)
	}
	for _, c := range []struct{ to, want string }{{"192.0.2.1:80", "exact"}, {"192.0.2.2:80", "wildcard"}, {"[::ffff:192.0.2.1]:80", "exact"}, {"192.0.2.2:81", ""}} {
		target = netip.MustParseAddrPort(c.to)
		p := m.dial(addr)
		m.settle()
		if c.want == "" {
			m.wantEnd(p, "EOF")
			continue
		}
		m.wantEcho(p, c.want)
		p.close()
		m.settle()
	}
	m.counted("listener.redirected.", "downstream_cx_accepted=4 downstream_cx_destroy=1 downstream_cx_total=1 downstream_pre_cx_connected=1 downstream_pre_cx_handed_off=3 downstream_pre_cx_total=4")
	m.counted("listener.exact.", "downstream_cx_destroy=2 downstream_cx_handed_in=2 downstream_cx_total=2 downstream_pre_cx_connected=2 downstream_pre_cx_total=2")
	m.manager.Stop("exact", nil)
	target = netip.MustParseAddrPort("192.0.2.1:80")
	m.settle()
	m.wantEcho(m.dial(addr), "a listener that has stopped does not count")
	m.counted("listener.wildcard.", "downstream_cx_active=1 downstream_cx_destroy=1 downstream_cx_handed_in=2 downstream_cx_total=2 downstream_pre_cx_connected=2 downstream_pre_cx_total=2")
	m.wantEnd(m.dial(addr), "EOF") // the limit of who gets it
	if got := m.snapshot().Get("listener.wildcard.downstream_cx_overflow"); got != 1 {
		m.Errorf("downstream_cx_overflow of the listener that is handed a socket: got %d, want 1", got)
	}
	if limit.Used() != 1 {
		m.Errorf("global units: got %d, want 1", limit.Used())
	}
}

type restoring struct{ to *netip.AddrPort }

func (f *restoring) OnAccept(cb pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	cb.Socket().Info().RestoreLocalAddress(*f.to)
	return pipeline.Continue
}
func (f *restoring) OnData(*pipeline.ListenerFilterBuffer) pipeline.FilterStatus {
	return pipeline.Continue
}
func (f *restoring) OnClose()          {}
func (f *restoring) MaxReadBytes() int { return 0 }

// closing is a filter that closes its connection.
func closing(c *pipeline.Connection) {
	c.AddReadFilter(newConnectionFunc(func() pipeline.FilterStatus {
		c.Close(pipeline.NoFlush)
		return pipeline.StopIteration
	}))
}

func TestDisabledManagerDisablesListenersToCome(t *testing.T) {
	m := newManagedEnv(t)
	a := m.add(m.spec("a"))
	m.manager.DisableListeners(func() { m.logf("disabled") })
	m.settle()
	m.told("disabled")
	b := m.add(m.spec("b"))
	bypass := m.spec("c")
	bypass.Config = func(int) *pipeline.ListenerConfig {
		cfg := echoConfig()
		cfg.BypassOverloadManager = true
		return &cfg
	}
	c := m.add(bypass)
	onA, onB, onC := m.dial(a), m.dial(b), m.dial(c)
	for _, p := range []*peer{onA, onB} {
		p.write("x")
		m.settle()
		if got, end := p.read(); got != "" || end != "" {
			m.Errorf("a disabled listener: got %q %s, want nothing", got, end)
		}
	}
	m.wantEcho(onC, "bypass")
	// envoy #13514: an action over a listener that has stopped
	m.manager.Stop("b", nil)
	m.manager.EnableListeners(func() { m.logf("enabled") })
	m.settle()
	m.told("enabled")
	if got, _ := onA.read(); got != "x" {
		m.Errorf("enabled: got %q, want x", got)
	}
	m.wantEnd(onB, "ECONNRESET")
}
