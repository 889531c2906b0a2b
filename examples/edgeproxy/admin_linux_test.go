package main

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"edgewise.test/pipeline"
)

// startWithAdmin is start of a program with an admin interface.
func startWithAdmin(t *testing.T, config string, flags ...string) (p *process, address string) {
	t.Helper()
	p = start(t, edit(t, config, "admin", object{"address": object{"socket_address": object{"port_value": 0}}}), flags...)
	line, _ := p.stdout.ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "edgeproxy: admin on ")
	if !ok {
		t.Fatalf("got the line %q, want the address of the admin interface", line)
	}
	return p, address
}

// ask makes one request to the admin interface.
func ask(t *testing.T, method, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}).Do(request)
	if err != nil {
		t.Errorf("%s %s: %v", method, url, err)
		return 0, ""
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("%s %s: %v", method, url, err)
	}
	return response.StatusCode, string(got)
}

func TestAdmin(t *testing.T) {
	p, address := startWithAdmin(t, configFor(chain{"any", "", namingForever(t, "any")}), "-drain-time", "1h")
	c := converse(t, p.address)
	c.wants("any")
	for _, a := range []struct {
		method, path string
		status       int
		want         []string // lines
	}{
		{"GET", "/stats", 200, []string{"cluster.any.upstream_cx_active: 1", "listener.ingress.downstream_cx_total: 1",
			"listener_manager.total_listeners_active: 1", "listener.ingress.downstream_cx_length_ms: count 0 sum 0"}},
		{"GET", "/stats/prometheus", 200, []string{
			"# TYPE envoy_listener_downstream_cx_total counter", `envoy_listener_downstream_cx_total{envoy_listener_address="ingress"} 1`,
			`envoy_cluster_upstream_cx_active{envoy_cluster_name="any"} 1`, "# TYPE envoy_listener_downstream_cx_length_ms histogram"}},
		{"GET", "/listeners", 200, []string{"ingress::" + p.address}},
		{"GET", "/healthz", 200, []string{"ok"}},
		{"POST", "/stats", 405, nil},
		{"GET", "/quitquitquit", 404, nil},
	} {
		status, body := ask(t, a.method, "http://"+address+a.path)
		if status != a.status {
			t.Errorf("%s %s: got %d %q, want %d", a.method, a.path, status, body, a.status)
		}
		for _, line := range a.want {
			if !strings.Contains("\n"+body, "\n"+line+"\n") {
				t.Errorf("%s %s: got\n%s\nwant the line %s", a.method, a.path, body, line)
			}
		}
	}
	p.signal(syscall.SIGTERM)
	p.refused()
	if status, body := ask(t, "GET", "http://"+address+"/healthz"); status != 503 || body != "draining\n" {
		t.Errorf("draining: got %d %q, want 503", status, body)
	}
	if status, _ := ask(t, "GET", "http://"+address+"/stats"); status != 200 {
		t.Errorf("draining: got %d for /stats, want 200", status)
	}
	c.c.Close()
	if status, stderr := p.exit(); status != exitOK || stderr != "" {
		t.Errorf("got status %d and %q, want %d and nothing", status, stderr, exitOK)
	}
}

// Questions come from other goroutines than those of the workers, also during
// reloads, and the answers obey the laws of counting.
func TestAdminUnderLoadAndReloads(t *testing.T) {
	config := configFor(chain{"any", "", naming(t, "any")})
	p, address := startWithAdmin(t, config, "-drain-time", "1ms")
	over := make(chan struct{})
	var busy sync.WaitGroup
	until := func(f func()) {
		busy.Add(1)
		go func() {
			defer busy.Done()
			for {
				select {
				case <-over:
					return
				default:
					f()
				}
			}
		}()
	}
	until(func() {
		if got := nameBehind(t, p.address, "GET "); got != "" && got[0] != 'a' {
			t.Errorf("got %q, want the name or a closed connection", got)
		}
	})
	for _, path := range []string{"/stats", "/listeners", "/stats/prometheus"} {
		until(func() {
			status, body := ask(t, "GET", "http://"+address+path)
			if status != 200 {
				t.Errorf("%s: got %d %q, want 200", path, status, body)
			}
			if path != "/stats" {
				return
			}
			var s pipeline.Snapshot
			for line := range strings.Lines(body) {
				if stat, ok := parseStat(line); ok {
					s = append(s, stat)
				}
			}
			if err := pipeline.CheckConservation(s); err != nil || len(s) == 0 {
				t.Errorf("%v\n%s", err, body)
			}
		})
	}
	admin := object{"address": object{"socket_address": object{"port_value": 0}}}
	for i := range 20 {
		variant := edit(t, config, "admin", admin)
		if i%2 == 1 {
			variant = edit(t, variant, defaultChain+"name", "renamed")
		}
		if i%3 == 1 {
			variant = edit(t, variant, firstListener+"listener_filters_timeout", "7s")
		}
		p.reload(variant)
	}
	close(over)
	busy.Wait()
	p.idle()
	p.terminate()
}

func TestNoAdminUnlessConfigured(t *testing.T) {
	p := start(t, configFor(chain{"any", "", namingForever(t, "any")}))
	p.signal(syscall.SIGTERM)
	if rest, err := io.ReadAll(p.stdout); len(rest) != 0 || err != nil {
		t.Errorf("got %q, %v, want nothing behind the addresses", rest, err)
	}
	p.exit()
}
