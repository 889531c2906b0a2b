package fakepoller

// Coverage is what kinds of things followed each other in a run, as a set of
// bits: for each socket, which call with which result came after which. Runs that
// behave alike have equal sets. A search keeps schedules that set new bits.
type Coverage [256]uint64

// Add puts the bits of from into c, and tells how many were new.
func (c *Coverage) Add(from *Coverage) (fresh int) {
	for i, word := range from {
		if word &^= c[i]; word != 0 {
			c[i] |= word
			for ; word != 0; word &= word - 1 {
				fresh++
			}
		}
	}
	return fresh
}

// Coverage returns the set of the run so far. It stays the world's.
func (w *World) Coverage() *Coverage { return &w.coverage }

// cover notes that something of a kind happened to c.
func (w *World) cover(c *chooser, kind uint64) {
	h := (kind ^ uint64(c.kind)<<56) * 0x9e3779b97f4a7c15
	bit := mix(h^uint64(c.last)) % (64 * uint64(len(w.coverage)))
	w.coverage[bit/64] |= 1 << (bit % 64)
	c.last = uint16(h >> 48)
}

// coverText is the kind of an annotation: hashText with words of eight bytes.
func coverText(text string) uint64 {
	h := uint64(14695981039346656037) ^ uint64(len(text))
	for ; len(text) >= 8; text = text[8:] {
		word := uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
			uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56
		h = (h ^ word) * 1099511628211
		h ^= h >> 32
	}
	for i := 0; i < len(text); i++ {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}

// Goal is something worth reaching that a run may or may not come to.
type Goal uint8

// The goals that worlds notice by themselves.
const (
	AcceptFailedWhileHandshaking Goal = iota // accept gave an error while another connection was being made
	ResetBehindData                          // a reset arrived while bytes were unread
	FinBehindData                            // a FIN arrived while bytes were unread
	DataAndFinInOneEvent                     // IN and RDHUP were reported together with bytes to read
	ResetBeforeAccept                        // a connection was reset while it was queued
	NumberReused                             // a descriptor number was given out again at the instant at which it was closed
	ShortWrite                               // a write took only a part
	WriteWouldBlock                          // a write gave EAGAIN
	PartOfABatch                             // a wait returned only some of what was ready
	PeekThenReset                            // a reset arrived after bytes were peeked and before they were read
	Goals                                    // how many there are
)

var goalNames = [Goals]string{
	"accept failed while a handshake was pending", "a reset behind unread bytes", "a FIN behind unread bytes", "data and FIN in one event",
	"a reset before accept", "a descriptor number reused at once", "a short write", "a write that would block", "a part of a batch", "a reset between peek and read",
}

// String returns the goal in a few words.
func (g Goal) String() string { return goalNames[g] }

// Reached tells whether the run has come to g.
func (w *World) Reached(g Goal) bool { return w.reached&(1<<g) != 0 }

func (w *World) reach(g Goal) { w.reached |= 1 << g }

// handshaking tells whether a connection is being made.
func (w *World) handshaking() bool {
	for _, t := range w.timers.heap {
		if s, ok := t.fire.(*sock); ok && s.state == tcpSynSent {
			return true
		}
	}
	return false
}
