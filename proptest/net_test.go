package proptest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edgewise.test/fakepoller/fakenet"
	"edgewise.test/faults"
)

const netAddress = "127.0.0.1:80"

// copyProxy is what most people write first: it ends both directions as soon as
// one has ended.
func copyProxy(l net.Listener, dial func(network, address string) (net.Conn, error), halfClose bool) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		go func() {
			defer c.Close()
			u, err := dial("tcp", "127.0.0.1:81")
			if err != nil {
				abort(c)
				return
			}
			defer u.Close()
			if !halfClose {
				go func() {
					io.Copy(u, c)
					u.Close()
				}()
				io.Copy(c, u)
				return
			}
			var both sync.WaitGroup
			for _, way := range [][2]net.Conn{{u, c}, {c, u}} {
				both.Go(func() {
					if _, err := io.Copy(way[0], way[1]); err != nil {
						abort(c)
						abort(u)
						return
					}
					way[0].(*fakenet.Conn).CloseWrite()
				})
			}
			both.Wait()
		}()
	}
}

// abort resets c: an end of the stream would tell the peer that it has all.
func abort(c net.Conn) {
	c.(*fakenet.Conn).SetLinger(0)
	c.Close()
}

// lengths is a scenario in which an upstream answers with what it got once its
// input has ended.
func lengths(clients int, halfClose bool) func(*Net) {
	return func(n *Net) {
		l, err := n.Host("proxy").Listen("tcp", netAddress)
		if err != nil {
			n.Fatalf("listen: %v", err)
		}
		up, err := n.Host("upstream").Listen("tcp", "127.0.0.1:81")
		if err != nil {
			n.Fatalf("listen: %v", err)
		}
		go copyProxy(l, n.Host("proxy").Dial, halfClose)
		go func() {
			for {
				c, err := up.Accept()
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err != nil {
					time.Sleep(5 * time.Millisecond)
					continue
				}
				go func() {
					defer c.Close()
					all, err := io.ReadAll(c)
					if err != nil {
						abort(c)
						return
					}
					fmt.Fprintf(c, "%d", len(all))
				}()
			}
		}()
		var all sync.WaitGroup
		for i := range clients {
			all.Go(func() {
				c, err := n.Host(fmt.Sprint("client ", i+1)).Dial("tcp", netAddress)
				if err != nil {
					return
				}
				defer c.Close()
				sent, err := c.Write(make([]byte, 1000))
				if err != nil {
					return
				}
				c.(*fakenet.Conn).CloseWrite()
				got, err := io.ReadAll(c)
				if err == nil && string(got) != fmt.Sprint(sent) {
					n.Errorf("client %d: got %q, want %d", i+1, got, sent)
				}
			})
		}
		all.Wait()
		l.Close()
		up.Close()
	}
}

func searchNet(t *testing.T, c NetConfig) Result { return Search(c.Config(t)) }

func TestCheckNetFindsAMissingHalfClose(t *testing.T) {
	r := searchNet(t, NetConfig{Scenario: lengths(1, false)})
	if r.Failure == nil {
		t.Fatalf("found nothing in %s", r.Summary())
	}
	report := r.Failure.Report()
	t.Logf("%s", report)
	if lines := strings.Count(report, "\n"); lines > 40 {
		t.Errorf("got a report of %d lines, want at most 40", lines)
	}
	if r.Failure.Unrepeatable != "" {
		t.Errorf("not repeatable: %s", r.Failure.Unrepeatable)
	}
}

func TestCheckNetPassesTheFix(t *testing.T) {
	start := time.Now()
	r := searchNet(t, NetConfig{Scenario: lengths(2, true), Search: Config{Schedules: 1000}})
	if r.Failure != nil {
		t.Fatalf("%s", r.Failure.Report())
	}
	t.Logf("%s, %v", r.Summary(), time.Since(start))
}

// Only holds for the continuations of Moment too: others may stall the scenario.
func TestOnlyHoldsForMoment(t *testing.T) {
	var refused atomic.Bool
	f := Search(NetConfig{Search: Config{Only: []faults.Op{faults.Accept}}, Scenario: func(n *Net) {
		l, _ := n.Host("server").Listen("tcp", netAddress)
		defer l.Close()
		c, err := n.Host("client").Dial("tcp", netAddress)
		if err != nil {
			refused.Store(true)
			return
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			n.Errorf("accept failed")
			return
		}
		s.Close()
	}}.Config(t)).Failure
	if f == nil || len(f.Moment.Failed) != 2 {
		t.Fatalf("got %+v, want a failure with one deviation and its moment", f)
	}
	if refused.Load() {
		t.Errorf("got a run whose connect fails, want only accepts that fail")
	}
}

// A program that has stalled is not run again, and what is asked of it later does not
// look as if it had passed.
func TestNothingPassesAfterAStall(t *testing.T) {
	c := NetConfig{Net: fakenet.Config{Stall: 300 * time.Millisecond}, Scenario: func(n *Net) {
		l, _ := n.Host("server").Listen("tcp", netAddress)
		defer l.Close()
		var mu sync.Mutex
		mu.Lock()
		done := make(chan bool)
		go func() { mu.Lock(); done <- true }() // a mutex is not durably blocking in a bubble
		if c, err := l.Accept(); err == nil {
			c.Close()
		}
		<-done
	}}.Config(t)
	f := Search(c).Failure
	if f == nil || f.Class != classStall {
		t.Fatalf("got %+v, want a stall", f)
	}
	if again := Replay(c, f.Plan); again == nil || again.Class != classStall {
		t.Errorf("replay: got %+v, want the stall", again)
	}
}
