package localratelimit

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	type step struct {
		at   time.Duration
		took int // of ten takes
	}
	for _, c := range []struct {
		name   string
		bucket bucket
		steps  []step
	}{
		{"full at the start", bucket{max: 3, perFill: 1, interval: time.Second}, []step{{5 * time.Second, 3}}},
		{"one token per interval", bucket{max: 3, perFill: 1, interval: time.Second},
			[]step{{0, 3}, {time.Second - 1, 0}, {time.Second, 1}, {time.Second, 0}, {3 * time.Second, 2}}},
		{"no more than fits", bucket{max: 3, perFill: 2, interval: time.Second}, []step{{0, 3}, {time.Second, 2}, {time.Hour, 3}}},
		{"a part of an interval is not lost", bucket{max: 3, perFill: 1, interval: time.Second},
			[]step{{0, 3}, {1500 * time.Millisecond, 1}, {2 * time.Second, 1}}},
		{"the grid goes on while the bucket is full", bucket{max: 1, perFill: 1, interval: time.Second},
			[]step{{0, 1}, {9500 * time.Millisecond, 1}, {10 * time.Second, 1}}},
		{"numbers do not overflow", bucket{max: math.MaxUint32, perFill: math.MaxUint32, interval: 1}, []step{{0, 10}, {math.MaxInt64, 10}}},
	} {
		b := c.bucket
		for _, s := range c.steps {
			took := 0
			for range 10 {
				if b.take(s.at) {
					took++
				}
			}
			if took != s.took {
				t.Errorf("%s: at %v: got %d tokens, want %d", c.name, s.at, took, s.took)
			}
		}
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{StatPrefix: "edge", MaxTokens: 1, FillInterval: MinFillInterval}, "<nil>"},
		{Config{StatPrefix: "edge", FillInterval: time.Second}, `local rate limit "edge": max_tokens: got 0, want at least 1`},
		{Config{StatPrefix: "edge", MaxTokens: 1}, `local rate limit "edge": fill_interval: got 0s, want at least 50ms`},
		{Config{StatPrefix: "edge", MaxTokens: 1, FillInterval: MinFillInterval - 1}, `local rate limit "edge": fill_interval: got 49.999999ms, want at least 50ms`},
	} {
		_, err := New(c.config)
		if got := fmt.Sprint(err); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.config, got, c.want)
		}
	}
}

// FuzzBucket invariant: the bucket is a twin that is filled by a clock which ticks
// once per interval. Each byte of script lets so much time pass and takes a token.
func FuzzBucket(f *testing.F) {
	f.Add(uint8(3), uint8(1), uint8(10), []byte{0, 0, 0, 0, 9, 1, 10, 50, 0, 0, 0, 0})
	f.Add(uint8(1), uint8(5), uint8(1), []byte{0, 1, 0, 255})
	f.Fuzz(func(t *testing.T, capacity, perFill, interval uint8, script []byte) {
		if capacity == 0 || perFill == 0 || interval == 0 {
			return
		}
		b := bucket{max: uint32(capacity), perFill: uint32(perFill), interval: time.Duration(interval)}
		now, tokens, sinceFill, started := time.Duration(7), int(capacity), 0, false
		for n, pass := range script {
			for range pass {
				now++
				if sinceFill++; started && sinceFill == int(interval) {
					sinceFill, tokens = 0, min(tokens+int(perFill), int(capacity))
				}
			}
			if !started {
				started, sinceFill = true, 0
			}
			want := tokens > 0
			if want {
				tokens--
			}
			if got := b.take(now); got != want {
				t.Fatalf("take %d at %v: got %v, want %v", n+1, now, got, want)
			}
		}
	})
}
