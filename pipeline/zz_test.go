package pipeline_test

import "testing"

func BenchmarkFakeLives(b *testing.B) {
	fake := fakeLives(b)
	for b.Loop() {
		fake.one(b)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lives/s")
}
