package fakepoller

import (
	"syscall"
	"time"

	"edgewise.test/poller"
)

// Process is a descriptor table with a limit. Workers of one process share it.
type Process struct {
	w      *World
	index  int
	fds    []file
	lowest int // no free number below it
	limit  int
	closed []int // step at which a number was closed last

	view view

	lastClosed   poller.FD
	lastClosedAt time.Duration
}

// stdio is how many numbers are taken before a program opens anything.
const stdio = 3

// NewProcess adds a process with an empty descriptor table. A new world has one
// already, which [World.NewWorker] uses.
func (w *World) NewProcess() *Process {
	p := &Process{w: w, index: len(w.processes) + 1, limit: w.cfg.NoFile, lowest: stdio}
	p.fds, p.closed = make([]file, 0, someFDs), make([]int, 0, someFDs)
	w.processes = append(w.processes, p)
	return p
}

// someFDs are enough for a small world.
const someFDs = 16

// SetNoFile changes RLIMIT_NOFILE: new numbers stay below it. What is open stays.
func (p *Process) SetNoFile(limit int) { p.limit = limit }

// NoFile returns RLIMIT_NOFILE.
func (p *Process) NoFile() int { return p.limit }

// free returns the lowest free number, or EMFILE.
func (p *Process) free() (poller.FD, error) {
	for p.lowest < len(p.fds) && p.fds[p.lowest] != nil {
		p.lowest++
	}
	if p.lowest >= p.limit {
		return -1, syscall.EMFILE
	}
	return poller.FD(p.lowest), nil
}

// install puts f on fd, which free has just returned.
func (p *Process) install(fd poller.FD, f file) {
	for int(fd) >= len(p.fds) {
		p.fds = append(p.fds, nil)
		p.closed = append(p.closed, 0)
	}
	if p.closed[fd] != 0 && fd == p.lastClosed && p.lastClosedAt == p.w.now {
		p.w.reach(NumberReused)
	}
	p.fds[fd] = f
	b := f.base()
	b.refs++
	b.opened, b.openedAt = p.w.steps, p.w.now
}

// Pass gives to a further descriptor for what fd of p is, as SCM_RIGHTS does
// (unix(7)): a listener that is handed over keeps its queue while either is open.
// EBADF or EMFILE.
func (p *Process) Pass(fd poller.FD, to *Process) (poller.FD, error) {
	f := p.get(fd)
	if f == nil {
		return -1, syscall.EBADF
	}
	got, err := to.free()
	if err != nil {
		return -1, err
	}
	to.install(got, f)
	return got, nil
}

func (p *Process) get(fd poller.FD) file {
	if fd < 0 || int(fd) >= len(p.fds) {
		return nil
	}
	return p.fds[fd]
}

func (p *Process) close(fd poller.FD) {
	f := p.fds[fd]
	p.fds[fd] = nil
	p.closed[fd] = p.w.steps
	p.lastClosed, p.lastClosedAt = fd, p.w.now
	p.lowest = min(p.lowest, int(fd))
	deref(p.w, f)
}
