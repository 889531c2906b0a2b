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
}

func scenarioNamed(name string) (scenario, bool) {
	for _, s := range scenarios {
		if s.name == name {
			return s, true
		}
	}
	return scenario{}, false
}
