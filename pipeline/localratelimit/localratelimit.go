// Package localratelimit is the listener filter of Envoy's name (local_ratelimit):
// it closes new sockets, before anything is read from them, while a token bucket
// is empty.
//
// Envoy's bucket is shared by all workers of a process. A [Limiter] belongs to one
// loop, as everything here: it is shared by the listeners of that loop that get
// its Filter, and a limit for a process is to be divided by its workers.
package localratelimit

import (
	"fmt"
	"time"

	"edgewise.test/pipeline"
)

// MinFillInterval is the shortest fill interval, as in Envoy.
const MinFillInterval = 50 * time.Millisecond

// Config says how many connections may come. The names are Envoy's
// (local_ratelimit.proto, token_bucket.proto).
type Config struct {
	// StatPrefix names the counters, listener_local_ratelimit.<StatPrefix>.*.
	StatPrefix string
	// MaxTokens is what the bucket holds, also at the start. It is at least 1.
	MaxTokens uint32
	// TokensPerFill is what is added after each FillInterval. 0 means 1.
	TokensPerFill uint32
	// FillInterval is at least [MinFillInterval].
	FillInterval time.Duration
	// RuntimeEnabled is asked for each socket whether the limit is on. nil means
	// that it is. A socket that comes while it is off takes no token.
	RuntimeEnabled func() bool
}

// Stats are the counters of a limiter; the comment is the name behind
// "listener_local_ratelimit.<stat prefix>.".
type Stats struct {
	RateLimited uint64 // rate_limited: sockets that were closed
}

// Limiter is the filter with its bucket and counters.
type Limiter struct {
	config Config
	bucket bucket
	stats  Stats
}

// New returns a limiter with a full bucket.
func New(cfg Config) (*Limiter, error) {
	if cfg.TokensPerFill == 0 {
		cfg.TokensPerFill = 1
	}
	if cfg.MaxTokens == 0 {
		return nil, fmt.Errorf("local rate limit %q: max_tokens: got 0, want at least 1", cfg.StatPrefix)
	}
	if cfg.FillInterval < MinFillInterval {
		return nil, fmt.Errorf("local rate limit %q: fill_interval: got %v, want at least %v", cfg.StatPrefix, cfg.FillInterval, MinFillInterval)
	}
	return &Limiter{config: cfg, bucket: bucket{max: cfg.MaxTokens, perFill: cfg.TokensPerFill, interval: cfg.FillInterval}}, nil
}

// Filter returns a filter. It is a [pipeline.ListenerFilterFactory].
func (l *Limiter) Filter() pipeline.ListenerFilter { return filter{l} }

// Stats are the counters, live.
func (l *Limiter) Stats() *Stats { return &l.stats }

// Snapshot returns the counters by name.
func (l *Limiter) Snapshot() pipeline.Snapshot {
	return pipeline.MakeSnapshot(pipeline.Stat{
		Name: "listener_local_ratelimit." + l.config.StatPrefix + ".rate_limited", Value: l.stats.RateLimited,
	})
}

type filter struct{ limiter *Limiter }

func (f filter) OnAccept(cb pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	l := f.limiter
	if enabled := l.config.RuntimeEnabled; enabled != nil && !enabled() {
		return pipeline.Continue
	}
	if l.bucket.take(cb.Loop().Now()) {
		return pipeline.Continue
	}
	l.stats.RateLimited++
	cb.Socket().Close()
	return pipeline.StopIteration
}

func (filter) OnData(*pipeline.ListenerFilterBuffer) pipeline.FilterStatus { return pipeline.Continue }

func (filter) OnClose() {}

func (filter) MaxReadBytes() int { return 0 }
