package main

import (
	"cmp"
	"slices"
	"strconv"
)

// zoo is every entry, in the order of the ids.
var zoo = sorted(identities, accepted, inspected, filtered, connected, relayed, shared, dispatched)

func sorted(families ...[]entry) []entry {
	all := slices.Concat(families...)
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.id[0], b.id[0]), cmp.Compare(a.id.number(), b.id.number()))
	})
	return all
}

func (i id) number() int {
	n, _ := strconv.Atoi(string(i[1:]))
	return n
}

// absent are the bugs of the catalogue that can not be planted, with the reason.
var absent = []struct {
	id  id
	why string
}{
	{"B25", "accept with an address of length 0 is macOS's; the vocabulary and the fake are Linux's"},
	{"C10", "after a peek that showed bytes Linux reads them, whatever else has happened; nothing lets a lone reader's read fail"},
	{"C26", "a hello in two TLS records is an input and not a schedule; package tlsinspector has tests and a fuzz target for it"},
	{"D4", "a hang-up or RDHUP that is told while a connect is on its way: the fake tells what poll sees at the time of the wait, and has no stray bits but IN (spurious)"},
	{"L5", "a read that returns 0 after a peek that showed bytes needs a second reader"},
	{"L7", "Linux does not let recv on a nonblocking socket end with EINTR, and neither does the fake"},
	{"L11", "setsockopt(TCP_NODELAY) does not fail on a Linux TCP socket; there is no choice for it"},
}
