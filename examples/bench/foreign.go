package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// quietWindow is how long the machine has to be quiet before a measurement.
const quietWindow = 120 * time.Millisecond

// usage is what has been used up to a moment.
type usage struct {
	at         time.Time
	all, known time.Duration
}

// usage counts everything (proc_stat(5), stolen time included), and of that our
// servers, ourselves, and the threads of the kernel, which do the work that we make.
// Load generators are counted when they have ended.
func (b *bench) usage() usage {
	u := usage{at: time.Now(), all: busy()}
	for _, p := range b.servers {
		u.known += p.cpu()
	}
	for _, who := range [...]int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		syscall.Getrusage(who, &r)
		u.known += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	u.known += kernelThreads()
	return u
}

// kernelThreads is what they have used, all together (children of kthreadd).
func kernelThreads() (used time.Duration) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		stat, _ := os.ReadFile("/proc/" + e.Name() + "/stat")
		_, rest, _ := strings.Cut(string(stat), ") ") // names have blanks
		if f := strings.Fields(rest); len(f) < 2 || f[1] != "2" {
			continue
		}
		sched, _ := os.ReadFile("/proc/" + e.Name() + "/schedstat")
		if f := strings.Fields(string(sched)); len(f) > 0 {
			n, _ := strconv.ParseInt(f[0], 10, 64)
			used += time.Duration(n)
		}
	}
	return used
}

// foreignSince is how much others have used since u, in cores.
func (b *bench) foreignSince(u usage) float64 {
	now := b.usage()
	foreign := (now.all - u.all) - (now.known - u.known)
	return max(0, foreign.Seconds()/now.at.Sub(u.at).Seconds())
}

// awaitQuiet waits for others to be quiet, not for ever.
func (b *bench) awaitQuiet() {
	for range 50 {
		u := b.usage()
		time.Sleep(quietWindow)
		if b.foreignSince(u) <= b.foreign {
			return
		}
	}
}

// busy is the time that all cores together were not idle.
func busy() time.Duration {
	const (
		perSecond = 100 // USER_HZ
		idle      = 3
		iowait    = 4
		fields    = 8 // up to steal; guests are in user
	)
	data, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(data), "\n")
	var ticks int64
	for i, f := range strings.Fields(line)[1:] {
		if n, err := strconv.ParseInt(f, 10, 64); err == nil && i < fields && i != idle && i != iowait {
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / perSecond
}
