package fakepoller

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"edgewise.test/poller"
	"github.com/google/go-cmp/cmp"
)

// accepted returns a world in the test's hand: a worker, its end of a connection
// and the client's.
func accepted(t testing.TB, cfg Config) (w *World, k *Worker, fd poller.FD, c *Conn) {
	t.Helper()
	w = New(cfg)
	t.Cleanup(w.Close)
	k = w.NewWorker()
	l := listen(t, k, poller.ListenConfig{})
	c, err := w.Hand("client").Dial(addr)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	if fd, _, err = k.Accept(l); err != nil {
		t.Fatalf("accept: %v", err)
	}
	return w, k, fd, c
}

// TestAuditors runs each auditor against a program with the mistake that it looks
// for, and against its good twin.
func TestAuditors(t *testing.T) {
	var events [4]poller.Event
	type program func(w *World, k *Worker, fd poller.FD, c *Conn)
	tests := []struct {
		kind      FindingKind
		why       string
		bad, good program
		want      string // of the finding's text
	}{
		{
			kind: Leak, why: "a socket stays open",
			bad:  func(_ *World, k *Worker, fd poller.FD, c *Conn) { c.Close() },
			good: func(_ *World, k *Worker, fd poller.FD, c *Conn) { c.Close(); k.Close(fd) },
			want: "fd 6 (conn 1 server) is still open; it was opened at step 7",
		},
		{
			kind: Leak, why: "a duplicate stays open",
			bad:  func(_ *World, k *Worker, fd poller.FD, c *Conn) { k.Dup(fd); k.Close(fd) },
			good: func(_ *World, k *Worker, fd poller.FD, c *Conn) { d, _ := k.Dup(fd); k.Close(fd); k.Close(d) },
			want: "fd 7 (conn 1 server) is still open; it was opened at step 8",
		},
		{
			kind: DoubleClose, why: "a number is closed twice",
			bad: func(_ *World, k *Worker, fd poller.FD, c *Conn) { k.Close(fd); k.Close(fd) },
			good: func(_ *World, k *Worker, fd poller.FD, c *Conn) {
				k.Close(fd)
				k.Socket(poller.Inet) // takes the number
				k.Close(fd)
			},
			want: "worker 1: close of fd 6, which was closed at step 8",
		},
		{
			kind: UseAfterClose, why: "a closed number is written to",
			bad:  func(_ *World, k *Worker, fd poller.FD, c *Conn) { k.Close(fd); k.Write(fd, []byte("x")) },
			good: func(_ *World, k *Worker, fd poller.FD, c *Conn) { k.Write(fd, []byte("x")); k.Close(fd) },
			want: "worker 1: write of fd 6, which was closed at step 8",
		},
		{
			kind: UseAfterClose, why: "a closed number is registered",
			bad:  func(_ *World, k *Worker, fd poller.FD, c *Conn) { k.Close(fd); k.Remove(fd) },
			good: func(_ *World, k *Worker, fd poller.FD, c *Conn) { k.Add(fd, poller.In, 1); k.Remove(fd); k.Close(fd) },
			want: "worker 1: remove of fd 6, which was closed at step 8",
		},
		{
			kind: Spin, why: "readable bytes are only peeked at",
			bad: func(_ *World, k *Worker, fd poller.FD, c *Conn) {
				k.Add(fd, poller.In, tokenOf(fd))
				c.Write([]byte("x"))
				for range 2 * spinLimit {
					if _, err := k.Wait(events[:], -1); err != nil {
						break
					}
					k.Peek(fd, make([]byte, 1))
				}
				k.Close(fd)
			},
			good: func(_ *World, k *Worker, fd poller.FD, c *Conn) {
				k.Add(fd, poller.In, tokenOf(fd))
				for range 2 * spinLimit {
					c.Write([]byte("x"))
					k.Wait(events[:], -1)
					k.Read(fd, make([]byte, 1))
				}
				k.Close(fd)
			},
			want: "fd 6 (conn 1 server) was reported 100 times at 0s with IN and nothing was done about it",
		},
		{
			kind: Spin, why: "OUT stays on with nothing to write",
			bad: func(_ *World, k *Worker, fd poller.FD, c *Conn) {
				k.Add(fd, poller.Out, tokenOf(fd))
				for range spinLimit {
					k.Wait(events[:], -1)
				}
				k.Close(fd)
			},
			good: func(w *World, k *Worker, fd poller.FD, c *Conn) {
				k.Add(fd, poller.Out, tokenOf(fd))
				for range 2 * spinLimit {
					k.Wait(events[:], -1)
					w.RunFor(time.Millisecond) // a poll in a ticker's pace is no spin
				}
				k.Close(fd)
			},
			want: "fd 6 (conn 1 server) was reported 100 times at 0s with OUT and nothing was done about it",
		},
		{
			kind: Spin, why: "OUT is registered anew after each report",
			bad: func(_ *World, k *Worker, fd poller.FD, c *Conn) {
				for range 2 * spinLimit {
					k.Add(fd, poller.Out, tokenOf(fd))
					if _, err := k.Wait(events[:], -1); err != nil {
						break
					}
					k.Remove(fd)
				}
				k.Close(fd)
			},
			good: func(_ *World, k *Worker, fd poller.FD, c *Conn) {
				for range 2 * spinLimit {
					k.Add(fd, poller.Out, tokenOf(fd))
					k.Wait(events[:], -1)
					k.Write(fd, []byte("x"))
					c.Read(make([]byte, 1))
					k.Remove(fd)
				}
				k.Close(fd)
			},
			want: "fd 6 (conn 1 server) was reported 100 times at 0s with OUT and nothing was done about it",
		},
		{
			kind: Spin, why: "accept fails at the descriptor limit and the listener stays on",
			bad: func(w *World, k *Worker, fd poller.FD, c *Conn) {
				k.p.SetNoFile(7)
				w.Hand("second").Dial(addr)
				for {
					if _, err := k.Wait(events[:], -1); err != nil {
						break
					}
					k.Accept(5)
				}
				k.Close(fd)
			},
			good: func(w *World, k *Worker, fd poller.FD, c *Conn) {
				k.p.SetNoFile(7)
				w.Hand("second").Dial(addr)
				for range 2 * spinLimit {
					k.Wait(events[:], 0)
					if _, _, err := k.Accept(5); err == syscall.EMFILE {
						k.Modify(5, 0, tokenOf(5)) // rests until there is a number
					}
				}
				k.Close(fd)
			},
			want: "fd 5 (listener 1) was reported 100 times at 0s with IN and nothing was done about it",
		},
		{
			kind: Deadlock, why: "a worker waits for ever and nobody is left",
			bad:  func(_ *World, k *Worker, fd poller.FD, c *Conn) { k.Wait(events[:], -1); k.Close(fd) },
			good: func(_ *World, k *Worker, fd poller.FD, c *Conn) { k.Wait(events[:], time.Hour); k.Close(fd) },
			want: "worker 1 waits and nothing can ever happen",
		},
		{
			kind: Deadlock, why: "a peer reads what nobody sends",
			bad: func(w *World, k *Worker, fd poller.FD, c *Conn) {
				w.Peer("second", func(p *Peer) {
					c, _ := p.Dial(addr)
					c.Read(make([]byte, 1))
				})
				w.Run()
				k.Close(fd)
			},
			good: func(w *World, k *Worker, fd poller.FD, c *Conn) {
				w.Peer("second", func(p *Peer) {
					c, _ := p.Dial(addr)
					c.SetReadDeadline(Epoch.Add(time.Minute))
					c.Read(make([]byte, 1))
				})
				w.Run()
				k.Close(fd)
			},
			want: "second waits for ever in read since step 9",
		},
		{
			kind: Endless, why: "two peers talk without end",
			bad: func(w *World, k *Worker, fd poller.FD, c *Conn) {
				k.Close(fd)
				w.Peer("talker", func(p *Peer) {
					for {
						p.Sleep(time.Millisecond)
					}
				})
				w.Run()
			},
			good: func(w *World, k *Worker, fd poller.FD, c *Conn) {
				k.Close(fd)
				w.Peer("talker", func(p *Peer) {
					for range 100 {
						p.Sleep(time.Millisecond)
					}
				})
				w.Run()
			},
			want: "the run did not end by itself",
		},
		{
			kind: Panic, why: "an actor indexes out of range",
			bad: func(w *World, k *Worker, fd poller.FD, c *Conn) {
				k.Close(fd)
				w.Peer("clumsy", func(p *Peer) { _ = events[len(p.name)] })
				w.Run()
			},
			good: func(w *World, k *Worker, fd poller.FD, c *Conn) {
				k.Close(fd)
				w.Peer("deft", func(p *Peer) { _ = events[0] })
				w.Run()
			},
			want: "clumsy: runtime error: index out of range [6] with length 4",
		},
	}
	for _, test := range tests {
		t.Run(string(test.kind)+" when "+test.why, func(t *testing.T) {
			run := func(p program) []Finding {
				w, k, fd, c := accepted(t, Config{MaxSteps: 5000})
				p(w, k, fd, c)
				return w.Audit()
			}
			var got []string
			for _, f := range run(test.bad) {
				got = append(got, f.String())
			}
			if diff := cmp.Diff([]string{string(test.kind) + ": " + test.want}, got); diff != "" {
				t.Errorf("bad program (-want +got):\n%s", diff)
			}
			if got := run(test.good); len(got) != 0 {
				t.Errorf("good twin: got %v, want no finding", got)
			}
		})
	}
}

// TestSpinningActorIsTakenOut: the others go on.
func TestSpinningActorIsTakenOut(t *testing.T) {
	w, k, fd, c := accepted(t, Config{Trace: true})
	k.Add(fd, poller.In, tokenOf(fd))
	c.Write([]byte("x"))
	returned := false
	k.Go(func() {
		var events [1]poller.Event
		for range 10 * spinLimit {
			k.Wait(events[:], -1)
		}
		returned = true
	})
	sleeper := w.Peer("sleeper", func(p *Peer) { p.Sleep(time.Second) })
	w.Run()
	if returned || !sleeper.Done() || w.Now() != time.Second {
		t.Errorf("got spinner done %t, sleeper done %t at %s, want false, true, 1s", returned, sleeper.Done(), w.Now())
	}
	checkFindings(t, w, Spin, Leak)
}

// TestFindingNamesItsMoment: a finding tells the instant, the call and, of a
// panic, the stack.
func TestFindingNamesItsMoment(t *testing.T) {
	w := New(Config{})
	defer w.Close()
	w.Peer("clumsy", func(p *Peer) {
		p.Sleep(time.Second)
		panic("oops")
	})
	w.Run()
	f := w.Findings()
	if len(f) != 1 || f[0].Kind != Panic || f[0].At != time.Second || f[0].Step != 1 || f[0].Text != "clumsy: oops" {
		t.Fatalf("got %+v, want a panic of clumsy at 1s in step 1", f)
	}
	if !strings.Contains(f[0].Stack, "TestFindingNamesItsMoment") {
		t.Errorf("stack: got\n%s\nwant the panicking function in it", f[0].Stack)
	}
	f[0].Text = "changed"
	if got := w.Findings()[0].Text; got != "clumsy: oops" {
		t.Errorf("findings after the caller wrote into them: got %q, want them untouched", got)
	}
}

// TestOtherActorsSurviveAPanic: what the panicking peer had open is closed.
func TestOtherActorsSurviveAPanic(t *testing.T) {
	w := New(Config{Trace: true})
	defer w.Close()
	k := w.NewWorker()
	l := listen(t, k, poller.ListenConfig{})
	k.Go(func() { echo(k, l) })
	w.Peer("clumsy", func(p *Peer) {
		for range 3 {
			p.Dial(addr)
		}
		panic("oops")
	})
	w.Run()
	checkFindings(t, w, Panic)
}

// TestWaitingServerIsNoDeadlock: a peer may wait for somebody to connect, and a
// worker for events, after everything is over.
func TestWaitingServerIsNoDeadlock(t *testing.T) {
	w := New(Config{Trace: true})
	defer w.Close()
	k := w.NewWorker()
	k.Go(func() { k.Wait(make([]poller.Event, 1), -1) })
	w.Peer("server", func(p *Peer) {
		l, _ := p.Listen(addr)
		l.Accept()
	})
	w.Run()
	checkFindings(t, w)
}
