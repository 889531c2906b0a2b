package poller

import "strings"

// Events is a set of readiness bits with the values of epoll_ctl(2).
type Events uint32

// What can be ready, and how it is to be told.
const (
	In    Events = 0x001  // readable, or at the end of the stream
	Pri   Events = 0x002  // urgent data
	Out   Events = 0x004  // writable
	Err   Events = 0x008  // an error is pending; always reported
	Hup   Events = 0x010  // both directions ended; always reported
	RdHup Events = 0x2000 // the peer ended its direction, or we ours

	Exclusive     Events = 1 << 28 // wake one of several epolls; Add only
	OneShot       Events = 1 << 30 // disarm after one event
	EdgeTriggered Events = 1 << 31 // tell once per change
)

var eventNames = [...]struct {
	bit  Events
	name string
}{
	{In, "IN"}, {Pri, "PRI"}, {Out, "OUT"}, {Err, "ERR"}, {Hup, "HUP"}, {RdHup, "RDHUP"},
	{Exclusive, "EXCLUSIVE"}, {OneShot, "ONESHOT"}, {EdgeTriggered, "ET"},
}

// String joins the names with "+", in a fixed order; an empty set is "none".
func (e Events) String() string {
	if e == 0 {
		return "none"
	}
	var parts []string
	for _, n := range eventNames {
		if e&n.bit != 0 {
			parts = append(parts, n.name)
			e &^= n.bit
		}
	}
	if e != 0 {
		parts = append(parts, "0x"+hex(uint32(e)))
	}
	return strings.Join(parts, "+")
}

func hex(v uint32) string {
	const digits = "0123456789abcdef"
	var b [8]byte
	i := len(b)
	for {
		i--
		b[i] = digits[v&15]
		if v >>= 4; v == 0 {
			return string(b[i:])
		}
	}
}
