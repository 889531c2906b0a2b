package main

import (
	"edgewise.test/fakepoller"
	"edgewise.test/proptest"
)

// id names a bug as the catalogue does: A1, B2, L3. The empty id is a host
// without a bug.
type id string

const none id = ""

// entry is one bug: where it really happened, and a scenario that a user would
// write without knowing of it.
type entry struct {
	id    id
	what  string   // one line
	links []string // where it happened
	// class begins the class of the failure: an auditor's finding, or the first
	// word of the assertion.
	class string
	// deviations is how many the minimal plan has. 0: the bug needs nothing to
	// go wrong, as in the original.
	deviations int
	world      fakepoller.Config
	// play is the scenario, with the host's bug or with none.
	play func(s stage, bug id)
	// portable scenarios play on real epoll as well (onLoopback).
	portable bool
}

// maxSteps ends a run that does not end by itself. Runs take a few hundred calls.
const maxSteps = 20_000

// scenario is the entry's scenario for a search.
func (e *entry) scenario(bug bool) func(*proptest.World) {
	planted := none
	if bug {
		planted = e.id
	}
	return func(w *proptest.World) { e.play(&fake{World: w}, planted) }
}

// config is a search for the entry's bug, or in its host without it.
func (e *entry) config(bug bool) proptest.Config {
	c := proptest.Config{Scenario: e.scenario(bug), World: e.world}
	if c.World.MaxSteps == 0 {
		c.World.MaxSteps = maxSteps
	}
	return c
}
