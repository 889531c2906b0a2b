package fakepoller

// view is what somebody has seen of a run: the calls that it made and their
// results, in order. The workers of a process have one view together, because they
// share memory.
type view uint64

func (v *view) fold(x uint64) {
	*v = (*v ^ view(x)) * 0x9e3779b97f4a7c15
	*v ^= *v >> 29
}

// Views identifies what each process and each peer has seen of the run so far,
// times included. Two runs with equal Views differ at most in the order of calls
// that none of those who made them can tell; unlike Digest, which takes in that
// order. Memory that peers share with others is not looked into.
func (w *World) Views() uint64 {
	var all view
	for _, p := range w.processes {
		all.fold(uint64(p.view))
	}
	for _, p := range w.peers {
		all.fold(uint64(p.view))
	}
	return uint64(all)
}
