package faults_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/poller"
	"edgewise.test/poller/pollertest"
)

// calmWorld runs the conformance body on a wrapped worker with a calm source.
type calmWorld struct {
	w *fakepoller.World
	p *fakepoller.Process
}

func (c calmWorld) NewSystem() (poller.System, error) {
	return faults.Wrap(c.p.NewWorker(), faults.Calm, faults.WrapOptions{}), nil
}
func (c calmWorld) Settle()                  { c.w.RunFor(50 * time.Millisecond) }
func (c calmWorld) Sleep(d time.Duration)    { c.w.RunFor(d) }
func (c calmWorld) Loopback() netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:0") }
func (c calmWorld) SetNoFile(limit int) (func(), error) {
	before := c.p.NoFile()
	c.p.SetNoFile(limit)
	return func() { c.p.SetNoFile(before) }, nil
}

// Wrapped with a calm source a kernel is what it was.
func TestWrapCalmConforms(t *testing.T) {
	pollertest.Run(t, func(t *testing.T) pollertest.World {
		w := fakepoller.New(fakepoller.Config{})
		t.Cleanup(w.Close)
		return calmWorld{w, w.NewProcess()}
	})
}

// systems are the kernels to wrap: a calm fake, and the real one where there is.
func systems(t *testing.T, body func(t *testing.T, k, peers poller.System)) {
	t.Run("fake", func(t *testing.T) {
		w := fakepoller.New(fakepoller.Config{})
		t.Cleanup(w.Close)
		body(t, w.NewWorker(), w.NewProcess().NewWorker())
	})
	t.Run("real", func(t *testing.T) {
		k, err := poller.Open()
		if err == syscall.ENOSYS {
			t.Skip("no epoll here")
		}
		if err != nil {
			t.Fatal(err)
		}
		peers, err := poller.Open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { k.Release(); peers.Release() })
		body(t, k, peers)
	})
}

// echoed takes data through an edge-triggered echo server on k and returns what
// came back, and the accept errors on the way.
func echoed(t *testing.T, k, peers poller.System, data []byte) (back []byte, refused int) {
	t.Helper()
	l, err := poller.ListenTCP(k, netip.MustParseAddrPort("127.0.0.1:0"), poller.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	addr, err := k.LocalAddr(l)
	if err != nil {
		t.Fatal(err)
	}
	client, err := peers.Socket(poller.Inet)
	if err != nil {
		t.Fatal(err)
	}
	if err := peers.Connect(client, addr); err != syscall.EINPROGRESS {
		t.Fatal(err)
	}
	if err := k.Add(l, poller.In, 1); err != nil {
		t.Fatal(err)
	}
	var events [4]poller.Event
	var conn poller.FD = -1
	var pending []byte
	buffer, sent, answer := make([]byte, 64), false, make([]byte, 4096)
	for turn := 0; len(back) < len(data) && turn < 2000; turn++ {
		n, err := k.Wait(events[:], 5*time.Millisecond)
		if err != nil && err != syscall.EINTR {
			t.Fatal(err)
		}
		for _, e := range events[:n] {
			if e.Token == 1 {
				fd, _, err := k.Accept(l)
				if err != nil {
					refused++
					continue
				}
				conn = fd
				if err := k.Add(conn, poller.In|poller.Out|poller.RdHup|poller.EdgeTriggered, 2); err != nil {
					t.Fatal(err)
				}
				continue
			}
			for {
				n, err := k.Read(conn, buffer)
				if err != nil || n == 0 {
					break
				}
				pending = append(pending, buffer[:n]...)
			}
			for len(pending) > 0 {
				n, err := k.Write(conn, pending)
				pending = pending[n:]
				if err != nil {
					break
				}
			}
		}
		if !sent {
			n, err := peers.Write(client, data)
			sent = n == len(data)
			if !sent && err != syscall.EAGAIN {
				t.Fatalf("write: %d, %v", n, err)
			}
		}
		if n, err := peers.Read(client, answer); err == nil {
			back = append(back, answer[:n]...)
		}
	}
	peers.Close(client)
	k.Close(conn)
	k.Close(l)
	return back, refused
}

func TestWrapKeepsTheContractOfEdges(t *testing.T) {
	data := []byte("an edge-triggered server reads until EAGAIN and writes until EAGAIN, and trusts both")
	systems(t, func(t *testing.T, k, peers poller.System) {
		for seed := range uint64(60) {
			recorder := &faults.Recorder{Source: faults.Seed(seed, faults.Profile{})}
			back, _ := echoed(t, faults.Wrap(k, recorder, faults.WrapOptions{}), peers, data)
			if !bytes.Equal(back, data) {
				t.Fatalf("seed %d: got %q, want all of it\n%s", seed, back, recorder.Plan())
			}
		}
	})
}

// The plan of a fake world does the same to real sockets.
func TestWrapFollowsPlans(t *testing.T) {
	plan, err := faults.Parse(`edgewise plan v1
listener 1 accept 1..2: EMFILE
conn 1 segment 1: 3 bytes
conn 1 server room 1: 1 byte
worker 1 interrupt 2: EINTR
`)
	if err != nil {
		t.Fatal(err)
	}
	systems(t, func(t *testing.T, k, peers poller.System) {
		source := plan.Source()
		back, refused := echoed(t, faults.Wrap(k, source, faults.WrapOptions{}), peers, []byte("hello"))
		if string(back) != "hello" || refused != 2 {
			t.Errorf("got %q and %d refused accepts, want hello and 2", back, refused)
		}
		if missed := source.Missed(); len(missed) > 0 {
			t.Errorf("not met: %v", missed)
		}
	})
}

func TestWrapSleeps(t *testing.T) {
	plan, err := faults.Parse("edgewise plan v1\nworker 1 wake 1: 40ms\nworker 1 pause 2: 1ms\n")
	if err != nil {
		t.Fatal(err)
	}
	systems(t, func(t *testing.T, k, peers poller.System) {
		var slept []time.Duration
		source := plan.Source()
		wrapped := faults.Wrap(k, source, faults.WrapOptions{Sleep: func(d time.Duration) { slept = append(slept, d) }})
		if back, _ := echoed(t, wrapped, peers, []byte("hello")); string(back) != "hello" {
			t.Errorf("got %q", back)
		}
		if got, want := fmt.Sprint(slept), "[40ms 1ms]"; got != want {
			t.Errorf("slept %s, want %s", got, want)
		}
	})
}
