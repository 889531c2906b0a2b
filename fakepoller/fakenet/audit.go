package fakenet

import (
	"fmt"
	"strings"

	"edgewise.test/fakepoller"
)

// audit finds sockets that are still open and goroutines that wait for ever.
func (s *scheduler) audit() {
	if s.a.Over() {
		return // a finding of its own
	}
	if !s.ended {
		s.a.Find(fakepoller.Finding{Kind: fakepoller.Deadlock, Text: "the scenario never ends; " + s.waits()})
		return
	}
	for _, k := range s.sockets {
		if !k.gone {
			s.a.Find(fakepoller.Finding{Kind: fakepoller.Leak, Text: s.left(k)})
		}
	}
	for _, o := range s.pending {
		if o.on == nil || o.on.gone {
			s.a.Find(fakepoller.Finding{Kind: fakepoller.Leak, Text: fmt.Sprintf("%s is not done; it began at %v", o.key, o.since)})
		}
	}
}

// left says that k is open, who made it, and who waits for it.
func (s *scheduler) left(k *socket) string {
	name := k.key.actor()
	text := fmt.Sprintf("%s is still open; it was made by %s", name, k.by)
	for _, o := range s.pending {
		if o.on == k {
			text += fmt.Sprintf("; %s %d waits since %v", kindNames[o.kind], o.seq, o.since)
		}
	}
	return text
}

// waits lists what goroutines wait for in the network.
func (s *scheduler) waits() string {
	if len(s.pending) == 0 {
		return "nobody is in a call to the network: " + strings.Join(standing(s.n.header), ", ")
	}
	var list []string
	for _, o := range s.pending {
		list = append(list, fmt.Sprintf("%s waits since %v", o.key, o.since))
	}
	return strings.Join(list, ", ")
}
