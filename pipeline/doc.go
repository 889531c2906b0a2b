// Package pipeline takes a connection from accept to the first routed byte, the way
// Envoy does, on the boundary of package poller. It has no goroutines, no clock and
// no randomness of its own: on the same kernel it does the same.
//
// # The life of a connection
//
// A [Loop] polls, and dispatches each event by its token to a [Registration]. The
// one of a [Listener] accepts. The accepted socket goes through the listener
// filters in order ([ListenerFilter]): they look at its first bytes without taking
// them, and note what they find in its [ConnectionInfo], such as the server name of
// a TLS ClientHello. When the bytes are not all there the socket waits in the
// poller, for as long as listener_filters_timeout. When all filters have said
// [Continue], the filter chain is chosen ([FilterChainMatch]), by nine criteria from
// the destination port to the source port, each time the most specific and without a
// way back. The chain makes a [Connection]: with a [TransportSocket] that
// moves bytes between the descriptor and the buffers, and network filters
// ([ReadFilter], [WriteFilter]) that handle the bytes. The connection registers for
// all events, once, edge-triggered, when its filters have heard of it. Its first event comes in a later iteration and
// is always Out. It writes before it reads. It ends exactly once, by the peer
// ([RemoteClose]) or by us ([LocalClose]), and is then out of the poller, closed,
// counted and told, in this order.
//
// The listener filters are packages of their own, with Envoy's names: tlsinspector,
// httpinspector, proxyprotocol, originaldst, originalsrc and localratelimit. What
// they find is in the ConnectionInfo too: restored addresses, fingerprints, the
// options of the upstream socket and filter state.
//
// The descriptor belongs to the listener, then to the socket, then to the
// connection, and is closed by whoever holds it. Every object may be closed inside
// any callback, also its own; after that it is not called again. Everything belongs
// to the goroutine of its loop, except [Loop.Post] and [Loop.Stop].
//
// # Workers
//
// A program has one Loop per worker, each with a kernel, listeners, filters and
// counters of its own; the kernel spreads connections over listening sockets that
// share an address (ReusePort of [poller.ListenConfig]). To read or change a worker
// from outside, Post. To end one: [Listener.Drain], then Stop. A [ListenerManager]
// does that for listeners which all workers have: it adds, replaces, updates, drains
// and removes them, and can place each connection on the worker with the fewest.
//
// # Counting
//
// Counters have Envoy's names ([ListenerStats]). Whatever is accepted ends in one
// counted way; [CheckConservation] states that as laws, for tests and for running
// programs.
//
// # Differences from Envoy
//
// What Envoy does is described at its main branch of December 2025. Here:
//
//   - An accept error is counted. One that will not go away at once takes the
//     listener out of the poller for 5 ms, doubling to 1 s. Envoy spins.
//   - A listener accepts once per event, and more often only while events follow
//     each other, at most 16 times. Envoy accepts until there is nothing.
//   - Closing a listener inside its accept callback ends the batch. Envoy dies.
//   - Listener filters get bytes that are there at once, and the next filter gets
//     what was read for the last. Envoy waits an iteration for each filter.
//   - They look at bytes that were read and kept, which the connection reads first;
//     a close without that is still a reset. Envoy peeks, except on Windows.
//   - Bytes with a FIN behind them are offered before the FIN counts; Envoy drops
//     the socket. A FIN counts when a filter wants more and nothing more comes.
//   - A reset ends an inspected socket whatever is queued before it, always as
//     downstream_listener_filter_error. Envoy keeps the socket until the timeout.
//   - EINTR is never an error; a filter is never called without new bytes; a wish
//     for more bytes is compared with what was seen.
//   - [ListenerFilter.OnClose] is called also for a timeout and with removal.
//   - A connection never changes its mask. While reading is disabled it notices a
//     reset, and does not take a FIN for the end while bytes are queued before it.
//   - When a write fails, what the peer sent before is read and delivered first.
//   - A close that flushes goes on when the peer ends its own direction.
//   - A close with a reset tries to write first, as one without does.
//   - TCP_NODELAY that is refused is no failure.
//   - A stream that is only passed on may go past the filter, inside the kernel
//     ([SplicingFilter]).
//   - A timer is never early and callbacks of one iteration see one time. Equal
//     deadlines fire in order of Enable; Envoy leaves that open.
//   - A server name ".com" does not match "*.com".
//   - A limit takes its unit at the check and gives it back whatever comes next.
//   - A listener that is replaced leaves its listening sockets, and what is queued in
//     them, to its successor.
//   - A socket that is handed over counts against the limit of who gets it.
//
// ENVOY.md has the whole list, with the tests that show each row. Not here:
// filter_chain_matcher, listener filters whose configuration is discovered, and
// access logs.
package pipeline
