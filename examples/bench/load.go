package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// result is what the load generator has done (see c/load.c).
type result map[string]int64

// load is a running generator.
type load struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr bytes.Buffer
}

// startLoad starts the generator in a mode against a server: count connections at
// most, for limit at most.
func (b *bench) startLoad(p *process, mode string, count int, limit time.Duration, n int) (*load, error) {
	program := "load"
	if strings.HasPrefix(mode, "tls-") {
		program = "tlsload"
	}
	l := &load{cmd: exec.Command("taskset", "-c", strconv.Itoa(loadCPU), b.paths[program], mode, strconv.Itoa(p.port), b.hello,
		strconv.Itoa(count), fmt.Sprint(limit.Seconds()), strconv.Itoa(n))}
	l.cmd.Stderr = &l.stderr
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if l.stdin, err = l.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.stdout = bufio.NewReader(stdout)
	if err := l.cmd.Start(); err != nil {
		return nil, err
	}
	// Nothing takes as long as this: a server that hangs must not hang us.
	time.AfterFunc(limit+20*time.Second, func() { l.cmd.Process.Kill() })
	return l, nil
}

// await waits until the generator says word.
func (l *load) await(word string) error {
	line, err := l.stdout.ReadString('\n')
	if err != nil || strings.TrimSpace(line) != word {
		l.cmd.Process.Kill()
		l.cmd.Wait()
		return fmt.Errorf("load said %q, want %q: %s", line, word, &l.stderr)
	}
	return nil
}

// proceed lets a generator go on that has said its word.
func (l *load) proceed() { io.WriteString(l.stdin, "\n") }

// wait returns the result.
func (l *load) wait() (result, error) {
	line, _ := l.stdout.ReadString('\n')
	if err := l.cmd.Wait(); err != nil {
		return nil, fmt.Errorf("load: %w: %s", err, &l.stderr)
	}
	r := result{}
	for _, pair := range strings.Fields(line) {
		name, value, _ := strings.Cut(pair, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("load: result %q: %w", pair, err)
		}
		r[name] = n
	}
	return r, nil
}

// load runs a generator that needs nobody.
func (b *bench) load(p *process, mode string, count int, limit time.Duration, n int) (result, error) {
	l, err := b.startLoad(p, mode, count, limit, n)
	if err != nil {
		return nil, err
	}
	return l.wait()
}
