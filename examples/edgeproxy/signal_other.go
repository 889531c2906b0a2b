//go:build !unix

package main

import "os"

// dumpSignals and reloadSignals are empty: there is no SIGUSR1 and no SIGHUP.
var dumpSignals, reloadSignals []os.Signal
