package fakepoller_test

import (
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"edgewise.test/poller"
	"edgewise.test/poller/pollertest"
)

// kernel is this machine as a world for random sequences. The thread stays on one
// processor, where loopback packets are processed in the order of sending.
type kernel struct {
	t              *testing.T
	sys            poller.System
	client, server poller.FD     // a connection that only Settle uses
	pause          time.Duration // a further sleep in Settle
	hasty          int           // differences that went away by waiting
}

var _ pollertest.World = (*kernel)(nil)

func newKernel(t *testing.T) *kernel {
	t.Helper()
	pin(t)
	sys, err := poller.Open()
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	k := &kernel{t: t, sys: sys}
	listener, err := poller.ListenTCP(sys, k.Loopback(), poller.ListenConfig{})
	k.must(err)
	addr, err := sys.LocalAddr(listener)
	k.must(err)
	k.client, err = sys.Socket(poller.Inet)
	k.must(err)
	if err := sys.Connect(k.client, addr); err != syscall.EINPROGRESS {
		k.must(err)
	}
	k.await(listener)
	k.server, _, err = sys.Accept(listener)
	k.must(err)
	k.must(sys.Close(listener))
	t.Cleanup(func() {
		sys.Close(k.client)
		sys.Close(k.server)
		sys.Release()
	})
	return k
}

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

func (k *kernel) NewSystem() (poller.System, error) { return poller.Open() }
func (k *kernel) Loopback() netip.AddrPort          { return netip.MustParseAddrPort("127.0.0.1:0") }
func (k *kernel) Sleep(d time.Duration)             { time.Sleep(d) }

// settleFDs is how far up descriptors are looked for whose FIN is not acknowledged:
// beyond all that a sequence opens.
const settleFDs = 128

// finTime is longer than an acknowledgement is delayed (TCP_DELACK_MIN, 40 ms).
const finTime = 60 * time.Millisecond

// Settle lets everything arrive that is on its way: a message there and back is
// behind it in the one queue of the processor. What remains is the delayed
// acknowledgement of a FIN, an edge of its own (ET-29): TCP_QUICKACK sends it at
// once, except on behalf of a connection that is not accepted yet, for which it
// has to wait.
func (k *kernel) Settle() {
	k.roundTrip()
	if k.closing() {
		k.roundTrip()
		for end := time.Now().Add(finTime); k.closing() && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		k.roundTrip()
	}
	if k.pause > 0 {
		time.Sleep(k.pause)
	}
}

func (k *kernel) roundTrip() {
	var b [1]byte
	for _, way := range [][2]poller.FD{{k.client, k.server}, {k.server, k.client}} {
		_, err := k.sys.Write(way[0], b[:])
		k.must(err)
		_, err = k.sys.Read(way[1], b[:])
		for err == syscall.EAGAIN {
			k.await(way[1])
			_, err = k.sys.Read(way[1], b[:])
		}
		k.must(err)
	}
}

// Two of the states of tcp_info(7).
const (
	finWait1  = 4
	closeWait = 8
)

// closing tells whether a FIN is not acknowledged, and has the receivers of FINs
// acknowledge them.
func (k *kernel) closing() bool {
	waits := false
	for fd := range settleFDs {
		switch tcpStateOf(fd) {
		case finWait1:
			waits = true
		case closeWait:
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
		}
	}
	return waits
}

// tcpStateOf is the first byte of TCP_INFO, or 0.
func tcpStateOf(fd int) byte {
	var state byte
	size := uint32(1)
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&state)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return state
}

func (k *kernel) SetNoFile(limit int) (restore func(), err error) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		return nil, err
	}
	after := before
	after.Cur = uint64(limit)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &after); err != nil {
		return nil, err
	}
	return func() { k.must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)) }, nil
}

// await blocks until fd is readable.
func (k *kernel) await(fd poller.FD) {
	k.must(k.sys.Add(fd, poller.In, 0))
	var batch [1]poller.Event
	_, err := k.sys.Wait(batch[:], 10*time.Second)
	k.must(err)
	k.must(k.sys.Remove(fd))
}

func (k *kernel) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatalf("the world of the test: %v", err)
	}
}

// release is the kernel's release and machine, as uname(2) says.
func release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "?"
	}
	return unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
}
