// Gnet accepts, reads and closes on one event loop of gnet.
package main

import (
	"flag"
	"log"

	"github.com/panjf2000/gnet/v2"
)

type server struct{ gnet.BuiltinEventEngine }

func (server) OnTraffic(c gnet.Conn) gnet.Action {
	c.Discard(-1)
	return gnet.Close
}

func main() {
	address := flag.String("listen", "127.0.0.1:0", "`address`")
	flag.Parse()
	// With ReusePort the one loop accepts itself: gnet's fastest way.
	log.Fatal(gnet.Run(&server{}, "tcp://"+*address, gnet.WithNumEventLoop(1), gnet.WithReusePort(true)))
}
