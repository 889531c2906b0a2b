package main

import (
	"testing"
	"time"

	"edgewise.test/pipeline/localratelimit"
)

// The parts of the workers are together what was asked for.
func TestRateLimitParts(t *testing.T) {
	for workers := 1; workers <= 9; workers++ {
		for _, whole := range []localratelimit.Config{
			{MaxTokens: 100, TokensPerFill: 10, FillInterval: time.Second},
			{MaxTokens: 9, TokensPerFill: 1, FillInterval: 50 * time.Millisecond},
			{MaxTokens: 1000, TokensPerFill: 7, FillInterval: time.Minute},
		} {
			var tokens uint32
			var perSecond float64
			for i := range workers {
				part := rateLimitPart(whole, i, workers)
				tokens += part.MaxTokens
				perSecond += float64(part.TokensPerFill) / part.FillInterval.Seconds()
				if _, err := localratelimit.New(part); err != nil {
					t.Errorf("%+v: worker %d of %d: %v", whole, i, workers, err)
				}
			}
			want := float64(whole.TokensPerFill) / whole.FillInterval.Seconds()
			if tokens != whole.MaxTokens || perSecond < 0.999*want || perSecond > 1.001*want {
				t.Errorf("%+v: %d workers: got %d tokens and %g per second, want %d and %g", whole, workers, tokens, perSecond, whole.MaxTokens, want)
			}
		}
	}
}
