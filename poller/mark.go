package poller

// Marker is an optional power of a Kernel, found by assertion: it marks what a
// socket sends.
type Marker interface {
	// SetMark sets SO_MARK (socket(7)), by which routing and packet filters tell
	// packets apart. EPERM without CAP_NET_ADMIN or CAP_NET_RAW.
	SetMark(fd FD, mark uint32) error
}
