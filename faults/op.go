package faults

import "syscall"

// Op is an operation at which a world has a choice.
type Op uint8

// The operations. The comment says what an outcome above 0 means.
const (
	Run       Op = iota + 1 // another actor that can run goes first: pick k
	Pause                   // the caller loses its processor before a call for so long
	Accept                  // accept fails with an errno; the connection stays queued
	Connect                 // a connection attempt ends in an errno
	Handshake               // the TCP handshake takes so long
	Segment                 // only the first k bytes of a segment arrive; the rest follow as a segment of their own
	Delay                   // a segment arrives so much later
	Fin                     // a FIN, or the sender's own RST, arrives so much later
	Reset                   // the connection is reset before or after a segment arrives
	Room                    // a write takes only k bytes; the buffer then is full for a while
	Wait                    // a wait returns only k of the ready events
	Order                   // a wait returns the k-th ready event first
	Wake                    // a waiter runs so much later than it became ready
	Timer                   // a wait's time-out is so much late
	Interrupt               // a blocked wait ends with EINTR, at once, or later: when half of its timeout, or a second, has passed
	Spurious                // a wait reports IN with nothing to read
	Resource                // an allocating call fails with an errno
	Queue                   // a connection enters the accept queue so much later than its client sees it established
	Share                   // of listeners that share an address, the k-th next one gets a connection
	Waiter                  // of those that wait on one epoll, the k-th next one wakes
	Space                   // EPOLLOUT comes so much later than there is room
	Ack                     // the ACK of a FIN arrives so much later: two edges instead of one
	Empty                   // a wait that only looks returns nothing although something is ready

	opEnd
)

// Time outcomes are whole milliseconds up to MaxTime.
const MaxTime = 120_000

type unit uint8

const (
	unitPick   unit = iota // k-th alternative
	unitTime               // milliseconds
	unitBytes              // k bytes
	unitTaken              // k-1 bytes
	unitEvents             // k events
	unitErrno              // index into errnos, from 1
	unitWord               // index into words, from 1
)

type opInfo struct {
	name    string
	unit    unit
	hostile bool
	errnos  []syscall.Errno
	words   []string
	times   []int // milliseconds that stand for the whole range
}

var ops = [opEnd]opInfo{
	Run:       {name: "run", unit: unitPick},
	Pause:     {name: "pause", unit: unitTime, times: []int{1, 15_001}},
	Accept:    {name: "accept", unit: unitErrno, errnos: []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.EINTR, syscall.ENOBUFS, syscall.ENOMEM, syscall.EPROTO}},
	Connect:   {name: "connect", unit: unitErrno, errnos: []syscall.Errno{syscall.ECONNREFUSED, syscall.ETIMEDOUT, syscall.EHOSTUNREACH}},
	Handshake: {name: "handshake", unit: unitTime, times: []int{1, 1_000, 15_001}},
	Segment:   {name: "segment", unit: unitBytes},
	Delay:     {name: "delay", unit: unitTime, times: []int{1, 200, 15_000, 15_001}},
	Fin:       {name: "fin", unit: unitTime, times: []int{1, 15_001}},
	Reset:     {name: "reset", unit: unitWord, words: []string{"before", "after"}},
	Room:      {name: "room", unit: unitTaken},
	Wait:      {name: "wait", unit: unitEvents},
	Order:     {name: "order", unit: unitPick},
	Wake:      {name: "wake", unit: unitTime, times: []int{1, 15_001}},
	Timer:     {name: "timer", unit: unitTime, times: []int{1, 1_000}},
	Interrupt: {name: "interrupt", unit: unitWord, words: []string{"EINTR", "later"}},
	Spurious:  {name: "spurious", unit: unitWord, hostile: true, words: []string{"IN"}},
	Queue:     {name: "queue", unit: unitTime, times: []int{1, 200, 3_000}},
	Share:     {name: "share", unit: unitPick},
	Waiter:    {name: "waiter", unit: unitPick},
	Space:     {name: "space", unit: unitTime, times: []int{1, 40}},
	Ack:       {name: "ack", unit: unitTime, times: []int{1, 40}},
	Empty:     {name: "empty", unit: unitWord, hostile: true, words: []string{"nothing"}},
	Resource:  {name: "resource", unit: unitErrno, hostile: true, errnos: []syscall.Errno{syscall.ENOMEM, syscall.ENOBUFS, syscall.ENFILE, syscall.ENOSPC}},
}

// Ops returns every operation, in the order of their numbers.
func Ops() []Op {
	all := make([]Op, 0, opEnd-1)
	for o := Run; o < opEnd; o++ {
		all = append(all, o)
	}
	return all
}

// String returns the word that stands in a plan.
func (o Op) String() string {
	if o > 0 && o < opEnd {
		return ops[o].name
	}
	return "op?"
}

// Hostile tells whether outcomes of o break the contract of a Linux kernel
// towards a well-behaved single-threaded program.
func (o Op) Hostile() bool { return ops[o].hostile }

// Range returns n for [Source.Choose] when it follows from the operation alone,
// and 0 when the world has to say (bytes, events, actors).
func (o Op) Range() int {
	switch info := &ops[o]; info.unit {
	case unitTime:
		return MaxTime + 1
	case unitErrno:
		return len(info.errnos) + 1
	case unitWord:
		return len(info.words) + 1
	}
	return 0
}

// Errno returns the error that outcome stands for: nil for 0. o must be one of
// the operations that fail.
func (o Op) Errno(outcome int) error {
	if outcome == 0 {
		return nil
	}
	return ops[o].errnos[outcome-1]
}

// Alternatives appends to dst the outcomes other than calm that stand for the
// range n: all of them, except for times, where a few stand for each kind of
// lateness, and for ranges above maxDense, where the ends and the middle do.
func (o Op) Alternatives(dst []int, n int) []int {
	if ops[o].unit == unitTime {
		for _, ms := range ops[o].times {
			if ms < n {
				dst = append(dst, ms)
			}
		}
		return dst
	}
	if n <= maxDense {
		for k := 1; k < n; k++ {
			dst = append(dst, k)
		}
		return dst
	}
	return append(dst, 1, 2, 3, n/2, n-2, n-1)
}

// Telling is Alternatives for when there is no time for all of them: of a range
// above 8, the ends and the middle.
func (o Op) Telling(dst []int, n int) []int {
	if ops[o].unit == unitTime || n <= 8 {
		return o.Alternatives(dst, n)
	}
	return append(dst, 1, 2, 3, n/2, n-2, n-1)
}

// Simpler appends to dst the outcomes that say the same as outcome with smaller
// numbers, smallest first: what a shrinker tries.
func (o Op) Simpler(dst []int, outcome int) []int {
	candidates := [...]int{1, 2, 3, 5, 10, 50, 100, 200, 1_000, 2_000, 5_000, 10_000, 15_000, 15_001}
	for _, k := range candidates {
		if k < outcome {
			dst = append(dst, k)
		}
	}
	if unit := ops[o].unit; unit == unitErrno || unit == unitWord {
		return dst[:0] // an order among these means nothing
	}
	return dst
}

// maxDense is the widest range that is worth trying value by value: larger than
// any ClientHello.
const maxDense = 4096
