package tlstransport_test

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"edgewise.test/pipeline/echo"
)

// goroutineServer is what this package is compared with: a goroutine for each
// connection, which echoes.
func goroutineServer(t testing.TB, config *tls.Config) net.Addr {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				conn := tls.Server(c, config)
				defer conn.Close()
				buffer := make([]byte, 16<<10)
				for {
					n, err := conn.Read(buffer)
					if err != nil {
						return
					}
					if _, err := conn.Write(buffer[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr()
}

// benchConfigs are those of production: all of crypto/tls, with an ECDSA key.
func benchConfigs() (server, client *tls.Config) {
	id := identities["ECDSA"]()
	return &tls.Config{Certificates: []tls.Certificate{id.Certificate}}, &tls.Config{RootCAs: id.pool, ServerName: serverName}
}

func shake(t testing.TB, addr string, client *tls.Config) *tls.Conn {
	conn, err := tls.Dial("tcp", addr, client)
	if err == nil {
		one := []byte{1}
		conn.Write(one)
		_, err = io.ReadFull(conn, one)
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// BenchmarkHandshakes takes turns with a goroutine per connection: dial, full
// handshake, an echo of one byte, close. The client is most of the cost in both.
func BenchmarkHandshakes(b *testing.B) {
	server, client := benchConfigs()
	addrs := [2]string{serve(b, server, echo.Filter).addr.String(), goroutineServer(b, server).String()}
	var spent [2]time.Duration
	const group = 20
	n := 0
	for b.Loop() {
		for i := range addrs {
			start := time.Now()
			for range group {
				shake(b, addrs[i], client).Close()
			}
			spent[i] += time.Since(start)
		}
		n += group
	}
	b.ReportMetric(float64(n)/spent[0].Seconds(), "handshakes/s")
	b.ReportMetric(float64(n)/spent[1].Seconds(), "goroutine-handshakes/s")
	b.ReportMetric(spent[1].Seconds()/spent[0].Seconds(), "times-goroutine")
}

// BenchmarkEcho1KiB takes turns with a goroutine per connection, one connection
// each. The allocations are those of both ends.
func BenchmarkEcho1KiB(b *testing.B) {
	server, client := benchConfigs()
	conns := [2]*tls.Conn{
		shake(b, serve(b, server, echo.Filter).addr.String(), client),
		shake(b, goroutineServer(b, server).String(), client),
	}
	buffer := pattern(1024)
	var spent [2]time.Duration
	var mallocs [2]uint64
	const group = 200
	n := 0
	for b.Loop() {
		for i, conn := range conns {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			for range group {
				conn.Write(buffer)
				if _, err := io.ReadFull(conn, buffer); err != nil {
					b.Fatal(err)
				}
			}
			spent[i] += time.Since(start)
			runtime.ReadMemStats(&after)
			mallocs[i] += after.Mallocs - before.Mallocs
		}
		n += group
	}
	for _, conn := range conns {
		conn.Close()
	}
	b.ReportMetric(float64(spent[0].Nanoseconds())/float64(n), "ns/echo")
	b.ReportMetric(spent[1].Seconds()/spent[0].Seconds(), "times-goroutine")
	b.ReportMetric(float64(mallocs[0])/float64(n), "allocs/echo")
	b.ReportMetric(float64(mallocs[1])/float64(n), "goroutine-allocs/echo")
}

// BenchmarkIdleMemory is heap and stacks for each connection that has had its
// handshake and an echo. The client keeps nothing but its socket.
func BenchmarkIdleMemory(b *testing.B) {
	server, client := benchConfigs()
	for _, c := range []struct {
		name string
		addr func(b *testing.B) string
	}{
		{"Loop", func(b *testing.B) string { return serve(b, server, echo.Filter).addr.String() }},
		{"Goroutine", func(b *testing.B) string { return goroutineServer(b, server).String() }},
	} {
		b.Run(c.name, func(b *testing.B) {
			addr := c.addr(b)
			const conns = 1000
			for b.Loop() {
				before := inUse()
				sockets := make([]net.Conn, conns)
				for i := range sockets {
					sockets[i] = shake(b, addr, client).NetConn()
				}
				b.ReportMetric(float64(inUse()-before)/conns, "B/conn")
				for _, s := range sockets {
					s.Close()
				}
			}
		})
	}
}

func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
