package pipeline

import (
	"math"
	"sync/atomic"
)

// Limit bounds how many of something there are at one time, over all workers that
// share it. A unit is taken at the check, so that two workers can not both have the
// last one. Any goroutine may call its methods. A nil Limit has no bound.
type Limit struct {
	max  int64
	used atomic.Int64
}

// NewLimit returns a limit of max units. 0 and below admit nothing.
func NewLimit(max int) *Limit { return &Limit{max: int64(max)} }

// newUnlimited counts without a bound.
func newUnlimited() *Limit { return &Limit{max: math.MaxInt64} }

// Allocate takes a unit, unless all are taken.
func (l *Limit) Allocate() bool {
	if l == nil {
		return true
	}
	if l.used.Add(1) > l.max {
		l.used.Add(-1)
		return false
	}
	return true
}

// Release gives back a unit that Allocate has taken.
func (l *Limit) Release() {
	if l == nil {
		return
	}
	if l.used.Add(-1) < 0 {
		panic("pipeline: Limit.Release of a unit that was not allocated")
	}
}

// Used is how many units are taken.
func (l *Limit) Used() int {
	if l == nil {
		return 0
	}
	return int(l.used.Load())
}
