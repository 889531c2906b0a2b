package main

import (
	"slices"

	"edgewise.test/pipeline"
)

// listenerFilter is envoy.config.listener.v3.ListenerFilter.
type listenerFilter struct {
	name     string
	revision string
	// disabled is nil for a filter that is never.
	disabled pipeline.ListenerFilterMatcher
	// build makes the filter of one worker out of several.
	build func(worker, workers int) filterPart
}

// filterPart makes the listener filters of one worker, and counts for them.
type filterPart interface {
	Filter() pipeline.ListenerFilter
	Snapshot() pipeline.Snapshot
}

// uncounted is a filter without counters.
type uncounted struct {
	factory pipeline.ListenerFilterFactory
}

func (u uncounted) Filter() pipeline.ListenerFilter { return u.factory() }

func (u uncounted) Snapshot() pipeline.Snapshot { return nil }

// readFilter reads the configuration of one kind of listener filter.
type readFilter func(n node) func(worker, workers int) filterPart

var listenerFilterKinds = []struct {
	extension
	read readFilter
}{
	{httpInspector, readHTTPInspector},
	{localRateLimit, readLocalRateLimit},
	{originalDst, readOriginalDst},
	{originalSrc, readOriginalSrc},
	{proxyProtocol, readProxyProtocol},
	{tlsInspector, readTLSInspector},
}

func readListenerFilters(n node) []listenerFilter {
	var filters []listenerFilter
	for _, n := range n.list() {
		f := readListenerFilter(n)
		if slices.ContainsFunc(filters, func(other listenerFilter) bool { return f.name != "" && other.name == f.name }) {
			n.fail("%s is there already", f.name)
		}
		filters = append(filters, f)
	}
	return filters
}

func readListenerFilter(n node) listenerFilter {
	field := n.object("name", "typed_config", "filter_disabled")
	f := listenerFilter{revision: n.canonical()}
	var names []string
	for _, kind := range listenerFilterKinds {
		names = append(names, kind.name)
	}
	f.name = field("name").required().oneOf(names...)
	if n := field("filter_disabled"); n.present() {
		f.disabled = readPredicate(n)
	}
	for _, kind := range listenerFilterKinds {
		if kind.name == f.name {
			f.build = kind.read(field("typed_config"))
		}
	}
	return f
}

// readPredicate is envoy.config.listener.v3.ListenerFilterChainMatchPredicate.
func readPredicate(n node) pipeline.ListenerFilterMatcher {
	field := n.object("or_match", "and_match", "not_match", "any_match", "destination_port_range")
	rules := func(n node) (matchers []pipeline.ListenerFilterMatcher) {
		for _, n := range n.object("rules")("rules").atLeastOne() {
			matchers = append(matchers, readPredicate(n))
		}
		return matchers
	}
	switch name := n.only("or_match", "and_match", "not_match", "any_match", "destination_port_range"); name {
	case "or_match":
		return pipeline.MatchOr(rules(field(name))...)
	case "and_match":
		return pipeline.MatchAnd(rules(field(name))...)
	case "not_match":
		return pipeline.MatchNot(readPredicate(field(name)))
	case "any_match":
		if !field(name).bool() {
			field(name).fail("want true")
		}
		return pipeline.MatchAny()
	case "destination_port_range":
		ports := field(name).object("start", "end")
		return pipeline.MatchDestinationPort(int(ports("start").required().uint32()), int(ports("end").required().uint32()))
	}
	n.fail("missing")
	return nil
}
