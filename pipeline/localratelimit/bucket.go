package localratelimit

import (
	"math"
	"time"
)

// bucket is a token bucket (Envoy TokenBucket) that is filled in whole steps, the
// first one an interval after the first take.
type bucket struct {
	max, perFill uint32
	interval     time.Duration

	started  bool
	tokens   uint32
	lastFill time.Duration
}

// take takes a token, if there is one. now never goes back.
func (b *bucket) take(now time.Duration) bool {
	b.fill(now)
	if b.tokens == 0 {
		return false
	}
	b.tokens--
	return true
}

func (b *bucket) fill(now time.Duration) {
	if !b.started {
		b.started, b.tokens, b.lastFill = true, b.max, now
		return
	}
	fills := (now - b.lastFill) / b.interval
	b.lastFill += fills * b.interval
	// At most 2^31 * 2^32 and 2^32 more: no overflow.
	added := uint64(min(fills, math.MaxInt32)) * uint64(b.perFill)
	b.tokens = uint32(min(uint64(b.tokens)+added, uint64(b.max)))
}
