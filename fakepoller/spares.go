package fakepoller

import "iter"

// Spares keeps coroutines and memory of closed worlds for the next ones. Nothing of
// what was in it can be seen there. A search that makes many worlds one after the
// other on one goroutine shares one among them: a new coroutine costs a world more
// than anything else, and under the race detector the runtime never gives its memory
// back (5 KB each with Go 1.26). The zero value is empty. It must not be shared
// between goroutines, nor carried into a synctest bubble.
type Spares struct {
	coroutines []*coroutine
	socks      []*sock
	items      *item // linked by next
	seqs       []*seqs
	names      nameTable
}

// maxSpareSocks bounds the memory that a big world leaves.
const maxSpareSocks = 1024

// Stop ends the coroutines that are kept, and drops the rest. What is closed later is
// kept again.
func (s *Spares) Stop() {
	for _, co := range s.coroutines {
		co.stop()
	}
	*s = Spares{}
}

// lend gives a new world what there is.
func (s *Spares) lend(w *World) {
	if s == nil {
		w.names = new(nameTable)
		return
	}
	w.names = &s.names
	w.freeSocks, s.socks = s.socks, nil
	w.freeItems, s.items = s.items, nil
	w.freeSeqs, s.seqs = s.seqs, nil
}

// collect takes from a closed world what nobody can reach any more. Two that were open
// at a time do not get in each other's way.
func (s *Spares) collect(w *World) {
	if s == nil {
		return
	}
	w.self.dropSeqs(w)
	w.main.dropSeqs(w)
	for _, a := range w.actors {
		a.dropSeqs(w)
	}
	for _, k := range w.workers {
		k.dropSeqs(w)
	}
	for _, p := range w.peers {
		p.self.dropSeqs(w)
	}
	if len(s.socks) < len(w.freeSocks) {
		s.socks = w.freeSocks[:min(len(w.freeSocks), maxSpareSocks)]
		clear(w.freeSocks[len(s.socks):])
	}
	if s.items == nil {
		s.items = w.freeItems
	}
	if len(s.seqs) < len(w.freeSeqs) {
		s.seqs = w.freeSeqs
	}
	w.freeSocks, w.freeItems, w.freeSeqs = nil, nil, nil
}

// coroutine runs one function after another.
type coroutine struct {
	resume func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	run    func() // nil: it has nothing to do
	unwind bool   // the function is to end where it stands
}

// take returns a coroutine that is to run f. With a nil s it is for f alone.
func (s *Spares) take(f func()) *coroutine {
	if s != nil && len(s.coroutines) > 0 {
		co := s.coroutines[len(s.coroutines)-1]
		s.coroutines = s.coroutines[:len(s.coroutines)-1]
		co.run = f
		return co
	}
	co := &coroutine{run: f}
	again := s != nil
	co.resume, co.stop = iter.Pull(func(yield func(struct{}) bool) {
		co.yield = yield
		for {
			co.run()
			co.run = nil
			if !again || !yield(struct{}{}) {
				return
			}
		}
	})
	return co
}

// give takes back a coroutine whose function has returned, or was never begun.
func (s *Spares) give(co *coroutine) {
	if s == nil {
		co.stop()
		return
	}
	co.run = nil
	s.coroutines = append(s.coroutines, co)
}

// end unwinds a coroutine in the middle of its function.
func (s *Spares) end(co *coroutine) {
	if s != nil {
		co.unwind = true
		co.resume()
		co.unwind = false
		if co.run == nil {
			s.give(co)
			return
		}
	}
	co.stop()
}
