package main

import "edgewise.test/proptest"

// scenario is something to hunt in.
type scenario struct {
	name string
	what string // one line
	bug  string // where it really happened
	run  func(fixed bool) func(*proptest.World)
}

// scenarios are listed in this order; the first is the default.
var scenarios = []scenario{
	{
		name: "hidden-reset",
		what: "a TLS inspector that does not see a reset behind queued bytes",
		bug:  "Envoy's listener filters with libevent: an event with EPOLLERR is delivered as readable only, a peek repeats the old bytes, and no further edge comes",
		run:  hiddenReset,
	},
	{
		name: "short-prefix",
		what: "a PROXY protocol filter that takes a short first segment for payload",
		bug:  "Envoy PR 18951: auto-detection can not tell a short prefix from a stream without a header, and forwards a split header as payload",
		run:  shortPrefix,
	},
	{
		name: "tlv-overrun",
		what: "a PROXY protocol filter that walks its TLVs into the payload",
		bug:  "HAProxy commit 488ee7fb6: the TLV walk was bounded by the received bytes and not by the length of the header",
		run:  tlvOverrun,
	},
}

func scenarioNamed(name string) (scenario, bool) {
	for _, s := range scenarios {
		if s.name == name {
			return s, true
		}
	}
	return scenario{}, false
}
