// Package fakepoller is a deterministic kernel: it implements package poller in
// memory, in virtual time, and asks a [faults.Source] at every point where Linux,
// the network or the scheduler may go more than one way.
//
// A [World] holds processes with descriptor tables, the network between them, and
// actors. A [Worker] is one event loop's view of a process and implements
// [poller.System]; the code under test gets it in place of real epoll. A [Peer] is
// somebody at the other end.
//
// There are two ways to drive a world. By hand, the test itself is the worker and
// moves its peers; nothing runs but what it calls, and a Wait with nothing ready
// moves time:
//
//	w := fakepoller.New(fakepoller.Config{Trace: true})
//	k := w.NewWorker()
//	listener, err := poller.ListenTCP(k, addr, poller.ListenConfig{})
//	client, err := w.Hand("client").Dial(addr)
//	client.Write([]byte("hel"))
//	loop.Turn(0)
//
// With actors, workers and peers are straight-line code in coroutines, and
// [World.Run] lets them go on until nothing more can happen:
//
//	k.Go(func() { serve(k) })
//	w.Peer("client", func(p *fakepoller.Peer) { ... })
//	w.Run()
//
// Actors change places where they block and, if the source likes, before any
// boundary call. Time moves only when nobody can run. There are no goroutines, so
// a run depends on nothing but its source; [World.Digest] identifies it.
//
// What the kernel does is what Linux was measured to do. Package pollertest states
// it as cases that run on real epoll and here, and the tests compare random
// sequences of operations. FIDELITY.md lists the differences and what is left out.
//
// Auditors look for leaked and doubly closed descriptors, use after close,
// spinning, deadlock, runs that do not end and panics: see [World.Audit].
package fakepoller
