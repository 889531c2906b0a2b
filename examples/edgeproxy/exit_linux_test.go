package main

import (
	"bytes"
	"errors"
	"net"
	"os/exec"
	"strings"
	"testing"
)

func TestExitStatus(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0") // without SO_REUSEPORT
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	config := configFor(chain{"any", "", taken.Addr().String()})
	good := writeFile(t, "good.json", config)
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	inUse := writeFile(t, "in-use.json", strings.Replace(config, `"port_value":0`, `"port_value":`+port, 1))
	bad := writeFile(t, "bad.json", `{"static_resources": {"listener": []}}`)
	missing := good + ".not"

	for _, c := range []struct {
		args   []string
		status int
		stdout string
		stderr string // its first line
	}{
		{[]string{"-config", good, "-check"}, exitOK, good + ": OK\n", ""},
		{[]string{"-h"}, exitOK, "", "Usage of edgeproxy:"},
		{[]string{"-config", inUse}, exitError, "",
			"edgeproxy: listener ingress: listen on " + taken.Addr().String() + ": address already in use"},
		{[]string{"-config", bad}, exitUsage, "", bad + ": static_resources.listener: unknown field (known: listeners, clusters)"},
		{[]string{"-config", bad, "-check"}, exitUsage, "", bad + ": static_resources.listener: unknown field (known: listeners, clusters)"},
		{[]string{"-config", missing}, exitUsage, "", "open " + missing + ": no such file or directory"},
		{nil, exitUsage, "", "edgeproxy: -config is missing"},
		{[]string{"-config", good, "more"}, exitUsage, "", `edgeproxy: unexpected argument "more"`},
		{[]string{"-config", good, "-workers", "0"}, exitUsage, "", "edgeproxy: -workers 0: want 1 or more"},
		{[]string{"-config", good, "-drain-time", "-1s"}, exitUsage, "", "edgeproxy: -drain-time -1s: want 0 or more"},
		{[]string{"-config", good, "-drain-time", "10"}, exitUsage, "",
			`invalid value "10" for flag -drain-time: parse error`},
		{[]string{"-verbose"}, exitUsage, "", "flag provided but not defined: -verbose"},
	} {
		cmd := command(t, c.args...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(stderr.String(), "\n")
		if got := cmd.ProcessState.ExitCode(); got != c.status || stdout.String() != c.stdout || line != c.stderr {
			t.Errorf("edgeproxy %q:\ngot  status %d, %q, %q\nwant status %d, %q, %q", c.args, got, &stdout, line, c.status, c.stdout, c.stderr)
		}
	}
}

func TestSampleIsChecked(t *testing.T) {
	cmd := command(t, "-check", "-config", "edgeproxy.json")
	if output, err := cmd.CombinedOutput(); err != nil || string(output) != "edgeproxy.json: OK\n" {
		t.Errorf("got %q, %v, want OK", output, err)
	}
}
