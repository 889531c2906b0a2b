//go:build !unix

package main

import "os"

// dumpSignals is empty: there is no SIGUSR1.
var dumpSignals []os.Signal
