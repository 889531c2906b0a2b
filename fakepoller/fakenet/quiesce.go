package fakenet

import (
	"runtime"
	"runtime/metrics"
)

// metricsQuiesce returns a function that waits until all other goroutines of the
// process wait for something. It asks twice: between two looks a goroutine may be
// on its way from one list to another.
func metricsQuiesce() func() {
	samples := []metrics.Sample{
		{Name: "/sched/goroutines/running:goroutines"},
		{Name: "/sched/goroutines/runnable:goroutines"},
		{Name: "/sched/goroutines/not-in-go:goroutines"},
	}
	return func() {
		for quiet := 0; quiet < 2; {
			runtime.Gosched()
			metrics.Read(samples)
			if samples[0].Value.Uint64() <= 1 && samples[1].Value.Uint64() == 0 && samples[2].Value.Uint64() == 0 {
				quiet++
			} else {
				quiet = 0
			}
		}
	}
}
