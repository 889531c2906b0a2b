package fakenet

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"edgewise.test/fakepoller"
)

// watched is how the watchdog sees the network, once there is one.
type watched struct{ net atomic.Pointer[Net] }

// watch waits for the end of the bubble. It is outside of it, in real time.
func (b *bubble) watch(stall time.Duration) error {
	if stall == 0 {
		stall = defaultStall
	}
	tick := time.NewTicker(stall)
	defer tick.Stop()
	last := int64(-1)
	for {
		select {
		case <-b.ended:
			return nil
		case <-tick.C:
		}
		n := b.n.net.Load()
		if n == nil {
			continue
		}
		if steps := n.steps.Load(); steps != last {
			last = steps
			continue
		}
		return &StallError{After: stall, Text: b.explain()}
	}
}

// StallError says that a run makes no progress in real time.
type StallError struct {
	After time.Duration
	Text  string // who waits for what
}

// Error implements error.
func (e *StallError) Error() string { return fmt.Sprintf("stalled for %v: %s", e.After, e.Text) }

// explain names who waits for a mutex, and who is in a call to the network and
// may hold it.
func (b *bubble) explain() string {
	var locked, parked, others []string
	for _, g := range goroutines(b.header) {
		switch {
		case strings.Contains(g.state, "sync.Mutex") || strings.Contains(g.state, "sync.RWMutex") || strings.Contains(g.state, "semacquire"):
			locked = append(locked, g.where())
		case g.call != "":
			parked = append(parked, g.call+" in "+g.where())
		case !strings.Contains(g.state, "durable") && !g.ours:
			others = append(others, g.where()+" ["+g.state+"]")
		}
	}
	switch {
	case len(locked) > 0 && len(parked) > 0:
		return fmt.Sprintf("a mutex is held over an operation: %s waits for it while %s is in progress; use Quiesce: fakenet.Metrics", strings.Join(locked, ", "), strings.Join(parked, ", "))
	case len(locked) > 0:
		return "deadlock of mutexes: " + strings.Join(locked, ", ")
	case len(others) > 0:
		return "waits for something outside of the bubble, or computes: " + strings.Join(others, ", ")
	}
	return "all goroutines of the bubble wait for each other"
}

// goroutine is one entry of a stack dump.
type goroutine struct {
	state string
	call  string // the method of ours that it is in
	frame string // the first function that is neither ours nor the runtime's
	line  string
	made  string // the function that started it
	ours  bool   // the scheduler and the like
}

func (g goroutine) where() string {
	if g.frame == "" {
		return g.made
	}
	return g.frame + " (" + g.line + ")"
}

// goroutines returns those of a bubble.
func goroutines(header string) []goroutine {
	if header == "" {
		return nil
	}
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	var all []goroutine
	for _, block := range strings.Split(string(buf), "\n\n") {
		lines := strings.Split(block, "\n")
		if bubbleOf(lines[0]) == header {
			all = append(all, parse(lines))
		}
	}
	return all
}

const pkg = "edgewise.test/fakepoller/fakenet."

// parse reads the entry of one goroutine: a header, then two lines per frame.
func parse(lines []string) goroutine {
	var g goroutine
	if _, rest, ok := strings.Cut(lines[0], "["); ok {
		g.state, _, _ = strings.Cut(strings.TrimSuffix(rest, "]:"), ", ") // the rest differs from run to run
	}
	for i := 1; i+1 < len(lines); i += 2 {
		name := lines[i]
		if made, ok := strings.CutPrefix(name, "created by "); ok {
			g.made, _, _ = strings.Cut(made, " in goroutine")
			break
		}
		if paren := strings.LastIndexByte(name, '('); paren > 0 {
			name = name[:paren]
		}
		switch {
		case strings.HasPrefix(name, pkg+"(*Conn).") || strings.HasPrefix(name, pkg+"(*Listener).") || strings.HasPrefix(name, pkg+"(*Host)."):
			g.call = strings.TrimPrefix(name, pkg)
		case strings.HasPrefix(name, pkg+"(*scheduler)") || strings.HasPrefix(name, pkg+"(*bubble)"):
			g.ours = true
		case g.frame == "" && !library(name):
			g.frame = name
			file, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " +")
			g.line = file[strings.LastIndexByte(file, '/')+1:]
		}
	}
	return g
}

func library(name string) bool {
	for _, prefix := range []string{"runtime.", "internal/", "sync.", "testing", "time.", pkg + "(*socket)", pkg + "(*Net)", pkg + "body"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// ownHeader is the first line of the caller's stack dump, which tells its bubble.
func ownHeader() string {
	var buf [96]byte
	n := runtime.Stack(buf[:], false)
	line, _, _ := bytes.Cut(buf[:n], []byte("\n"))
	return string(line)
}

// bubbleOf takes "synctest bubble 7" out of a header.
func bubbleOf(header string) string {
	_, rest, ok := strings.Cut(header, "synctest bubble ")
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, "]")
	id, _, _ = strings.Cut(id, ",")
	return id
}

// leftovers makes findings of the goroutines that are still there when the bubble
// has ended.
func (b *bubble) leftovers(w *fakepoller.World, reason string) {
	b.n.net.Load() // after the header was stored
	for _, f := range w.Findings() {
		if f.Kind == fakepoller.Deadlock {
			return // known
		}
	}
	list := standing(b.header)
	if len(list) == 0 {
		list = []string{reason}
	}
	w.Adapter().Find(fakepoller.Finding{Kind: fakepoller.Leak, Text: "goroutines are left over: " + strings.Join(list, ", ")})
}

// standing says where each goroutine of the code under test stands.
func standing(header string) []string {
	var list []string
	for _, g := range goroutines(header) {
		if !g.ours && g.frame != "" {
			list = append(list, fmt.Sprintf("%s [%s]", g.where(), g.state))
		}
	}
	slices.Sort(list)
	return list
}
