// Tlsload is the load generator for TLS termination: tlsload MODE PORT - COUNT SECONDS N,
// as c/load.c is for the rest.
//
//	tls-handshake   N at a time: a full handshake, the echo of a byte, a reset
//	tls-echo        N connections, each with 256 KiB on their way in writes of 64 KiB
//
// TLS 1.3 with X25519 and AES-128-GCM, which all of the servers can do, and no
// resumption. The certificate is not looked at. One line of results: name=value.
package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	chunk    = 64 << 10
	inFlight = 4 // chunks
)

var config = &tls.Config{
	InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, ServerName: "edge.test",
	CurvePreferences: []tls.CurveID{tls.X25519},
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 7 {
		log.Fatal("tlsload: want MODE PORT - COUNT SECONDS N")
	}
	count, err1 := strconv.Atoi(os.Args[4])
	seconds, err2 := strconv.ParseFloat(os.Args[5], 64)
	n, err3 := strconv.Atoi(os.Args[6])
	if err := errors.Join(err1, err2, err3); err != nil {
		log.Fatal("tlsload: ", err)
	}
	l := &load{address: "127.0.0.1:" + os.Args[2], left: int64(count)}
	start := time.Now()
	l.deadline = start.Add(time.Duration(seconds * float64(time.Second)))
	one := map[string]func() error{"tls-handshake": l.handshakes, "tls-echo": l.echo}[os.Args[1]]
	if one == nil {
		log.Fatalf("tlsload: mode %q, want tls-handshake or tls-echo", os.Args[1])
	}
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if err := one(); err != nil {
				log.Fatal("tlsload: ", err)
			}
		})
	}
	all.Wait()
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	fmt.Printf("connections=%d bytes=%d wall_ns=%d cpu_ns=%d\n", l.connections.Load(), l.bytes.Load(),
		time.Since(start), usage.Utime.Nano()+usage.Stime.Nano())
}

type load struct {
	address            string
	deadline           time.Time
	left               int64
	connections, bytes atomic.Int64
}

// dial returns when the handshake is done.
func (l *load) dial() (*tls.Conn, error) {
	c, err := net.Dial("tcp", l.address)
	if err != nil {
		return nil, err
	}
	c.(*net.TCPConn).SetLinger(0)
	conn := tls.Client(c, config)
	return conn, conn.Handshake()
}

func (l *load) handshakes() error {
	one := []byte{1}
	for time.Now().Before(l.deadline) && atomic.AddInt64(&l.left, -1) >= 0 {
		conn, err := l.dial()
		if err != nil {
			return err
		}
		if _, err := conn.Write(one); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, one); err != nil {
			return err
		}
		conn.NetConn().Close()
		l.connections.Add(1)
	}
	return nil
}

func (l *load) echo() error {
	conn, err := l.dial()
	if err != nil {
		return err
	}
	defer conn.NetConn().Close()
	l.connections.Add(1)
	room := make(chan bool, inFlight)
	failed := make(chan error, 1)
	go func() {
		defer close(room)
		data := make([]byte, chunk)
		for time.Now().Before(l.deadline) {
			room <- true
			if _, err := conn.Write(data); err != nil {
				failed <- err
				return
			}
		}
	}()
	data := make([]byte, chunk)
	for range room {
		if _, err := io.ReadFull(conn, data); err != nil {
			return err
		}
		l.bytes.Add(chunk)
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}
