// Netpoll accepts, reads and closes on one poller of netpoll.
package main

import (
	"context"
	"flag"
	"log"

	"github.com/cloudwego/netpoll"
)

func main() {
	address := flag.String("listen", "127.0.0.1:0", "`address`")
	flag.Parse()
	if err := netpoll.Configure(netpoll.Config{PollerNum: 1}); err != nil {
		log.Fatal(err)
	}
	l, err := netpoll.CreateListener("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	loop, err := netpoll.NewEventLoop(func(_ context.Context, c netpoll.Connection) error {
		c.Reader().Skip(c.Reader().Len())
		return c.Close()
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(loop.Serve(l))
}
