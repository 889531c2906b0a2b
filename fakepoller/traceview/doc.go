// Package traceview shows the trace of a fakepoller world to a person: as a
// timeline page, as a capture for Wireshark, as a trace for Perfetto, and as a
// test to keep.
//
// A view is written in one go from events that the world is done with:
//
//	w := fakepoller.New(fakepoller.Config{Source: plan.Source(), Trace: true})
//	...
//	traceview.HTML(file, w.Trace(), traceview.HTMLOptions{Title: t.Name(), Plan: plan})
//
// Equal traces give equal bytes. The states that code under test announces with
// [poller.Annotator] belong to whatever the descriptor is an end of; the
// deviations of a plan have the numbers that a report gives them.
package traceview
