// Edgewise accepts, finds out the server name of the ClientHello, and closes, on
// one event loop of package pipeline.
package main

import (
	"flag"
	"log"
	"net/netip"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/tlsinspector"
	"edgewise.test/poller"
)

func main() {
	address := flag.String("listen", "127.0.0.1:0", "`address`")
	connect := flag.Bool("connect", false, "make a connection with a network filter that closes it; without, a second listener filter closes the socket")
	flag.Parse()
	if err := run(netip.MustParseAddrPort(*address), *connect); err != nil {
		log.Fatal(err)
	}
}

func run(address netip.AddrPort, connect bool) error {
	kernel, err := poller.Open()
	if err != nil {
		return err
	}
	fd, err := poller.ListenTCP(kernel, address, poller.ListenConfig{})
	if err != nil {
		return err
	}
	cfg := &pipeline.ListenerConfig{
		ListenerFilters: []pipeline.ListenerFilterFactory{tlsinspector.New(tlsinspector.Config{}).Filter},
		FilterChains:    []pipeline.FilterChain{{Filters: []pipeline.FilterFactory{addCloser}}},
	}
	if !connect {
		cfg.ListenerFilters = append(cfg.ListenerFilters, func() pipeline.ListenerFilter { return &refuser{} })
	}
	loop := pipeline.NewLoop(kernel)
	if _, err := pipeline.NewListener(loop, fd, cfg); err != nil {
		return err
	}
	return loop.Run()
}

// refuser drains the hello, so that the close is none with a reset, and closes the
// socket.
type refuser struct {
	cb pipeline.ListenerFilterCallbacks
}

func (f *refuser) OnAccept(cb pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	f.cb = cb
	return pipeline.StopIteration
}

func (f *refuser) OnData(buffer *pipeline.ListenerFilterBuffer) pipeline.FilterStatus {
	buffer.Drain(len(buffer.Bytes()))
	f.cb.ContinueFilterChain(false)
	return pipeline.StopIteration
}

func (f *refuser) OnClose() {}

func (f *refuser) MaxReadBytes() int { return 1 }

// closer is a network filter that closes at the first bytes.
type closer struct{ connection *pipeline.Connection }

func addCloser(c *pipeline.Connection) { c.AddReadFilter(&closer{c}) }

func (f *closer) OnNewConnection(pipeline.ReadFilterCallbacks) pipeline.FilterStatus {
	return pipeline.Continue
}

func (f *closer) OnData(data *pipeline.Buffer, _ bool) pipeline.FilterStatus {
	data.Drain(data.Len())
	f.connection.Close(pipeline.NoFlush)
	return pipeline.StopIteration
}
