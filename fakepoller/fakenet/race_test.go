//go:build race

package fakenet_test

import (
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"edgewise.test/fakepoller/fakenet"
)

// The race detector shuffles what is runnable, and net/http's transport decides by
// it once in some hundred runs.
func init() { tolerance["http"] = 2 }

// programs are run in a process of their own by TestRaceDetector. In each, two
// servers' goroutines count.
var programs = map[string]func(n *fakenet.Net){
	"unsynchronised counter": func(n *fakenet.Net) {
		counter := 0
		count(n, func(net.Conn) { counter++ })
	},
	"counter under a mutex": func(n *fakenet.Net) {
		var mu sync.Mutex
		counter := 0
		count(n, func(net.Conn) {
			mu.Lock()
			counter++
			mu.Unlock()
		})
	},
	"ordered by the network": func(n *fakenet.Net) {
		shared := 0
		c, s := pair(&testing.T{}, n)
		done := make(chan struct{})
		go func() {
			s.Read(make([]byte, 1))
			shared++
			s.Write([]byte("x"))
			s.Close()
			close(done)
		}()
		shared++
		c.Write([]byte("x"))
		io.ReadAll(c)
		shared++
		c.Close()
		<-done
	},
	"buffer changed during a write": func(n *fakenet.Net) {
		c, s := pair(&testing.T{}, n)
		p := make([]byte, 8)
		done := make(chan struct{})
		go func() {
			p[0] = 1
			close(done)
		}()
		c.Write(p)
		<-done
		c.Close()
		s.Close()
	},
}

// count calls f from the goroutines of two connections.
func count(n *fakenet.Net, f func(net.Conn)) {
	l, _ := n.Host("server").Listen("tcp", address)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				c.Read(make([]byte, 1))
				f(c)
				c.Close()
			}()
		}
	}()
	var clients sync.WaitGroup
	for _, name := range []string{"client a", "client b"} {
		clients.Go(func() {
			c, err := n.Host(name).Dial("tcp", address)
			if err != nil {
				return
			}
			c.Write([]byte("x"))
			io.ReadAll(c)
			c.Close()
		})
	}
	clients.Wait()
	l.Close()
}

// TestRaceDetector: a race of the code under test is reported at the first
// execution, and a correct program never.
func TestRaceDetector(t *testing.T) {
	if name := os.Getenv("FAKENET_PROGRAM"); name != "" {
		run(t, nil, fakenet.Config{}, programs[name])
		return
	}
	for name, racy := range map[string]bool{"unsynchronised counter": true, "buffer changed during a write": true, "counter under a mutex": false, "ordered by the network": false} {
		for range 3 {
			cmd := exec.Command(os.Args[0], "-test.run=^TestRaceDetector$")
			cmd.Env = append(os.Environ(), "FAKENET_PROGRAM="+name, "GORACE=atexit_sleep_ms=0")
			out, _ := cmd.CombinedOutput()
			if got := strings.Contains(string(out), "DATA RACE"); got != racy {
				t.Errorf("%s: got race %v, want %v\n%s", name, got, racy, out)
			}
		}
	}
}
