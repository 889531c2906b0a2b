package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// tools are the programs that there are, by name.
type tools struct {
	dir   string
	paths map[string]string
}

// cPrograms and goPrograms are what build makes.
var (
	cPrograms  = []string{"accept", "proxy", "echo", "load"}
	goPrograms = map[string]string{
		"edgewise": "./subject/edgewise", "edgeproxy": "edgewise.test/examples/edgeproxy",
		"tlsload": "./tlsload", "gonet": "./subject/gonet", "gnet": "./subject/gnet", "netpoll": "./subject/netpoll",
	}
	optional = []string{"haproxy", "nginx", "strace"}
)

// build puts programs into dir. Without the C programs and ours there is nothing to
// compare; other things may be missing.
func (t *tools) build(dir string) error {
	t.dir, t.paths = dir, map[string]string{}
	for _, name := range cPrograms {
		t.paths[name] = filepath.Join(dir, name)
		if out, err := exec.Command("gcc", "-O2", "-Wall", "-o", t.paths[name], filepath.Join("c", name+".c")).CombinedOutput(); err != nil {
			return fmt.Errorf("build %s (apt-get install gcc libc6-dev): %w\n%s", name, err, out)
		}
	}
	for name, pkg := range goPrograms {
		path := filepath.Join(dir, name+".bin")
		out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput()
		switch {
		case err == nil:
			t.paths[name] = path
		case name == "edgewise" || name == "edgeproxy" || name == "tlsload":
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		default:
			log.Printf("SKIPPED: %s does not build: %s", name, out)
		}
	}
	for _, name := range optional {
		path, err := exec.LookPath(name)
		if err != nil {
			path, err = exec.LookPath("/usr/sbin/" + name)
		}
		if err != nil {
			log.Printf("SKIPPED: %s is missing (apt-get install %s)", name, name)
			continue
		}
		t.paths[name] = path
	}
	if _, err := os.Stat(nginxStream); err != nil && t.paths["nginx"] != "" {
		log.Printf("SKIPPED: nginx has no stream module (apt-get install libnginx-mod-stream)")
		delete(t.paths, "nginx")
	}
	return nil
}

// machine describes where the figures come from.
func (t *tools) machine() string {
	var name unix.Utsname
	unix.Uname(&name)
	parts := []string{
		fmt.Sprintf("%s, %d CPUs", field("/proc/cpuinfo", "model name"), runtime.NumCPU()),
		"Linux " + unix.ByteSliceToString(name.Release[:]), runtime.Version(),
		firstLine("gcc", "--version"),
	}
	if cc, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control"); err == nil {
		parts[1] += ", " + strings.TrimSpace(string(cc))
	}
	if path := t.paths["haproxy"]; path != "" {
		parts = append(parts, firstLine(path, "-v"))
	}
	if path := t.paths["nginx"]; path != "" {
		parts = append(parts, firstLine(path, "-v"))
	}
	return strings.Join(parts, "; ")
}

// field is the value in the first line "key : value".
func field(file, key string) string {
	data, _ := os.ReadFile(file)
	for line := range strings.Lines(string(data)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return "unknown " + key
}

func firstLine(command string, args ...string) string {
	out, _ := exec.Command(command, args...).CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	line, _, _ = strings.Cut(line, " - ")
	return line
}
