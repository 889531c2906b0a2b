package pipeline_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/poller"
)

// A listener that echoes, on the real kernel.
func Example() {
	kernel, err := poller.Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer kernel.Release()

	loop := pipeline.NewLoop(kernel)
	fd, err := poller.ListenTCP(kernel, netip.MustParseAddrPort("127.0.0.1:0"), poller.ListenConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	listener, err := pipeline.NewListener(loop, fd, &pipeline.ListenerConfig{
		StatPrefix:   "echo",
		FilterChains: []pipeline.FilterChain{{Name: "all", Filters: []pipeline.FilterFactory{echo.Filter}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	go func() { // the client, elsewhere
		c, err := net.Dial("tcp", listener.Address().String())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Fprint(c, "hello")
		c.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(c)
		fmt.Printf("client got %q\n", answer)
		c.Close()
		loop.Post(func() { listener.Drain(time.Second, loop.Stop) })
	}()
	if err := loop.Run(); err != nil {
		fmt.Println(err)
	}
	stats := listener.Snapshot()
	fmt.Println("connections:", stats.Get("listener.echo.downstream_cx_total"))
	fmt.Println("laws:", pipeline.CheckEnded(stats))

	// Output:
	// client got "hello"
	// connections: 1
	// laws: <nil>
}

// The same code on a kernel in which nothing happens by chance. The client says
// half a word and is silent; the listener filter waits until its time is up, which
// takes no time.
func Example_timeout() {
	world := fakepoller.New(fakepoller.Config{})
	defer world.Close()
	kernel := world.NewWorker()
	address := netip.MustParseAddrPort("127.0.0.1:443")

	var listener *pipeline.Listener
	kernel.Go(func() {
		loop := pipeline.NewLoop(kernel)
		fd, _ := poller.ListenTCP(kernel, address, poller.ListenConfig{})
		listener, _ = pipeline.NewListener(loop, fd, &pipeline.ListenerConfig{
			StatPrefix:      "edge",
			ListenerFilters: []pipeline.ListenerFilterFactory{func() pipeline.ListenerFilter { return waitForWord{} }},
			FilterChains:    []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{echo.Filter}}},
		})
		loop.Run()
	})
	world.Peer("client", func(p *fakepoller.Peer) {
		p.Sleep(time.Millisecond)
		c, err := p.Dial(address)
		if err != nil {
			fmt.Println(err)
			return
		}
		c.Write([]byte("hel"))
		_, err = c.Read(make([]byte, 1))
		fmt.Printf("client after %v: %v\n", p.Now().Round(time.Second), err)
	})
	world.Run()
	fmt.Println("timeouts:", listener.Snapshot().Get("listener.edge.downstream_pre_cx_timeout"))

	// Output:
	// client after 15s: connection reset by peer
	// timeouts: 1
}

// waitForWord waits for five bytes.
type waitForWord struct{}

func (waitForWord) OnAccept(pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	return pipeline.StopIteration
}

func (waitForWord) OnData(b *pipeline.ListenerFilterBuffer) pipeline.FilterStatus {
	if len(b.Bytes()) < 5 {
		return pipeline.StopIteration
	}
	return pipeline.Continue
}

func (waitForWord) OnClose() {}

func (waitForWord) MaxReadBytes() int { return 5 }
