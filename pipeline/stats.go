package pipeline

import (
	"fmt"
	"slices"
	"strings"
)

// ListenerStats are the counters of one listener on one worker. They are plain
// numbers that belong to the loop's goroutine. The comment of each is its name
// behind "listener.<stat prefix>."; those marked + are not Envoy's, but let the
// laws of [CheckConservation] be stated.
type ListenerStats struct {
	Accepted       uint64 // + downstream_cx_accepted: sockets that accept(2) gave
	AcceptRetry    uint64 // + downstream_accept_retry: accept errors that concern one connection
	AcceptResource uint64 // + downstream_accept_resource: out of descriptors or memory; accepting paused
	AcceptError    uint64 // + downstream_accept_error: any other error; accepting paused

	GlobalCxOverflow uint64 // downstream_global_cx_overflow: closed over the global connection limit
	CxOverloadReject uint64 // downstream_cx_overload_reject: closed for the overload manager
	CxOverflow       uint64 // downstream_cx_overflow: closed over the connection limit
	CxHandedIn       uint64 // + downstream_cx_handed_in: sockets from the listener that accepted them
	CxRebalanced     uint64 // + downstream_cx_rebalanced: sockets that went to another worker
	CxTakenOver      uint64 // + downstream_cx_taken_over: sockets that came from another worker

	PreCxTotal            uint64 // + downstream_pre_cx_total: sockets that started the listener filters
	PreCxActive           uint64 // downstream_pre_cx_active, a gauge: sockets in listener filters
	PreCxConnected        uint64 // + downstream_pre_cx_connected: sockets that left them to become a connection
	PreCxTimeout          uint64 // downstream_pre_cx_timeout: sockets that took too long
	PreCxTimeoutContinued uint64 // + downstream_pre_cx_timeout_continued: of these, connected all the same
	PreCxHandedOff        uint64 // + downstream_pre_cx_handed_off: sockets that another listener got
	PreCxRemoved          uint64 // + downstream_pre_cx_removed: sockets closed with the listener
	FilterReject          uint64 // + downstream_listener_filter_reject: sockets that a filter refused
	FilterRemoteClose     uint64 // downstream_listener_filter_remote_close: the peer ended the stream
	FilterError           uint64 // downstream_listener_filter_error: reset by the peer, or a system call failed

	NoFilterChainMatch            uint64 // no_filter_chain_match
	NetworkExtensionConfigMissing uint64 // network_extension_config_missing: a chain gave no read filter
	TransportConnectTimeout       uint64 // downstream_cx_transport_socket_connect_timeout
	CxTotal                       uint64 // downstream_cx_total
	CxActive                      uint64 // downstream_cx_active, a gauge
	CxDestroy                     uint64 // downstream_cx_destroy
}

// Snapshot returns the counters under "listener.<prefix>.".
func (s *ListenerStats) Snapshot(prefix string) Snapshot {
	return prefixed("listener."+prefix+".", []Stat{
		{"downstream_accept_error", s.AcceptError},
		{"downstream_accept_resource", s.AcceptResource},
		{"downstream_accept_retry", s.AcceptRetry},
		{"downstream_cx_accepted", s.Accepted},
		{"downstream_cx_active", s.CxActive},
		{"downstream_cx_destroy", s.CxDestroy},
		{"downstream_cx_handed_in", s.CxHandedIn},
		{"downstream_cx_overflow", s.CxOverflow},
		{"downstream_cx_overload_reject", s.CxOverloadReject},
		{"downstream_cx_rebalanced", s.CxRebalanced},
		{"downstream_cx_taken_over", s.CxTakenOver},
		{"downstream_cx_total", s.CxTotal},
		{"downstream_cx_transport_socket_connect_timeout", s.TransportConnectTimeout},
		{"downstream_global_cx_overflow", s.GlobalCxOverflow},
		{"downstream_listener_filter_error", s.FilterError},
		{"downstream_listener_filter_reject", s.FilterReject},
		{"downstream_listener_filter_remote_close", s.FilterRemoteClose},
		{"downstream_pre_cx_active", s.PreCxActive},
		{"downstream_pre_cx_connected", s.PreCxConnected},
		{"downstream_pre_cx_handed_off", s.PreCxHandedOff},
		{"downstream_pre_cx_removed", s.PreCxRemoved},
		{"downstream_pre_cx_timeout", s.PreCxTimeout},
		{"downstream_pre_cx_timeout_continued", s.PreCxTimeoutContinued},
		{"downstream_pre_cx_total", s.PreCxTotal},
		{"network_extension_config_missing", s.NetworkExtensionConfigMissing},
		{"no_filter_chain_match", s.NoFilterChainMatch},
	})
}

// Stat is one counter or gauge.
type Stat struct {
	Name  string
	Value uint64
}

// Snapshot is a set of counters, sorted by name, each name once.
type Snapshot []Stat

// prefixed is MakeSnapshot with prefix before each name. The names are parts of one
// string: a test takes snapshots of thousands of listeners.
func prefixed(prefix string, stats []Stat) Snapshot {
	size := 0
	for _, s := range stats {
		size += len(prefix) + len(s.Name)
	}
	var names strings.Builder
	names.Grow(size)
	for _, s := range stats {
		names.WriteString(prefix)
		names.WriteString(s.Name)
	}
	rest := names.String()
	for i := range stats {
		n := len(prefix) + len(stats[i].Name)
		stats[i].Name, rest = rest[:n], rest[n:]
	}
	return MakeSnapshot(stats...)
}

// MakeSnapshot sorts stats and adds up those with the same name. It changes stats.
func MakeSnapshot(stats ...Stat) Snapshot {
	byName := func(a, b Stat) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(stats, byName) {
		slices.SortStableFunc(stats, byName)
	}
	out := stats[:0]
	for _, s := range stats {
		if n := len(out); n > 0 && out[n-1].Name == s.Name {
			out[n-1].Value += s.Value
		} else {
			out = append(out, s)
		}
	}
	return out
}

// MergeSnapshots adds up the snapshots, for instance those of several workers.
func MergeSnapshots(snapshots ...Snapshot) Snapshot {
	return MakeSnapshot(slices.Concat(snapshots...)...)
}

// Get returns the value of name, 0 when it is not there.
func (s Snapshot) Get(name string) uint64 {
	i, ok := slices.BinarySearchFunc(s, name, func(a Stat, name string) int { return strings.Compare(a.Name, name) })
	if !ok {
		return 0
	}
	return s[i].Value
}

// String has one line "name: value" per counter, as Envoy's /stats.
func (s Snapshot) String() string {
	var b strings.Builder
	for _, stat := range s {
		fmt.Fprintf(&b, "%s: %d\n", stat.Name, stat.Value)
	}
	return b.String()
}
