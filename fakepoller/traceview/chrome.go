package traceview

import (
	"encoding/json"
	"io"
	"time"

	"edgewise.test/fakepoller"
)

// ChromeTrace writes a trace in Chrome's trace-event format, for ui.perfetto.dev
// and chrome://tracing. Peers, ends of connections, listeners and workers are
// threads. States are durations on the end that they are of, events are instants
// of who did them; deviations and findings are instants of all.
//
// An instant of virtual time has no length, so what happens in one is set a
// microsecond apart, in order. The argument "at" is the virtual time.
//
// Errors are those of w.
func ChromeTrace(w io.Writer, events []fakepoller.Event) error {
	c := chrome{threads: map[string]*thread{}, meta: []chromeEvent{}}
	subjects := findSubjects(events)
	for i := range events {
		c.add(&events[i], subjects[i])
	}
	c.end()
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(chromeFile{append(c.meta, c.events...), "ns"})
}

type chromeFile struct {
	Events []chromeEvent `json:"traceEvents"`
	Unit   string        `json:"displayTimeUnit"`
}

// chromeEvent is one object of the format.
type chromeEvent struct {
	Name    string            `json:"name"`
	Phase   string            `json:"ph"`
	Scope   string            `json:"s,omitempty"` // of an instant: g is global, t a thread's
	At      int64             `json:"ts"`          // microseconds
	Process int               `json:"pid"`
	Thread  int               `json:"tid"`
	Args    map[string]string `json:"args,omitempty"`
}

// Phases of the format.
const (
	phaseBegin   = "B"
	phaseEnd     = "E"
	phaseInstant = "i"
	phaseMeta    = "M"
)

// thread is where events of one name are shown.
type thread struct {
	process, id int
	state       string // that has begun; "" is none
}

// chrome makes events. Processes are the kinds of lanes, from 1; the last one is
// for who has no lane.
type chrome struct {
	meta, events []chromeEvent
	threads      map[string]*thread
	order        []*thread
	processes    [laneKinds + 1]int // how many threads each has
	now          int64
}

var processNames = [laneKinds + 1]string{lanePeer: "peers", laneConn: "connections", laneListener: "listeners", laneWorker: "workers", laneKinds: "world"}

// thread finds a thread by name.
func (c *chrome) thread(name string) *thread {
	if t := c.threads[name]; t != nil {
		return t
	}
	kind, ok := kindOf(name)
	if !ok {
		kind = laneKinds
	}
	c.processes[kind]++
	t := &thread{process: int(kind) + 1, id: int(kind)*1_000_000 + c.processes[kind]} // ids are unique among all
	if c.processes[kind] == 1 {
		c.meta = append(c.meta, chromeEvent{Name: "process_name", Phase: phaseMeta, Process: t.process, Args: map[string]string{"name": processNames[kind]}})
	}
	c.meta = append(c.meta, chromeEvent{Name: "thread_name", Phase: phaseMeta, Process: t.process, Thread: t.id, Args: map[string]string{"name": name}})
	c.threads[name] = t
	c.order = append(c.order, t)
	return t
}

func (c *chrome) add(e *fakepoller.Event, s subject) {
	c.now = max(c.now+1, int64(e.At/time.Microsecond))
	about := e.Actor
	if s.end != "" {
		about = s.end
	}
	switch e.Call {
	case fakepoller.CallAnnotate:
		c.change(c.thread(about), e.Text)
	case fakepoller.CallDeviate, fakepoller.CallFinding:
		c.instant(e, "g")
	default:
		c.instant(e, "t")
		if e.Call == fakepoller.CallClose {
			c.change(c.thread(about), "")
		}
	}
}

func (c *chrome) instant(e *fakepoller.Event, scope string) {
	t := c.thread(e.Actor)
	args := map[string]string{"at": e.At.String(), "event": e.String()} // encoded in the order of the keys
	c.events = append(c.events, chromeEvent{Name: e.What(), Phase: phaseInstant, Scope: scope, At: c.now, Process: t.process, Thread: t.id, Args: args})
}

// change ends the state of t and begins another one.
func (c *chrome) change(t *thread, state string) {
	if t.state != "" {
		c.events = append(c.events, chromeEvent{Name: t.state, Phase: phaseEnd, At: c.now, Process: t.process, Thread: t.id})
	}
	t.state = state
	if state != "" {
		c.events = append(c.events, chromeEvent{Name: state, Phase: phaseBegin, At: c.now, Process: t.process, Thread: t.id})
	}
}

// end ends the states that last.
func (c *chrome) end() {
	c.now++
	for _, t := range c.order {
		c.change(t, "")
	}
}
