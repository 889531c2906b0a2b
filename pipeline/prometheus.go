package pipeline

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// WritePrometheus writes counters and histograms in the text exposition format of
// Prometheus (version 0.0.4), with Envoy's names: what stands for a listener, a
// cluster or a prefix becomes a label (Envoy well_known_names.cc, admin
// prometheus_stats.cc).
func WritePrometheus(w io.Writer, s Snapshot, histograms ...NamedHistogram) error {
	type sample struct{ metric, label, name string }
	samples := make([]sample, 0, len(s))
	values := make(map[sample]uint64, len(s))
	for _, stat := range s {
		metric, label := prometheusName(stat.Name)
		one := sample{metric, label, stat.Name}
		samples = append(samples, one)
		values[one] = stat.Value
	}
	// A metric's samples stand together, under one TYPE.
	slices.SortFunc(samples, func(a, b sample) int {
		return strings.Compare(a.metric+"\x00"+a.label, b.metric+"\x00"+b.label)
	})
	out := bufio.NewWriter(w)
	for i, one := range samples {
		if i == 0 || samples[i-1].metric != one.metric {
			fmt.Fprintf(out, "# TYPE %s %s\n", one.metric, prometheusType(one.name))
		}
		fmt.Fprintf(out, "%s{%s} %d\n", one.metric, one.label, values[one])
	}
	type named struct {
		metric, label string
		histogram     *Histogram
	}
	var all []named
	for i := range histograms {
		metric, label := prometheusName(histograms[i].Name)
		all = append(all, named{metric, label, &histograms[i].Histogram})
	}
	slices.SortStableFunc(all, func(a, b named) int { return strings.Compare(a.metric+"\x00"+a.label, b.metric+"\x00"+b.label) })
	for i, h := range all {
		if i == 0 || all[i-1].metric != h.metric {
			fmt.Fprintf(out, "# TYPE %s histogram\n", h.metric)
		}
		writeBuckets(out, h.metric, h.label, h.histogram)
	}
	return out.Flush()
}

func writeBuckets(out io.Writer, metric, label string, h *Histogram) {
	separator := ""
	if label != "" {
		separator = ","
	}
	cumulative := uint64(0)
	for i := range histogramBounds {
		cumulative += h.Buckets[i]
		fmt.Fprintf(out, "%s_bucket{%s%sle=\"%s\"} %d\n", metric, label, separator, boundText(i), cumulative)
	}
	fmt.Fprintf(out, "%s_bucket{%s%sle=\"+Inf\"} %d\n", metric, label, separator, h.Count())
	fmt.Fprintf(out, "%s_sum{%s} %g\n%s_count{%s} %d\n", metric, label, h.Sum, metric, label, h.Count())
}

// labelled are the scopes with a name of the user's behind them.
var labelled = [...]struct{ scope, label string }{
	{"listener", "envoy_listener_address"},
	{"cluster", "envoy_cluster_name"},
	{"tcp", "envoy_tcp_prefix"},
	{"listener_local_ratelimit", "envoy_local_listener_ratelimit_prefix"},
}

// prometheusName splits "listener.<address>.downstream_cx_total" into the name of
// the metric and the label. The user's name may have dots in it; what is behind it
// has none, but for the scope of the transport socket.
func prometheusName(name string) (metric, label string) {
	for _, l := range labelled {
		rest, ok := strings.CutPrefix(name, l.scope+".")
		if !ok {
			continue
		}
		end := strings.LastIndex(rest, ".ssl.")
		if end < 0 {
			end = strings.LastIndexByte(rest, '.')
		}
		if end < 0 {
			break
		}
		return "envoy_" + sanitize(l.scope+"_"+rest[end+1:]), l.label + `="` + labelEscapes.Replace(rest[:end]) + `"`
	}
	return "envoy_" + sanitize(name), ""
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func sanitize(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, name)
}

// prometheusType tells gauges, which may go down, by Envoy's ways to name them.
func prometheusType(name string) string {
	if strings.HasSuffix(name, "_active") || strings.HasSuffix(name, "_draining") || strings.HasSuffix(name, "_in_flight") {
		return "gauge"
	}
	return "counter"
}
