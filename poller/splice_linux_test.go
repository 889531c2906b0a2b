package poller

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

var _ Splicer = (*Epoll)(nil)

// stream is a connection of two sockets of the test.
type stream struct{ client, server FD }

func newStream(t *testing.T, e *Epoll) stream {
	t.Helper()
	l, err := ListenTCP(e, netip.MustParseAddrPort("127.0.0.1:0"), ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(l)
	addr, err := e.LocalAddr(l)
	if err != nil {
		t.Fatal(err)
	}
	var s stream
	if s.client, err = e.Socket(Inet); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(s.client) })
	if err := e.Connect(s.client, addr); err != nil && err != syscall.EINPROGRESS {
		t.Fatal(err)
	}
	eventually(t, func() (err error) {
		s.server, _, err = e.Accept(l)
		return err
	})
	t.Cleanup(func() { e.Close(s.server) })
	return s
}

// eventually repeats f while it says EAGAIN: loopback delivers a little later.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	for range 5000 {
		err := f()
		if err == nil {
			return
		}
		if err != syscall.EAGAIN {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("got EAGAIN for 5 s")
}

func randomBytes(n int) []byte {
	random := rand.NewChaCha8([32]byte{1})
	p := make([]byte, n)
	random.Read(p)
	return p
}

func TestSpliceMovesBytesAndTellsTheEnd(t *testing.T) {
	e := newEpoll(t)
	from, to := newStream(t, e), newStream(t, e)
	rest := make([]byte, 64<<10)
	if moved, kept, err := e.Splice(to.server, from.server, rest); moved != 0 || kept != 0 || err != syscall.EAGAIN {
		t.Fatalf("nothing queued: got %d, %d, %v, want EAGAIN", moved, kept, err)
	}
	want := randomBytes(10_000)
	if n, err := e.Write(from.client, want); n != len(want) || err != nil {
		t.Fatal(n, err)
	}
	moved := 0
	eventually(t, func() error {
		n, kept, err := e.Splice(to.server, from.server, rest[:7000])
		if kept > 0 || n > 7000 {
			t.Fatalf("got %d moved and %d kept, want at most 7000 and 0", n, kept)
		}
		if moved += n; err == nil && moved < len(want) {
			return syscall.EAGAIN
		}
		return err
	})
	got := make([]byte, len(want)+1)
	n := 0
	eventually(t, func() error {
		m, err := e.Read(to.client, got[n:])
		if n += m; err == nil && n < len(want) {
			return syscall.EAGAIN
		}
		return err
	})
	if !bytes.Equal(got[:n], want) {
		t.Errorf("got %d bytes, other than the %d that were written", n, len(want))
	}
	e.Shutdown(from.client, ShutWrite)
	eventually(t, func() error {
		moved, kept, err := e.Splice(to.server, from.server, rest)
		if err == nil && moved+kept > 0 {
			t.Fatalf("at the end: got %d, %d", moved, kept)
		}
		return err
	})
}

func TestSpliceKeepsWhatAFullStreamDoesNotTake(t *testing.T) {
	e := newEpoll(t)
	from, to := newStream(t, e), newStream(t, e)
	want := randomBytes(32 << 20) // more than all buffers
	rest := make([]byte, 64<<10)
	written := 0
	got := make([]byte, 0, len(want))
	var waiting []byte // for to, in order
	keeps := 0
	for deadline := time.Now().Add(30 * time.Second); len(got) < len(want) && time.Now().Before(deadline); {
		if n, err := e.Write(from.client, want[written:]); err == nil {
			written += n
		}
		if len(waiting) > 0 {
			if n, err := e.Write(to.server, waiting); err == nil {
				waiting = waiting[n:]
			}
		}
		if len(waiting) == 0 {
			if _, kept, err := e.Splice(to.server, from.server, rest); err == nil && kept > 0 {
				waiting = bytes.Clone(rest[:kept])
				keeps++
			}
		}
		if keeps > 0 { // else nothing would be full
			buf := make([]byte, 1<<20)
			if n, err := e.Read(to.client, buf); err == nil {
				got = append(got, buf[:n]...)
			}
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, want the same %d as were written", len(got), len(want))
	}
	if keeps == 0 {
		t.Error("nothing was kept, so the test shows nothing")
	}
}

func TestSpliceToABrokenStreamLosesNothing(t *testing.T) {
	e := newEpoll(t)
	from, to := newStream(t, e), newStream(t, e)
	e.Shutdown(to.server, ShutWrite)
	want := randomBytes(5000)
	if n, err := e.Write(from.client, want); n != len(want) || err != nil {
		t.Fatal(n, err)
	}
	rest := make([]byte, 64<<10)
	eventually(t, func() error {
		moved, kept, err := e.Splice(to.server, from.server, rest)
		if err == nil && (moved != 0 || !bytes.Equal(rest[:kept], want[:kept]) || kept == 0) {
			t.Fatalf("got %d moved and %d kept, want 0 and all", moved, kept)
		}
		return err
	})
	if _, err := e.Write(to.server, rest[:1]); err != syscall.EPIPE {
		t.Errorf("the next write: got %v, want EPIPE", err)
	}
}

func TestReleaseClosesThePipeOfSplice(t *testing.T) {
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := open()
	e, err := NewEpoll()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.Splice(-1, -1, make([]byte, 1)); err != syscall.EBADF {
		t.Errorf("no descriptors: got %v, want EBADF", err)
	}
	e.Release()
	if after := open(); after != before {
		t.Errorf("open files: got %d, want the %d of before", after, before)
	}
	if _, _, err := e.Splice(-1, -1, make([]byte, 1)); err != syscall.EBADF {
		t.Errorf("after Release: got %v, want EBADF", err)
	}
}

func TestSpliceDoesNotAllocate(t *testing.T) {
	e := newEpoll(t)
	from, to := newStream(t, e), newStream(t, e)
	rest := make([]byte, 4096)
	if allocs := testing.AllocsPerRun(100, func() {
		e.Write(from.client, rest[:100])
		e.Splice(to.server, from.server, rest)
		e.Read(to.client, rest)
	}); allocs != 0 {
		t.Errorf("got %v allocations, want 0", allocs)
	}
}
