package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The core of the servers, and that of the load generator and the upstream.
const (
	serverCPU = 0
	loadCPU   = 1
)

// process is a server that listens on port of the loopback interface.
type process struct {
	subject *subject
	cmd     *exec.Cmd
	pid     int // of the server: not that of cmd under strace
	port    int
	stderr  *bytes.Buffer
}

// startServer returns when the server listens. wrap goes before its command.
func (b *bench) startServer(s *subject, cpu, upstream int, wrap ...string) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args, err := s.command(b, port, upstream)
	if err != nil {
		return nil, err
	}
	args = slices.Concat([]string{"taskset", "-c", strconv.Itoa(cpu)}, wrap, args)
	p := &process{subject: s, cmd: exec.Command(args[0], args[1:]...), port: port, stderr: &bytes.Buffer{}}
	p.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	p.cmd.Stderr = p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	p.pid = p.cmd.Process.Pid
	b.servers = append(b.servers, p)
	for range 400 {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
			if len(wrap) > 0 {
				if p.pid, err = onlyChild(p.pid); err != nil {
					return nil, err
				}
			}
			return p, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.stop(p)
	return nil, fmt.Errorf("start %s: it does not listen\n%s", s.name, p.stderr)
}

// stop ends the server and waits for it.
func (b *bench) stop(p *process) {
	syscall.Kill(p.pid, syscall.SIGKILL)
	p.cmd.Wait()
	b.servers = slices.DeleteFunc(b.servers, func(q *process) bool { return p == q })
}

func (b *bench) stopAll() {
	for _, p := range slices.Clone(b.servers) {
		b.stop(p)
	}
}

// cpu is what the process has used, exactly (clock_getcpuclockid(3)).
func (p *process) cpu() time.Duration {
	const sched = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.pid<<3|sched), &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// rss is the resident memory in bytes (proc(5), statm).
func (p *process) rss() int {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid))
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return pages * os.Getpagesize()
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func onlyChild(pid int) (int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
}
