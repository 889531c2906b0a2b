package pipeline

import (
	"fmt"
	"slices"
	"strings"
)

// law says that two sums of counters are equal: whatever begins is counted in
// exactly one of the ways in which it can end, or is still going on.
type law struct {
	name        string
	marker      string // a prefix before this obeys the law
	left, right []string
}

var laws = []law{{
	name:   "each accepted socket is refused or inspected",
	marker: ".downstream_cx_accepted",
	left:   []string{"downstream_cx_accepted", "downstream_cx_handed_in", "downstream_cx_taken_over"},
	right: []string{
		"downstream_global_cx_overflow", "downstream_cx_overload_reject", "downstream_cx_overflow", "downstream_cx_rebalanced", "downstream_pre_cx_total",
	},
}, {
	name:   "each socket that went to another worker got there, or its listener was gone",
	marker: ".downstream_cx_rebalance_in_flight",
	left:   []string{"downstream_cx_rebalanced"},
	right:  []string{"downstream_cx_taken_over", "downstream_cx_rebalance_dropped", "downstream_cx_rebalance_in_flight"},
}, {
	name:   "each inspected socket ends in one way",
	marker: ".downstream_pre_cx_total",
	left:   []string{"downstream_pre_cx_total", "downstream_pre_cx_timeout_continued"},
	right: []string{
		"downstream_pre_cx_active", "downstream_pre_cx_connected", "downstream_pre_cx_timeout", "downstream_pre_cx_handed_off", "downstream_pre_cx_removed",
		"downstream_listener_filter_reject", "downstream_listener_filter_remote_close", "downstream_listener_filter_error",
	},
}, {
	name:   "each socket that leaves the listener filters finds a filter chain or is counted",
	marker: ".downstream_pre_cx_connected",
	left:   []string{"downstream_pre_cx_connected"},
	right:  []string{"no_filter_chain_match", "downstream_cx_total"},
}, {
	name:   "each downstream connection is active or destroyed",
	marker: ".downstream_cx_destroy",
	left:   []string{"downstream_cx_total"},
	right:  []string{"downstream_cx_active", "downstream_cx_destroy"},
}, {
	name:   "each upstream connection is active or destroyed",
	marker: ".upstream_cx_destroy",
	left:   []string{"upstream_cx_total"},
	right:  []string{"upstream_cx_active", "upstream_cx_destroy"},
}}

// gauges end at 0.
var gauges = []string{".downstream_pre_cx_active", ".downstream_cx_active", ".upstream_cx_active", ".downstream_cx_rebalance_in_flight"}

// CheckConservation returns an error that names the first law of counting which s
// breaks, with the numbers. The laws hold between any two callbacks of a loop, for
// each listener and cluster and for sums over workers; those about sockets that go
// from worker to worker only for the sum over all, taken while no worker runs.
func CheckConservation(s Snapshot) error {
	var group Snapshot // what is under groupPrefix; most laws are about the same
	var groupPrefix string
	for _, l := range laws {
		for _, stat := range s {
			prefix, ok := strings.CutSuffix(stat.Name, l.marker)
			if !ok {
				continue
			}
			if group == nil || prefix != groupPrefix {
				group, groupPrefix = s.under(prefix), prefix
			}
			left, right := group.sum(len(prefix)+1, l.left), group.sum(len(prefix)+1, l.right)
			if left != right {
				return fmt.Errorf("%s: %s: %s = %d, but %s = %d", prefix, l.name,
					strings.Join(l.left, " + "), left, strings.Join(l.right, " + "), right)
			}
		}
	}
	return nil
}

// CheckEnded is CheckConservation for when everything is over: no gauge is left.
func CheckEnded(s Snapshot) error {
	if err := CheckConservation(s); err != nil {
		return err
	}
	for _, stat := range s {
		for _, gauge := range gauges {
			if stat.Value != 0 && strings.HasSuffix(stat.Name, gauge) {
				return fmt.Errorf("%s: got %d, want 0 at the end", stat.Name, stat.Value)
			}
		}
	}
	return nil
}

// under returns what has prefix and a dot before its name.
func (s Snapshot) under(prefix string) Snapshot {
	from, _ := slices.BinarySearchFunc(s, prefix+".", func(a Stat, p string) int { return strings.Compare(a.Name, p) })
	to, _ := slices.BinarySearchFunc(s, prefix+"/", func(a Stat, p string) int { return strings.Compare(a.Name, p) })
	return s[from:to] // '/' is what follows '.'
}

// sum adds up the counters with these names behind the first n bytes, which all of s
// have in common.
func (s Snapshot) sum(n int, names []string) (total uint64) {
	for _, name := range names {
		i, ok := slices.BinarySearchFunc(s, name, func(a Stat, name string) int { return strings.Compare(a.Name[n:], name) })
		if ok {
			total += s[i].Value
		}
	}
	return total
}
