package main

import (
	"slices"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/tcpproxy"
)

// counted is something that counts.
type counted interface{ Snapshot() pipeline.Snapshot }

// parts are what the connections of one worker are made with, by configuration: a
// part whose configuration is the same goes on counting after a reload. The zero
// value is empty.
type parts struct {
	byKey      map[string]*usedPart
	keys       []string // of byKey, in order of appearance
	generation int      // how many configurations there were
	retired    pipeline.Snapshot
}

type usedPart struct {
	counted
	generation int // the last that has used it
}

// partOf returns the part of a key, which make makes if it is not there.
func partOf[T counted](p *parts, key string, make func() T) T {
	used, ok := p.byKey[key]
	if !ok {
		if p.byKey == nil {
			p.byKey = map[string]*usedPart{}
		}
		used = &usedPart{counted: make()}
		p.byKey[key] = used
		p.keys = append(p.keys, key)
	}
	used.generation = p.generation
	return used.counted.(T)
}

// retire drops what only generations before this one have used, but for its
// counters. It says whether something is still busy, and is to be retired later.
func (p *parts) retire(generation int) (busy bool) {
	p.keys = slices.DeleteFunc(p.keys, func(key string) bool {
		used := p.byKey[key]
		if used.generation >= generation {
			return false
		}
		if used.busy() {
			busy = true
			return false
		}
		p.retired = pipeline.MergeSnapshots(p.retired, used.Snapshot())
		delete(p.byKey, key)
		return true
	})
	return busy
}

// busy says whether there are upstream connections.
func (p *parts) busy() bool {
	return slices.ContainsFunc(p.keys, func(key string) bool { return p.byKey[key].busy() })
}

func (u *usedPart) busy() bool {
	c, ok := u.counted.(*tcpproxy.Cluster)
	return ok && c.Stats().CxActive > 0
}

func (p *parts) snapshot() pipeline.Snapshot {
	all := []pipeline.Snapshot{p.retired}
	for _, key := range p.keys {
		all = append(all, p.byKey[key].Snapshot())
	}
	return pipeline.MergeSnapshots(all...)
}
