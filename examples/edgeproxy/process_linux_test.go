package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgewise.test/pipeline"
)

// patience ends a test that would never end. Nothing depends on its length.
const patience = time.Minute

// The test binary is also the program, so that it has what the tests were built
// with, such as -race.
const beTheProgram = "EDGEPROXY_BE_THE_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(beTheProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// command is the program, not started.
func command(t *testing.T, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), beTheProgram+"=1")
	return cmd
}

// process is the program with a configuration of one listener.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string // where it listens
	config  string // the file
	stdout  *bufio.Reader
	stderr  *bufio.Reader
}

// start runs the program with three workers, and returns when it listens.
func start(t *testing.T, config string, flags ...string) *process {
	t.Helper()
	file := writeFile(t, "edgeproxy.json", config)
	cmd := command(t, append([]string{"-workers", "3", "-config", file}, flags...)...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, config: file, stdout: bufio.NewReader(stdout), stderr: bufio.NewReader(stderr)}
	t.Cleanup(p.kill)
	line, _ := p.stdout.ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "edgeproxy: listening: ingress on ")
	if !ok {
		t.Fatalf("got the line %q, want the address", line)
	}
	p.address = address
	return p
}

func (p *process) kill() {
	if p.cmd.ProcessState != nil {
		return
	}
	p.cmd.Process.Kill()
	rest, _ := io.ReadAll(p.stderr)
	p.cmd.Wait()
	if p.t.Failed() {
		p.t.Logf("stderr: %s", rest)
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// counters are what the program writes when it is asked with SIGUSR1.
func (p *process) counters() pipeline.Snapshot {
	p.t.Helper()
	p.signal(syscall.SIGUSR1)
	var s pipeline.Snapshot
	for {
		line, err := p.stderr.ReadString('\n')
		if err != nil {
			p.t.Fatalf("after %q: %v", line, err)
		}
		if line == "\n" {
			break
		}
		stat, ok := parseStat(line)
		if !ok {
			p.t.Fatalf("got the line %q, want name: value", line)
		}
		if n := len(s); n > 0 && s[n-1].Name >= stat.Name {
			p.t.Fatalf("got %s behind %s, want them sorted", stat.Name, s[n-1].Name)
		}
		s = append(s, stat)
	}
	if err := pipeline.CheckConservation(s); err != nil {
		p.t.Errorf("%v\n%v", err, s)
	}
	return s
}

// parseStat reads a line "name: value".
func parseStat(line string) (stat pipeline.Stat, ok bool) {
	name, number, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
	value, err := strconv.ParseUint(number, 10, 64)
	return pipeline.Stat{Name: name, Value: value}, err == nil
}

// idle returns the counters once no connection is left.
func (p *process) idle() pipeline.Snapshot {
	p.t.Helper()
	for {
		s := p.counters()
		if pipeline.CheckEnded(s) == nil || p.t.Failed() {
			return s
		}
	}
}

// exit waits for the end.
func (p *process) exit() (status int, stderr string) {
	p.t.Helper()
	rest, _ := io.ReadAll(p.stderr)
	if err := p.cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode(), string(rest)
}

// terminate ends a program that has nothing to wait for, and checks that it says so.
func (p *process) terminate() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if status, stderr := p.exit(); status != exitOK || stderr != "" {
		p.t.Errorf("after SIGTERM: got status %d and %q, want %d and nothing", status, stderr, exitOK)
	}
}

// refused returns when nobody listens on the address any more.
func (p *process) refused() {
	p.t.Helper()
	for {
		c, err := net.Dial("tcp", p.address)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if err == nil {
			c.Close()
		}
	}
}

// want checks some counters.
func want(t *testing.T, s pipeline.Snapshot, values map[string]uint64) {
	t.Helper()
	for name, value := range values {
		if got := s.Get(name); got != value {
			t.Errorf("%s: got %d, want %d\n%v", name, got, value, s)
		}
	}
}

// chain is a filter chain with a cluster of its own, both called name.
type chain struct {
	name     string
	match    string // JSON; empty makes it the default chain
	upstream string
}

type object = map[string]any

// configFor is a configuration with one listener, called ingress, that inspects TLS.
func configFor(chains ...chain) string {
	socketAddress := func(address string) object {
		host, port, _ := net.SplitHostPort(address)
		return object{"socket_address": object{"address": host, "port_value": json.Number(port)}}
	}
	listener := object{
		"name": "ingress", "stat_prefix": "ingress", "address": socketAddress("127.0.0.1:0"),
		"listener_filters": []object{configured(tlsInspector, nil)},
	}
	var matching, clusters []object
	for _, c := range chains {
		filterChain := object{"name": c.name, "filters": []object{
			configured(tcpProxy, object{"stat_prefix": c.name, "cluster": c.name})}}
		if c.match == "" {
			listener["default_filter_chain"] = filterChain
		} else {
			filterChain["filter_chain_match"] = json.RawMessage(c.match)
			matching = append(matching, filterChain)
		}
		endpoint := object{"endpoint": object{"address": socketAddress(c.upstream)}}
		clusters = append(clusters, object{"name": c.name, "load_assignment": object{
			"cluster_name": c.name, "endpoints": []object{{"lb_endpoints": []object{endpoint}}}}})
	}
	if matching != nil {
		listener["filter_chains"] = matching
	}
	config, err := json.Marshal(object{"static_resources": object{"listeners": []object{listener}, "clusters": clusters}})
	if err != nil {
		panic(fmt.Sprintf("configFor(%v): %v", chains, err))
	}
	return string(config)
}

// configured is an extension with the fields of its configuration.
func configured(e extension, fields object) object {
	config := object{"@type": e.typeURL()}
	maps.Copy(config, fields)
	return object{"name": e.name, "typed_config": config}
}

// Paths in what configFor returns.
const (
	firstListener   = "static_resources.listeners.0."
	firstChain      = firstListener + "filter_chains.0."
	defaultChain    = firstListener + "default_filter_chain."
	firstCluster    = "static_resources.clusters.0."
	upstreamPort    = firstCluster + "load_assignment.endpoints.0.lb_endpoints.0.endpoint.address.socket_address.port_value"
	listenerFilters = firstListener + "listener_filters"
)

// edit is config with the value at a path of fields and indices set.
func edit(t *testing.T, config, path string, value any) string {
	t.Helper()
	var root any
	if err := json.Unmarshal([]byte(config), &root); err != nil {
		t.Fatal(err)
	}
	at, steps := root, strings.Split(path, ".")
	for i, step := range steps {
		switch in := at.(type) {
		case object:
			if i == len(steps)-1 {
				in[step] = value
			}
			at = in[step]
		case []any:
			index, err := strconv.Atoi(step)
			if err != nil || index >= len(in) {
				t.Fatalf("%s: got %q, want an index below %d", path, step, len(in))
			}
			if i == len(steps)-1 {
				in[index] = value
			}
			at = in[index]
		default:
			t.Fatalf("%s: there is nothing at %q", path, step)
		}
	}
	edited, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return string(edited)
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
