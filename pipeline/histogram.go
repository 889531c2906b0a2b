package pipeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// histogramBounds are the upper ends of Envoy's default buckets, inclusive. What is
// above the last is in a bucket of its own.
var histogramBounds = [...]float64{0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000}

// Histogram counts values by size. The zero value is empty.
type Histogram struct {
	Buckets [len(histogramBounds) + 1]uint64 // not cumulative
	Sum     float64
}

// Record counts v.
func (h *Histogram) Record(v float64) {
	i, _ := slices.BinarySearch(histogramBounds[:], v)
	h.Buckets[i]++
	h.Sum += v
}

// Count is how many values there are.
func (h *Histogram) Count() (n uint64) {
	for _, b := range h.Buckets {
		n += b
	}
	return n
}

func (h *Histogram) add(other *Histogram) {
	for i, b := range other.Buckets {
		h.Buckets[i] += b
	}
	h.Sum += other.Sum
}

// NamedHistogram is a copy of a histogram under its name.
type NamedHistogram struct {
	Name string
	Histogram
}

// MergeHistograms sorts by name and adds up those with the same.
func MergeHistograms(sets ...[]NamedHistogram) []NamedHistogram {
	all := slices.Concat(sets...)
	slices.SortStableFunc(all, func(a, b NamedHistogram) int { return strings.Compare(a.Name, b.Name) })
	out := all[:0]
	for _, h := range all {
		if n := len(out); n > 0 && out[n-1].Name == h.Name {
			out[n-1].add(&h.Histogram)
		} else {
			out = append(out, h)
		}
	}
	return out
}

// boundText is the upper end of bucket i, without an exponent.
func boundText(i int) string { return strconv.FormatFloat(histogramBounds[i], 'f', -1, 64) }

// String has the name, count, sum and buckets that are not empty in one line.
func (h NamedHistogram) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: count %d sum %g", h.Name, h.Count(), h.Sum)
	for i, n := range h.Buckets {
		switch {
		case n == 0:
		case i == len(histogramBounds):
			fmt.Fprintf(&b, " more:%d", n)
		default:
			fmt.Fprintf(&b, " %s:%d", boundText(i), n)
		}
	}
	return b.String()
}
