//go:build unix

package main

import (
	"os"
	"syscall"
)

// dumpSignals make the program write its counters, reloadSignals read its
// configuration again.
var (
	dumpSignals   = []os.Signal{syscall.SIGUSR1}
	reloadSignals = []os.Signal{syscall.SIGHUP}
)
