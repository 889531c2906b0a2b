package fakepoller

import (
	"strconv"

	"edgewise.test/faults"
)

// kind is what an actor in a point's name is.
type kind uint8

const (
	kindWorld kind = iota
	kindTest
	kindWorker
	kindPeer
	kindListener
	kindConn   // the end that called connect
	kindServer // the end that was accepted
	kinds
)

// chooser is somebody who has choices: its name and how many it had of each kind.
type chooser struct {
	kind  kind
	last  uint16 // what happened to it last, for Coverage
	index int32  // from 1
	seq   *seqs  // nil: it had none
	view  *view  // nil: it is nobody who sees anything
}

// seqs counts choices by operation.
type seqs [32]int32

// next counts a choice of c at op.
func (w *World) next(c *chooser, op faults.Op) int {
	if c.seq == nil {
		c.seq = w.newSeqs()
	}
	c.seq[op]++
	return int(c.seq[op])
}

func (w *World) newSeqs() *seqs {
	n := len(w.freeSeqs)
	if n == 0 {
		return new(seqs)
	}
	s := w.freeSeqs[n-1]
	w.freeSeqs = w.freeSeqs[:n-1]
	return s
}

// dropSeqs gives back what newSeqs gave.
func (c *chooser) dropSeqs(w *World) {
	if c.seq != nil {
		*c.seq = seqs{}
		w.freeSeqs = append(w.freeSeqs, c.seq)
		c.seq = nil
	}
}

// nameTable has the words for those that have a number, by number. They are the same
// in every world.
type nameTable [kinds][]string

// name returns the actor's words in a point. Strings are made once.
func (w *World) name(c *chooser) string { return w.nameOf(c.kind, c.index) }

func (w *World) nameOf(k kind, index int32) string {
	switch k {
	case kindWorld:
		return "world"
	case kindTest:
		return "test"
	case kindPeer:
		return w.peers[index-1].name
	}
	if index == 0 {
		return "socket" // neither connected nor listening yet
	}
	known := &w.names[k]
	for int(index) > len(*known) {
		*known = append(*known, describe(k, len(*known)+1))
	}
	return (*known)[index-1]
}

func describe(k kind, index int) string {
	n := strconv.Itoa(index)
	switch k {
	case kindWorker:
		return "worker " + n
	case kindListener:
		return "listener " + n
	case kindServer:
		return "conn " + n + " server"
	}
	return "conn " + n
}
