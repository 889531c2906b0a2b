// Package fakenet puts Go programs that use goroutines, [net.Listener] and
// [net.Conn] on top of a [fakepoller.World], unmodified and repeatable.
//
// Inside a testing/synctest bubble every call that may block parks its goroutine.
// When nobody can run any more, a scheduler applies one operation to the world,
// the one that the world's source picks, and lets its goroutine go on. So runs
// differ only in choices that have names, and plans, search, shrinking, traces and
// reports are those of package proptest:
//
//	proptest.CheckNet(t, func(n *proptest.Net) {
//		l, _ := n.Host("proxy").Listen("tcp", "127.0.0.1:80")
//		go serve(l) // the code under test
//		c, err := n.Host("client").Dial("tcp", "127.0.0.1:80")
//		...
//		l.Close()
//	})
//
// An operation is named by the connection, listener or host that it belongs to,
// by what it does and by how many-th of its kind it is ("conn 2 server read 3"),
// never by when it arrived. Connections count in the order in which their dials are
// released. Writes and dials have two steps, the effect and the return: others may
// see the effect before the caller goes on. Close does not park, because code
// holds mutexes over it; what does not park is applied in the order of names.
//
// Time is the bubble's, and the world's is the same. Deadlines are exact unless the
// source makes them late ([faults.Timer]).
//
// The race detector sees only what the network orders, so -race finds the data
// races of the code under test and never one of this package's.
//
// The README tells what code must not do to be repeatable.
package fakenet
