//go:build !race

package fakenet

const raceEnabled = false

func raceDisable()                     {}
func raceEnable()                      {}
func raceRelease(*edge)                {}
func raceAcquire(*edge)                {}
func raceRead([]byte)                  {}
func raceWrite([]byte)                 {}
func stage(_, p []byte, _ bool) []byte { return p }
func rawCopy(dst, src []byte)          {}
