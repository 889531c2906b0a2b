package thirdparty

import (
	"net"
	"testing"
	_ "unsafe" // for go:linkname

	"edgewise.test/fakepoller"
	"edgewise.test/fakepoller/fakenet"
	"edgewise.test/faults"
	"golang.org/x/net/nettest"
)

// pair returns both ends of a connection over n.
func pair(n *fakenet.Net) (client, server net.Conn, err error) {
	l, err := n.Host("server").Listen("tcp", "127.0.0.1:80")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if client, err = n.Host("client").Dial("tcp", "127.0.0.1:80"); err != nil {
		return nil, nil, err
	}
	server, err = l.Accept()
	return client, server, err
}

func TestConnAlone(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		n, end := fakenet.Start(fakepoller.New(fakepoller.Config{}), fakenet.Config{})
		if c1, c2, err = pair(n); err != nil {
			end()
			return nil, nil, nil, err
		}
		return c1, c2, func() {
			c1.Close()
			c2.Close()
			end()
		}, nil
	})
}

// The cases of nettest.TestConn, which runs them with t.Run: that may not be in a
// bubble.
//
//go:linkname testBasicIO golang.org/x/net/nettest.testBasicIO
func testBasicIO(t *testing.T, c1, c2 net.Conn)

//go:linkname testPingPong golang.org/x/net/nettest.testPingPong
func testPingPong(t *testing.T, c1, c2 net.Conn)

//go:linkname testRacyRead golang.org/x/net/nettest.testRacyRead
func testRacyRead(t *testing.T, c1, c2 net.Conn)

//go:linkname testRacyWrite golang.org/x/net/nettest.testRacyWrite
func testRacyWrite(t *testing.T, c1, c2 net.Conn)

//go:linkname testReadTimeout golang.org/x/net/nettest.testReadTimeout
func testReadTimeout(t *testing.T, c1, c2 net.Conn)

//go:linkname testWriteTimeout golang.org/x/net/nettest.testWriteTimeout
func testWriteTimeout(t *testing.T, c1, c2 net.Conn)

//go:linkname testPastTimeout golang.org/x/net/nettest.testPastTimeout
func testPastTimeout(t *testing.T, c1, c2 net.Conn)

//go:linkname testPresentTimeout golang.org/x/net/nettest.testPresentTimeout
func testPresentTimeout(t *testing.T, c1, c2 net.Conn)

//go:linkname testFutureTimeout golang.org/x/net/nettest.testFutureTimeout
func testFutureTimeout(t *testing.T, c1, c2 net.Conn)

//go:linkname testCloseTimeout golang.org/x/net/nettest.testCloseTimeout
func testCloseTimeout(t *testing.T, c1, c2 net.Conn)

//go:linkname testConcurrentMethods golang.org/x/net/nettest.testConcurrentMethods
func testConcurrentMethods(t *testing.T, c1, c2 net.Conn)

func TestConnInABubble(t *testing.T) {
	cases := []struct {
		name string
		run  func(t *testing.T, c1, c2 net.Conn)
	}{
		{"BasicIO", testBasicIO}, {"PingPong", testPingPong}, {"RacyRead", testRacyRead}, {"RacyWrite", testRacyWrite},
		{"ReadTimeout", testReadTimeout}, {"WriteTimeout", testWriteTimeout}, {"PastTimeout", testPastTimeout},
		{"PresentTimeout", testPresentTimeout}, {"FutureTimeout", testFutureTimeout}, {"CloseTimeout", testCloseTimeout},
		{"ConcurrentMethods", testConcurrentMethods},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(5) { // 0 is calm
				var source faults.Source
				if seed > 0 { // everything that a correct program does not see
					source = faults.Seed(seed, faults.Profile{Only: []faults.Op{faults.Run, faults.Segment, faults.Room, faults.Space}})
				}
				w := fakepoller.New(fakepoller.Config{Source: source})
				err := fakenet.Run(t, w, fakenet.Config{}, func(n *fakenet.Net) {
					c1, c2, err := pair(n)
					if err != nil {
						t.Errorf("pair: %v", err)
						return
					}
					c.run(t, c1, c2)
					c1.Close()
					c2.Close()
				})
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range w.Findings() {
					t.Errorf("seed %d: %s", seed, f)
				}
			}
		})
	}
}
