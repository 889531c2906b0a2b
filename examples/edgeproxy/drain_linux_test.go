package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
)

// Connections that echo all the time, and new ones that arrive all the time, go
// through a SIGTERM.
func TestDrainLosesNoEstablishedConnection(t *testing.T) {
	const (
		atFirst        = 50
		roundsBefore   = 10
		roundsDraining = 20
	)
	a := newAuthority(t)
	p := start(t, configFor(chain{"echo", `{"server_names": ["echo.test"]}`, serveTCP(t, a.server("echo", []string{"echo.test"}), echo)}),
		"-drain-time", "1h")
	draining := make(chan struct{})
	var warm, clients sync.WaitGroup

	// established is the life of a connection that has finished its handshake.
	established := func(c *tls.Conn, id int, warmedUp func()) {
		defer clients.Done()
		defer warmedUp()
		defer c.Close()
		message, answer := bytes.Repeat(fmt.Appendf(nil, "%08d", id), 128), make([]byte, 1024)
		for round, left := 0, roundsDraining; left > 0; round++ {
			select {
			case <-draining:
				left--
			default:
			}
			if round == roundsBefore {
				warmedUp()
			}
			if _, err := c.Write(message); err != nil {
				t.Errorf("connection %d, round %d: write: %v", id, round, err)
				return
			}
			if _, err := io.ReadFull(c, answer); err != nil || !bytes.Equal(answer, message) {
				t.Errorf("connection %d, round %d: got %q, %v, want the echo", id, round, answer, err)
				return
			}
		}
	}
	for id := range atFirst {
		c := tls.Client(dial(t, p.address), a.client("echo.test"))
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		warm.Add(1)
		clients.Add(1)
		go established(c, id, sync.OnceFunc(warm.Done))
	}
	arrived := make(chan int, 1)
	warm.Add(1)
	go func() {
		n, enough := 0, sync.OnceFunc(warm.Done)
		defer func() { enough(); arrived <- n }()
		for {
			tcp, err := net.Dial("tcp", p.address)
			if errors.Is(err, syscall.ECONNREFUSED) {
				return
			}
			if err != nil {
				continue // reset in the queue of the listening socket
			}
			c := tls.Client(tcp, a.client("echo.test"))
			if c.Handshake() != nil {
				tcp.Close()
				continue
			}
			clients.Add(1)
			go established(c, atFirst+n, func() {})
			if n++; n == atFirst {
				enough() // to be a load
			}
		}
	}()
	warm.Wait()
	p.signal(syscall.SIGTERM)
	n := <-arrived
	p.refused()
	if got := p.counters().Get("listener.ingress.downstream_cx_active"); got < uint64(atFirst+n) {
		t.Errorf("draining: got %d active connections, want all %d that were there and %d that arrived", got, atFirst, n)
	}
	close(draining)
	clients.Wait()
	if status, stderr := p.exit(); status != exitOK || stderr != "" {
		t.Errorf("got status %d and %q, want %d and nothing", status, stderr, exitOK)
	}
	t.Logf("%d connections at first, %d arrived", atFirst, n)
}

func TestDrainTimeEndsConnections(t *testing.T) {
	for name, send := range map[string]string{"established": "GET", "still inspected": "\x16\x03\x01"} {
		t.Run(name, func(t *testing.T) {
			p := start(t, configFor(chain{"any", "", serveTCP(t, nil, echo)}), "-drain-time", "1ms")
			c := dial(t, p.address)
			defer c.Close()
			io.WriteString(c, send)
			for s := p.counters(); s.Get("listener.ingress.downstream_cx_active")+s.Get("listener.ingress.downstream_pre_cx_active") == 0; {
				s = p.counters()
			}
			p.signal(syscall.SIGTERM)
			if _, err := io.Copy(io.Discard, c); err != nil && !closed(err) {
				t.Errorf("got %v, want a closed connection", err)
			}
			if status, stderr := p.exit(); status != exitOK || stderr != "" {
				t.Errorf("got status %d and %q, want %d and nothing", status, stderr, exitOK)
			}
		})
	}
}

// What a client has sent before it left is not lost because no client is left.
func TestDrainFlushesToUpstreams(t *testing.T) {
	const size = 512 << 10 // less than the buffer of the program, more than those of the kernel
	read, heard := make(chan struct{}), make(chan int64, 1)
	p := start(t, configFor(chain{"any", "", serveNarrow(t, func(c net.Conn) {
		c.(*net.TCPConn).CloseWrite()
		<-read
		n, _ := io.Copy(io.Discard, c)
		heard <- n
	})}), "-drain-time", "1h")
	c := dial(t, p.address)
	c.Write(make([]byte, 3)) // it is not TLS
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Fatal(err)
	}
	c.Write(make([]byte, size-3))
	c.Close()
	for s := p.counters(); s.Get("listener.ingress.downstream_cx_destroy") == 0; {
		s = p.counters()
	}
	if s := p.counters(); s.Get("cluster.any.upstream_cx_active") != 1 {
		t.Fatalf("got no upstream connection that is being flushed: the kernel has taken all\n%v", s)
	}
	p.signal(syscall.SIGTERM)
	p.refused()
	close(read)
	if got := <-heard; got != size {
		t.Errorf("upstream got %d bytes, want %d", got, size)
	}
	if status, stderr := p.exit(); status != exitOK || stderr != "" {
		t.Errorf("got status %d and %q, want %d and nothing", status, stderr, exitOK)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := start(t, configFor(chain{"any", "", serveTCP(t, nil, echo)}), "-drain-time", "1h")
	c := dial(t, p.address)
	defer c.Close()
	io.WriteString(c, "GET")
	if _, err := io.ReadFull(c, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGINT)
	p.refused()
	p.signal(syscall.SIGINT)
	p.exit()
	if got := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !got.Signaled() || got.Signal() != syscall.SIGINT {
		t.Errorf("got %v, want the end by SIGINT", p.cmd.ProcessState)
	}
}
