package pollertest

import (
	"fmt"
	"slices"
	"strings"

	"edgewise.test/poller"
)

// Step is one operation of a random sequence. Steps name descriptors by label:
// the first one that a sequence makes is s0, the next s1, whatever number the
// kernel gives them. A label goes on standing for its number after a close, which
// may then be somebody else's: stale numbers are tested like that. A label that
// was never given a number makes a step that does nothing, so that any step can
// be left out of a sequence.
type Step struct {
	op     op
	on     int           // label it acts on
	made   int           // label that it makes
	to     int           // label whose address Connect dials; negative is a port where nobody listens
	epoll  int           // which epoll, below epolls
	events poller.Events // mask of Add and Modify
	n      int           // bytes, backlog, events that fit, How, or the value of an option
}

// op is what a [Step] does.
type op uint8

// The operations: calls of [poller.System], but for reset, which is SO_LINGER 0
// and close, and nofile, which sets the limit of descriptors.
const (
	opSocket op = iota
	opBind      // to a port of the kernel's choice
	opListen
	opConnect
	opAccept
	opDup
	opClose
	opReset
	opRead
	opPeek
	opWrite
	opShutdown
	opSoError
	opRcvLowat
	opLocalAddr
	opPeerAddr
	opAdd
	opModify
	opRemove
	opWait
	opNoFile
	ops
)

var opNames = [ops]string{
	opSocket: "socket", opBind: "bind", opListen: "listen", opConnect: "connect", opAccept: "accept", opDup: "dup",
	opClose: "close", opReset: "reset", opRead: "read", opPeek: "peek", opWrite: "write", opShutdown: "shutdown",
	opSoError: "SO_ERROR", opRcvLowat: "SO_RCVLOWAT", opLocalAddr: "getsockname", opPeerAddr: "getpeername",
	opAdd: "add", opModify: "mod", opRemove: "del", opWait: "wait", opNoFile: "nofile",
}

// epolls is how many epoll instances a sequence uses.
const epolls = 3

// String is the step as a line of a script: "s3 = s1.accept()", "p0.add(s3, IN+ET)".
func (s Step) String() string {
	name := opNames[s.op]
	switch s.op {
	case opSocket:
		return fmt.Sprintf("s%d = socket()", s.made)
	case opAccept, opDup:
		return fmt.Sprintf("s%d = s%d.%s()", s.made, s.on, name)
	case opConnect:
		if s.to < 0 {
			return fmt.Sprintf("s%d.connect(nobody)", s.on)
		}
		return fmt.Sprintf("s%d.connect(s%d)", s.on, s.to)
	case opShutdown:
		return fmt.Sprintf("s%d.shutdown(%s)", s.on, poller.How(s.n))
	case opListen, opRead, opPeek, opWrite, opRcvLowat:
		return fmt.Sprintf("s%d.%s(%d)", s.on, name, s.n)
	case opAdd, opModify:
		return fmt.Sprintf("p%d.%s(s%d, %s)", s.epoll, name, s.on, s.events)
	case opRemove:
		return fmt.Sprintf("p%d.%s(s%d)", s.epoll, name, s.on)
	case opWait:
		return fmt.Sprintf("p%d.%s(%d)", s.epoll, name, s.n)
	case opNoFile:
		return fmt.Sprintf("nofile(%d)", s.n)
	}
	return fmt.Sprintf("s%d.%s()", s.on, name)
}

// Row prints a sequence that two machines do not agree on: one line per step with
// what both answered, up to the first that differs, with what each answered to that.
func Row(steps []Step, want, got []string) string {
	var b strings.Builder
	for i, step := range steps {
		if want[i] != got[i] {
			fmt.Fprintf(&b, "%3d  %-28s // want: %s\n%33s //  got: %s\n", i, step, want[i], "", got[i])
			break
		}
		if want[i] != "" {
			fmt.Fprintf(&b, "%3d  %-28s // %s\n", i, step, want[i])
		}
	}
	return b.String()
}

// FirstDifference returns the index of the first step that two machines answered
// differently, or -1.
func FirstDifference(want, got []string) int {
	for i := range want {
		if want[i] != got[i] {
			return i
		}
	}
	return -1
}

// Shrink leaves steps out of a sequence for as long as it differs: what it returns
// differs, and would not with any one step less.
func Shrink(steps []Step, differs func([]Step) bool) []Step {
	for size := len(steps) / 2; size > 0; {
		shorter := false
		for at := 0; at+size <= len(steps); {
			candidate := slices.Concat(steps[:at], steps[at+size:])
			if differs(candidate) {
				steps, shorter = candidate, true
			} else {
				at += size
			}
		}
		if !shorter || size > 1 {
			size /= 2
		}
	}
	return steps
}
