//go:build race

package fakenet

import (
	"runtime"
	"unsafe"
)

// The race detector must not take the scheduler for synchronisation, or it would
// hide every race of the code under test. So whatever a goroutine of the user's
// shares with the scheduler is touched in go:norace functions between raceDisable
// and raceEnable, and only what a network orders is told: a write comes before
// the read that sees it. The scheduler's own goroutine hears of everybody and
// tells nobody.
const raceEnabled = true

func raceDisable() { runtime.RaceDisable() }
func raceEnable()  { runtime.RaceEnable() }

// raceRelease says that all that the caller did comes before a later raceAcquire
// of e.
func raceRelease(e *edge) {
	if e != nil {
		runtime.RaceReleaseMerge(unsafe.Pointer(e))
	}
}

func raceAcquire(e *edge) {
	if e != nil {
		runtime.RaceAcquire(unsafe.Pointer(e))
	}
}

func raceRead(p []byte) {
	if len(p) > 0 {
		runtime.RaceReadRange(unsafe.Pointer(&p[0]), len(p))
	}
}

func raceWrite(p []byte) {
	if len(p) > 0 {
		runtime.RaceWriteRange(unsafe.Pointer(&p[0]), len(p))
	}
}

// stage returns memory of the operation's own that the scheduler uses in place
// of p: it must not touch the user's.
//
//go:norace
func stage(old, p []byte, fill bool) []byte {
	if cap(old) < len(p) {
		old = make([]byte, len(p))
	}
	old = old[:len(p)]
	if fill {
		rawCopy(old, p)
	}
	return old
}

// rawCopy is copy, which would tell the race detector even in a go:norace
// function.
//
//go:norace
func rawCopy(dst, src []byte) {
	for i := range src {
		dst[i] = src[i]
	}
}
