package fakepoller

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"syscall"
	"testing"
	"time"

	"edgewise.test/faults"
	"edgewise.test/poller"
	"pgregory.net/rapid"
)

// TestQueueIsASlice: the ring does what a slice of bytes would do.
func TestQueueIsASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var model []byte
		next := byte(0)
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				p := make([]byte, rapid.IntRange(0, 700).Draw(t, "n"))
				for i := range p {
					p[i] = next
					next++
				}
				q.write(p)
				model = append(model, p...)
			},
			"discard": func(t *rapid.T) {
				n := rapid.IntRange(0, len(model)).Draw(t, "n")
				q.discard(n)
				model = model[n:]
			},
			"truncate": func(t *rapid.T) {
				n := rapid.IntRange(0, len(model)).Draw(t, "n")
				q.truncate(n)
				model = model[:n]
			},
			"": func(t *rapid.T) {
				got := make([]byte, q.n)
				q.peek(got)
				if !bytes.Equal(got, model) {
					t.Fatalf("got %d bytes %v, want %d bytes %v", len(got), got, len(model), model)
				}
			},
		})
	})
}

// fireLog is a firer that writes down who fired.
type fireLog struct{ fired_ *[]*timer }

func (l fireLog) fired(t *timer) { *l.fired_ = append(*l.fired_, t) }

// TestTimersFireInOrder: by instant, and in the order of arming among equals,
// whatever was disarmed or armed again.
func TestTimersFireInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := New(Config{})
		var fired []*timer
		all := make([]timer, 12)
		var model []*timer // armed, in the order of arming
		for i := range all {
			all[i].fire = fireLog{&fired}
		}
		for range rapid.IntRange(0, 40).Draw(t, "operations") {
			x := &all[rapid.IntRange(0, len(all)-1).Draw(t, "timer")]
			model = slices.DeleteFunc(model, func(y *timer) bool { return x == y })
			if rapid.Bool().Draw(t, "arm") {
				w.timers.arm(x, time.Duration(rapid.IntRange(0, 5).Draw(t, "at")))
				model = append(model, x)
			} else {
				w.timers.disarm(x)
			}
		}
		slices.SortStableFunc(model, func(a, b *timer) int { return int(a.at - b.at) })
		w.Run()
		if !slices.Equal(fired, model) {
			t.Fatalf("got %v, want %v", describeTimers(fired), describeTimers(model))
		}
	})
}

func describeTimers(all []*timer) (s []string) {
	for _, x := range all {
		s = append(s, fmt.Sprintf("%s #%d", x.at, x.order))
	}
	return s
}

// TestDescriptorsAreTheLowestFree: in each process for itself, below its limit.
func TestDescriptorsAreTheLowestFree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := New(Config{NoFile: 16})
		defer w.Close()
		processes := []*Worker{w.NewWorker(), w.NewProcess().NewWorker()}
		open := make([][16]bool, len(processes))
		for i := range open {
			for fd := range 5 { // 0 to 2, epoll and eventfd
				open[i][fd] = true
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			i := rapid.IntRange(0, 1).Draw(t, "process")
			k, numbers := processes[i], &open[i]
			want := slices.Index(numbers[:k.p.NoFile()], false)
			switch rapid.IntRange(0, 3).Draw(t, "operation") {
			case 0, 1:
				fd, err := k.Socket(poller.Inet)
				if int(fd) != want || (want < 0) != (err == syscall.EMFILE) {
					t.Fatalf("socket: got %d, %v, want %d (-1: EMFILE)", fd, err, want)
				}
				if want >= 0 {
					numbers[want] = true
				}
			case 2:
				fd := rapid.IntRange(5, 15).Draw(t, "fd")
				if err := k.Close(poller.FD(fd)); (err == nil) != numbers[fd] {
					t.Fatalf("close of %d: got %v, want open %t", fd, err, numbers[fd])
				}
				numbers[fd] = false
			case 3:
				k.p.SetNoFile(rapid.IntRange(5, 16).Draw(t, "limit"))
			}
		}
	})
}

// TestStreamsKeepTheirBytes: what comes back is a prefix of what was said, under
// every seed, and all of it unless the connection died or time ran out.
func TestStreamsKeepTheirBytes(t *testing.T) {
	seeds := uint64(2000)
	if testing.Short() {
		seeds = 200
	}
	whole := 0
	for seed := range seeds {
		w := New(Config{Source: faults.Seed(seed, faults.Profile{}), SndBuf: 100, RcvBuf: 70, Trace: testing.Verbose()})
		k := w.NewWorker()
		l := listen(t, k, poller.ListenConfig{})
		k.Go(func() { echo(k, l) })
		for i := range 3 {
			w.Peer(fmt.Sprint("client ", i), func(p *Peer) {
				c, err := p.Dial(addr)
				if err != nil {
					return
				}
				c.SetDeadline(Epoch.Add(time.Hour))
				said := make([]byte, 500*i+1)
				for j := range said {
					said[j] = byte(j ^ j>>8 ^ i)
				}
				w.Peer(fmt.Sprint("reader ", i), func(*Peer) { // reads while the other writes
					heard, err := io.ReadAll(io.LimitReader(c, int64(len(said))))
					switch {
					case !bytes.Equal(heard, said[:len(heard)]):
						t.Errorf("seed %d: client %d: got %v, want a prefix of %v", seed, i, heard, said)
					case len(heard) == len(said):
						whole++
					case err == nil && w.Injected(faults.Reset) == 0 && w.Injected(faults.Resource) == 0:
						t.Errorf("seed %d: client %d: got %d of %d bytes and a clean end, want all", seed, i, len(heard), len(said))
					}
					c.Close()
				})
				c.Write(said)
				p.Sleep(2 * time.Hour)
			})
		}
		w.Run()
		w.Close()
	}
	if whole < int(seeds) {
		t.Errorf("got %d whole streams in %d runs, want at least one per run: the seeds break too much", whole, seeds)
	}
}
