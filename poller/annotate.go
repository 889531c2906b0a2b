package poller

// Annotator is an optional power of a Kernel, found by assertion: it writes what
// the code under test is doing beside what the kernel did. A test kernel shows
// the states in its trace; a real kernel does not have it, so production pays
// one nil check.
type Annotator interface {
	// Annotate says that whatever owns fd is now in state. Use short constant
	// strings: the call must not cost an allocation.
	Annotate(fd FD, state string)
}
