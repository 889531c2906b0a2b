package poller_test

import (
	"fmt"
	"log"
	"net/netip"
	"syscall"

	"edgewise.test/poller"
)

// A server of one connection: it waits for the client, accepts it, waits for its
// first bytes, and looks at them without taking them.
func Example() {
	sys, err := poller.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer sys.Release()

	listener, err := poller.ListenTCP(sys, netip.MustParseAddrPort("127.0.0.1:0"), poller.ListenConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer sys.Close(listener)
	client := dialAndSend(sys, listener, "hello")
	defer sys.Close(client)

	// A token names a registration: slot 0 is the listener, slot 1 the connection.
	if err := sys.Add(listener, poller.In, poller.MakeToken(0, 1)); err != nil {
		log.Fatal(err)
	}
	conn := poller.FD(-1)
	batch := make([]poller.Event, 16)
	for done := false; !done; {
		n, err := sys.Wait(batch, -1)
		if err != nil && err != syscall.EINTR {
			log.Fatal(err)
		}
		for _, ev := range batch[:n] {
			switch ev.Token.Slot() {
			case 0:
				fmt.Println("listener:", ev.Events)
				if conn, _, err = sys.Accept(listener); err != nil {
					log.Fatal(err)
				}
				if err := sys.Add(conn, poller.In|poller.RdHup, poller.MakeToken(1, 1)); err != nil {
					log.Fatal(err)
				}
			case 1:
				var buf [64]byte
				n, err := sys.Peek(conn, buf[:])
				fmt.Printf("connection: %v: %q %v\n", ev.Events, buf[:n], poller.ErrnoName(err))
				done = true
			}
		}
	}
	if err := sys.Close(conn); err != nil {
		log.Fatal(err)
	}

	// Output:
	// listener: IN
	// connection: IN: "hello" ok
}

// dialAndSend is the client: it waits until it is connected, and writes.
func dialAndSend(sys poller.System, listener poller.FD, text string) poller.FD {
	addr, err := sys.LocalAddr(listener)
	if err != nil {
		log.Fatal(err)
	}
	fd, err := sys.Socket(poller.DomainOf(addr.Addr()))
	if err != nil {
		log.Fatal(err)
	}
	if err := sys.Connect(fd, addr); err != nil && err != syscall.EINPROGRESS {
		log.Fatal(err)
	}
	if err := sys.Add(fd, poller.Out, 0); err != nil {
		log.Fatal(err)
	}
	if _, err := sys.Wait(make([]poller.Event, 1), -1); err != nil {
		log.Fatal(err)
	}
	if err := sys.Remove(fd); err != nil {
		log.Fatal(err)
	}
	if _, err := sys.Write(fd, []byte(text)); err != nil {
		log.Fatal(err)
	}
	return fd
}
