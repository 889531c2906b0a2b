package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A browser brings what other clients do not: GREASE, a ClientHello that may be of
// several segments, connections that it opens before it needs them.
func TestChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes its time")
	}
	browser := "chromium"
	if _, err := exec.LookPath(browser); err != nil {
		browser = "google-chrome"
	}
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(profile) }) // helpers of the browser may still write: not t.TempDir
	_, p := edge(t)
	for _, name := range []string{"edge", "pass"} {
		output, err := client(t, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server",
			"--disable-background-networking", "--user-data-dir="+profile, "--ignore-certificate-errors",
			"--host-resolver-rules=MAP "+name+".test "+p.address, "--dump-dom", "https://"+name+".test/")
		if want := name + ": HTTP/2.0 for " + name + ".test"; !strings.Contains(output, want) || err != nil {
			t.Errorf("%s: got %v and %s\nwant %q in it", name, err, output, want)
		}
	}
	s := p.idle()
	for _, cluster := range []string{"edge", "pass"} {
		if s.Get("cluster."+cluster+".upstream_cx_total") == 0 {
			t.Errorf("got no connection to %s\n%v", cluster, s)
		}
	}
	want(t, s, map[string]uint64{"listener.ingress.no_filter_chain_match": 0})
	p.terminate()
}
