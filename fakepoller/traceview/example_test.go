package traceview_test

import (
	"fmt"
	"net/netip"
	"strings"

	"edgewise.test/fakepoller"
	"edgewise.test/fakepoller/traceview"
	"edgewise.test/faults"
	"edgewise.test/poller"
)

// A run with one deviation becomes a page and a capture.
func Example() {
	plan, _ := faults.Parse("edgewise plan v1\nconn 1 segment 1: 3 bytes")
	w := fakepoller.New(fakepoller.Config{Source: plan.Source(), Trace: true})
	defer w.Close()
	k, addr := w.NewWorker(), netip.MustParseAddrPort("127.0.0.1:443")
	l, _ := poller.ListenTCP(k, addr, poller.ListenConfig{})
	client, _ := w.Hand("client").Dial(addr)
	fd, _, _ := k.Accept(l)
	k.Annotate(fd, "inspecting")
	client.Write([]byte("hello"))
	w.Run()

	var page, capture strings.Builder
	traceview.HTML(&page, w.Trace(), traceview.HTMLOptions{Title: "hello", Plan: plan})
	traceview.PCAPNG(&capture, w.Trace())
	fmt.Println(strings.Contains(page.String(), "[1] conn 1 segment 1: 3 bytes"))
	fmt.Println(strings.Contains(capture.String(), "deviation conn 1 segment 1: 3 bytes"))
	// Output:
	// true
	// true
}
