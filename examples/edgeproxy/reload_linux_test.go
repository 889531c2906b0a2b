package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// reload makes the program read another configuration, and returns the line in
// which it says where it listens.
func (p *process) reload(config string) string {
	p.t.Helper()
	p.rewrite(config)
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		p.t.Fatalf("after %q: %v", line, err)
	}
	listening, ok := strings.CutPrefix(strings.TrimSpace(line), "edgeproxy: listening: ")
	if !ok {
		p.t.Fatalf("got the line %q, want the addresses", line)
	}
	return listening
}

// refuse makes the program read a configuration that it does not take, and returns
// why.
func (p *process) refuse(config string) string {
	p.t.Helper()
	p.rewrite(config)
	line, err := p.stderr.ReadString('\n')
	if err != nil {
		p.t.Fatalf("after %q: %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (p *process) rewrite(config string) {
	p.t.Helper()
	if err := os.WriteFile(p.config, []byte(config), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
}

// conversation is a connection whose upstream is naming, over and over.
type conversation struct {
	t *testing.T
	c net.Conn
}

// namingForever says its name for each byte.
func namingForever(t *testing.T, name string) (address string) {
	return serveTCP(t, nil, func(c net.Conn) {
		for {
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				return
			}
			io.WriteString(c, name)
		}
	})
}

func converse(t *testing.T, address string) conversation {
	t.Helper()
	c := dial(t, address)
	t.Cleanup(func() { c.Close() })
	return conversation{t, c}
}

func (c conversation) wants(name string) {
	c.t.Helper()
	got := make([]byte, len(name))
	io.WriteString(c.c, "x")
	if _, err := io.ReadFull(c.c, got); err != nil || string(got) != name {
		c.t.Errorf("got %q, %v, want %q", got, err, name)
	}
}

func (c conversation) wantsEnd() {
	c.t.Helper()
	if n, err := c.c.Read(make([]byte, 1)); err == nil || !closed(err) {
		c.t.Errorf("got %d bytes, %v, want a closed connection", n, err)
	}
}

func portOf(address string) json.Number {
	_, port, _ := net.SplitHostPort(address)
	return json.Number(port)
}

func TestReloadChangesFilterChainsInPlace(t *testing.T) {
	one, two := namingForever(t, "one"), namingForever(t, "two")
	matching := chain{"tls", `{"transport_protocol": "tls"}`, one}
	config := configFor(matching, chain{"any", "", one})
	p := start(t, config, "-drain-time", "1h")
	old := converse(t, p.address)
	old.wants("one")
	// The default chain gets another idle timeout, and another cluster.
	next := configFor(matching, chain{"any", "", two})
	next = edit(t, next, defaultChain+"filters.0.typed_config.idle_timeout", "60s")
	p.reload(next)
	old.wants("one")
	converse(t, p.address).wants("two")
	want(t, p.counters(), map[string]uint64{
		"listener_manager.listener_in_place_updated":    1,
		"listener_manager.listener_modified":            0,
		"listener_manager.total_filter_chains_draining": 1,
		"tcp.any.downstream_cx_total":                   2,
	})
	old.c.Close()
	for p.counters().Get("listener_manager.total_filter_chains_draining") != 0 {
	}
	want(t, p.counters(), map[string]uint64{"tcp.any.downstream_cx_total": 2})
}

func TestReloadOfTheSameChangesNothing(t *testing.T) {
	config := configFor(chain{"any", "", namingForever(t, "any")})
	p := start(t, config)
	before := p.counters()
	if got, want := p.reload(config), "ingress on "+p.address; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if after := p.counters(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("got counters\n%v\nwant\n%v", after, before)
	}
	p.terminate()
}

func TestReloadDrainTimeEndsConnectionsOfFilterChainsThatAreGone(t *testing.T) {
	upstream := namingForever(t, "any")
	p := start(t, configFor(chain{"any", "", upstream}), "-drain-time", "1ms")
	old := converse(t, p.address)
	old.wants("any")
	p.reload(edit(t, configFor(chain{"any", "", upstream}), defaultChain+"name", "changed"))
	old.wantsEnd()
	converse(t, p.address).wants("any")
}

func TestReloadChangesHosts(t *testing.T) {
	one, two := namingForever(t, "one"), namingForever(t, "two")
	p := start(t, configFor(chain{"any", "", one}), "-drain-time", "1ms")
	old := converse(t, p.address)
	old.wants("one")
	p.reload(configFor(chain{"any", "", two}))
	converse(t, p.address).wants("two")
	old.wants("one") // no filter chain has changed
	want(t, p.counters(), map[string]uint64{"listener_manager.listener_in_place_updated": 0, "cluster.any.upstream_cx_total": 2})
}

func TestReloadReplacesListeners(t *testing.T) {
	upstream := namingForever(t, "any")
	config := configFor(chain{"any", "", upstream})
	p := start(t, config, "-drain-time", "1h")
	old := converse(t, p.address)
	old.wants("any")
	if got, want := p.reload(edit(t, config, firstListener+"listener_filters_timeout", "7s")), "ingress on "+p.address; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	old.wants("any")
	converse(t, p.address).wants("any")
	want(t, p.counters(), map[string]uint64{"listener_manager.listener_modified": 1, "listener.ingress.downstream_cx_active": 2})
}

func TestReloadAddsAndRemovesListeners(t *testing.T) {
	upstream := namingForever(t, "any")
	config := configFor(chain{"any", "", upstream})
	p := start(t, config, "-drain-time", "1h")
	old := converse(t, p.address)
	old.wants("any")

	second := edit(t, config, firstListener+"name", "second")
	second = edit(t, second, firstListener+"stat_prefix", "second")
	both := fmt.Sprintf(`{"static_resources":{"listeners":[%s,%s],"clusters":%s}}`,
		element(t, config, "listeners"), element(t, second, "listeners"), field(t, config, "clusters"))
	_, added, ok := strings.Cut(p.reload(both), "ingress on "+p.address+", second on ")
	if !ok {
		t.Fatal("the second listener does not listen")
	}
	converse(t, added).wants("any")
	converse(t, p.address).wants("any")

	if got, want := p.reload(second), "second on "+added; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p.refused()
	old.wants("any")
	converse(t, added).wants("any")
}

// field is one field of static_resources.
func field(t *testing.T, config, name string) json.RawMessage {
	t.Helper()
	var root struct {
		Static map[string]json.RawMessage `json:"static_resources"`
	}
	if err := json.Unmarshal([]byte(config), &root); err != nil {
		t.Fatal(err)
	}
	return root.Static[name]
}

// element is the first of a list in static_resources.
func element(t *testing.T, config, name string) json.RawMessage {
	t.Helper()
	var all []json.RawMessage
	if err := json.Unmarshal(field(t, config, name), &all); err != nil {
		t.Fatal(err)
	}
	return all[0]
}

func TestReloadRenewsCertificates(t *testing.T) {
	a := newAuthority(t)
	socket := terminating(a, "old", []string{"edge.test"})
	config := edit(t, configFor(chain{"echo", "", serveTCP(t, nil, echo)}), defaultChain+"transport_socket", socket)
	p := start(t, config)
	if got, err := certificateSeen(p.address, a.client("edge.test")); got != "old" || err != nil {
		t.Errorf("got the certificate of %q, %v, want old", got, err)
	}
	p.reload(config)
	want(t, p.counters(), map[string]uint64{"listener_manager.listener_in_place_updated": 0})

	// The same file names, with something else in them.
	certificate, key := a.files("new", []string{"edge.test"})
	files := socket["typed_config"].(object)["common_tls_context"].(object)["tls_certificates"].([]object)[0]
	for from, to := range map[string]string{certificate: "certificate_chain", key: "private_key"} {
		if err := os.Rename(from, files[to].(object)["filename"].(string)); err != nil {
			t.Fatal(err)
		}
	}
	p.reload(config)
	if got, err := certificateSeen(p.address, a.client("edge.test")); got != "new" || err != nil {
		t.Errorf("got the certificate of %q, %v, want new", got, err)
	}
	want(t, p.idle(), map[string]uint64{"listener_manager.listener_in_place_updated": 1, "listener.ingress.ssl.handshake": 2})
	p.terminate()
}

func TestBadReloadIsRefused(t *testing.T) {
	one, two := namingForever(t, "one"), namingForever(t, "two")
	config := configFor(chain{"any", "", one})
	p := start(t, config, "-drain-time", "1ms")
	old := converse(t, p.address)
	old.wants("one")
	taken, err := net.Listen("tcp", "127.0.0.1:0") // without SO_REUSEPORT
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	// Everything changes in it, and one thing can not.
	other := edit(t, configFor(chain{"any", "", two}), firstListener+"listener_filters_timeout", "7s")
	second := edit(t, other, firstListener+"name", "second")
	second = edit(t, second, firstListener+"address.socket_address.port_value", portOf(taken.Addr().String()))
	impossible := fmt.Sprintf(`{"static_resources":{"listeners":[%s,%s],"clusters":%s}}`,
		element(t, other, "listeners"), element(t, second, "listeners"), field(t, other, "clusters"))
	for name, c := range map[string]struct{ config, want string }{
		"syntax": {config[:len(config)-1], p.config + fmt.Sprintf(":1:%d: unexpected end of JSON input", len(config)-1)},
		"field":  {edit(t, other, firstListener+"listener_filters_timeout", "soon"), p.config + `: static_resources.listeners[0].listener_filters_timeout: "soon": want a duration such as "15s" or "0.5s"`},
		"admin": {strings.Replace(other, "{", `{"admin":{"address":{"socket_address":{"address":"127.0.0.1","port_value":1}}},`, 1),
			"admin.address: can not change while the program runs"},
		"address": {impossible, "listener second: listen on " + taken.Addr().String() + ": address already in use"},
	} {
		if got, want := p.refuse(c.config), "edgeproxy: reload: "+c.want; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
		old.wants("one")
		converse(t, p.address).wants("one")
	}
	want(t, p.counters(), map[string]uint64{
		"listener_manager.listener_modified": 0, "listener_manager.listener_in_place_updated": 0, "listener_manager.total_listeners_active": 1})
	p.reload(configFor(chain{"any", "", two}))
	converse(t, p.address).wants("two")
}

// Connections that echo all the time, and new ones that arrive all the time, go
// through reloads of every kind. Not one of them may notice.
func TestReloadUnderLoadLosesNoConnection(t *testing.T) {
	const (
		lasting  = 20
		arriving = 4
		rounds   = 5
	)
	config := configFor(chain{"any", "", serveTCP(t, nil, echo)})
	variants := []string{
		config,
		edit(t, config, firstListener+"listener_filters_timeout", "7s"),
		edit(t, config, defaultChain+"filters.0.typed_config.idle_timeout", "60s"),
		configFor(chain{"any", "", serveTCP(t, nil, echo)}),
		configFor(chain{"any", "", serveTCP(t, nil, echo)}, chain{"tls", `{"transport_protocol": "tls"}`, refusingAddress(t)}),
		edit(t, config, firstListener+"listener_filters", []object{}),
		edit(t, config, defaultChain+"name", "renamed"),
	}
	p := start(t, config, "-drain-time", "1h")
	over := make(chan struct{})
	var clients, warm sync.WaitGroup
	message := bytes.Repeat([]byte("edge"), 256)
	// talk is one message to and fro.
	talk := func(c net.Conn) error {
		if _, err := c.Write(message); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		answer := make([]byte, len(message))
		if _, err := io.ReadFull(c, answer); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if !bytes.Equal(answer, message) {
			return errors.New("the answer is another")
		}
		return nil
	}
	again := func() bool {
		select {
		case <-over:
			return false
		default:
			return true
		}
	}
	counts := make([]int, arriving)
	for i := range lasting + arriving {
		clients.Add(1)
		warm.Add(1)
		go func() {
			warmedUp := sync.OnceFunc(warm.Done)
			defer clients.Done()
			defer warmedUp()
			for n := 0; again(); n++ {
				c, err := net.Dial("tcp", p.address)
				if err != nil {
					t.Errorf("client %d, connection %d: %v", i, n, err)
					return
				}
				for more := true; more; more = i < lasting && again() {
					if err := talk(c); err != nil {
						t.Errorf("client %d, connection %d: %v", i, n, err)
						c.Close()
						return
					}
					warmedUp()
				}
				c.Close()
				if i >= lasting {
					counts[i-lasting]++
				}
			}
		}()
	}
	warm.Wait()
	for range rounds {
		for _, variant := range variants {
			if got, want := p.reload(variant), "ingress on "+p.address; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
	close(over)
	clients.Wait()
	s := p.idle()
	if s.Get("listener_manager.listener_modified") == 0 || s.Get("listener_manager.listener_in_place_updated") == 0 {
		t.Errorf("got no replacement or no update in place\n%v", s)
	}
	want(t, s, map[string]uint64{"listener.ingress.downstream_cx_total": s.Get("listener.ingress.downstream_cx_accepted"), "tcp.any.downstream_cx_total": s.Get("listener.ingress.downstream_cx_accepted")})
	t.Logf("%d connections lasted, %v came and went", lasting, counts)
	p.terminate()
}
