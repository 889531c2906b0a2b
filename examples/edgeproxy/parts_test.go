package main

import (
	"testing"

	"edgewise.test/pipeline"
)

// count is a part with one counter.
type count struct {
	name  string
	value uint64
}

func (c *count) Snapshot() pipeline.Snapshot {
	return pipeline.MakeSnapshot(pipeline.Stat{Name: c.name, Value: c.value})
}

// A counter never goes back, whatever configurations come and go.
func TestPartsCountOnOverGenerations(t *testing.T) {
	var p parts
	use := func(names ...string) {
		p.generation++
		for _, name := range names {
			partOf(&p, name, func() *count { return &count{name: name} }).value++
		}
	}
	wants := func(when string, a, b uint64, kept int) {
		t.Helper()
		s := p.snapshot()
		if s.Get("a") != a || s.Get("b") != b || len(p.keys) != kept || len(p.byKey) != kept {
			t.Errorf("%s: got a %d, b %d, %d parts; want %d, %d, %d", when, s.Get("a"), s.Get("b"), len(p.keys), a, b, kept)
		}
	}
	use("a", "b")
	use("a")
	wants("b is not used any more", 2, 1, 2)
	p.retire(2)
	wants("b is retired", 2, 1, 1)
	use("a", "b")
	wants("b is back", 3, 2, 2)
	p.retire(2)
	wants("what is used stays", 3, 2, 2)
	use("b")
	use("a", "b") // before a was retired
	p.retire(4)
	wants("a was away for a moment", 4, 4, 2)
}
