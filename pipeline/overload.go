package pipeline

import (
	"math"
	"sync/atomic"
)

// Overload is what an overload manager asks of the listeners that have it in their
// config (Envoy envoy.overload_actions.reject_incoming_connections). To stop
// accepting altogether, see [ListenerManager.DisableListeners]. Any goroutine may
// call its methods.
type Overload struct {
	draw     func() float64
	fraction atomic.Uint64 // bits of a float64
}

// NewOverload returns an overload state that rejects nothing. draw returns numbers
// from 0 up to but not 1; it is called by all workers, once for each accepted socket,
// and only while the fraction is neither 0 nor 1.
func NewOverload(draw func() float64) *Overload { return &Overload{draw: draw} }

// SetRejectFraction makes listeners close this part of what they accept, from 0 for
// nothing to 1 for everything.
func (o *Overload) SetRejectFraction(fraction float64) {
	o.fraction.Store(math.Float64bits(fraction))
}

// reject says whether the next socket is one of them.
func (o *Overload) reject() bool {
	if o == nil {
		return false
	}
	fraction := math.Float64frombits(o.fraction.Load())
	switch {
	case !(fraction > 0):
		return false
	case fraction >= 1:
		return true
	}
	return o.draw() < fraction
}
