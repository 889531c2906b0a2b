//go:build unix

package main

import (
	"os"
	"syscall"
)

// dumpSignals make the program write its counters.
var dumpSignals = []os.Signal{syscall.SIGUSR1}
