package poller_test

import (
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"edgewise.test/poller"
	"edgewise.test/poller/pollertest"
)

func TestConformanceIPv4(t *testing.T) {
	pollertest.Run(t, func(t *testing.T) pollertest.World { return newRealWorld(t, "127.0.0.1") })
}

func TestConformanceIPv6(t *testing.T) {
	pollertest.Run(t, func(t *testing.T) pollertest.World { return newRealWorld(t, "::1") })
}

// realWorld is this machine. It keeps the test's thread on one processor, where
// loopback packets are processed in the order of sending: a message of our own,
// sent after the step of a case, arrives after everything that the step sent.
type realWorld struct {
	t              *testing.T
	loopback       netip.AddrPort
	sys            poller.System
	client, server poller.FD // a connection that only Settle uses
}

func newRealWorld(t *testing.T, ip string) *realWorld {
	t.Helper()
	pin(t)
	sys, err := poller.Open()
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	w := &realWorld{t: t, sys: sys, loopback: netip.AddrPortFrom(netip.MustParseAddr(ip), 0)}
	listener, err := poller.ListenTCP(sys, w.loopback, poller.ListenConfig{})
	if err == syscall.EADDRNOTAVAIL || err == syscall.EAFNOSUPPORT {
		t.Skipf("no %s here: %v", ip, err)
	}
	w.must(err)
	addr, err := sys.LocalAddr(listener)
	w.must(err)
	w.client, err = sys.Socket(poller.DomainOf(addr.Addr()))
	w.must(err)
	if err := sys.Connect(w.client, addr); err != syscall.EINPROGRESS {
		t.Fatalf("Connect: %v", err)
	}
	w.await(listener)
	w.server, _, err = sys.Accept(listener)
	w.must(err)
	w.must(sys.Close(listener))
	t.Cleanup(func() {
		sys.Close(w.client)
		sys.Close(w.server)
		sys.Release()
	})
	return w
}

// Go implements [pollertest.Threads].
func (w *realWorld) Go(f func()) { go f() }

// pin binds the goroutine to its thread and the thread to one processor.
func pin(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatalf("sched_getaffinity: %v", err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if before.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatalf("sched_setaffinity: %v", err)
	}
	t.Cleanup(func() {
		unix.SchedSetaffinity(0, &before)
		runtime.UnlockOSThread()
	})
}

func (w *realWorld) NewSystem() (poller.System, error) { return poller.Open() }
func (w *realWorld) Loopback() netip.AddrPort          { return w.loopback }
func (w *realWorld) Sleep(d time.Duration)             { time.Sleep(d) }

// Settle sends a message there and back, twice: longer than any exchange that a
// single step of a case can cause (a segment, its answer, the answer to that).
func (w *realWorld) Settle() {
	var b [1]byte
	for range 2 {
		for _, way := range [][2]poller.FD{{w.client, w.server}, {w.server, w.client}} {
			_, err := w.sys.Write(way[0], b[:])
			w.must(err)
			_, err = w.sys.Read(way[1], b[:])
			for err == syscall.EAGAIN {
				w.await(way[1])
				_, err = w.sys.Read(way[1], b[:])
			}
			w.must(err)
		}
	}
}

func (w *realWorld) SetNoFile(limit int) (restore func(), err error) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		return nil, err
	}
	after := before
	after.Cur = uint64(limit)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &after); err != nil {
		return nil, err
	}
	return func() { w.must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)) }, nil
}

// await blocks until fd is readable.
func (w *realWorld) await(fd poller.FD) {
	w.must(w.sys.Add(fd, poller.In, 0))
	var batch [1]poller.Event
	_, err := w.sys.Wait(batch[:], 10*time.Second)
	w.must(err)
	w.must(w.sys.Remove(fd))
}

func (w *realWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("the world of the test: %v", err)
	}
}
