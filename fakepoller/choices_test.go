package fakepoller_test

import (
	"strings"
	"testing"

	"edgewise.test/faults"
)

// choices lists what Linux leaves open, by the numbers of section 8 of the
// measurements, with the operations that make it a choice here and what shows it
// on Linux. The scenarios that show the operations are in choice_test.go.
var choices = []struct {
	number int
	what   string
	ops    []faults.Op
	how    string // where it is not an operation of its own
	linux  string // cases that Linux runs too, or why there is none
}{
	{1, "how late written bytes are visible", []faults.Op{faults.Delay}, "", "not on loopback (ND-01); NS-08 with the link down"},
	{2, "how much of a write is visible at once", []faults.Op{faults.Segment}, "", "DT-01, DT-10; ND-18"},
	{3, "arrivals that become one event", []faults.Op{faults.Wake, faults.Delay}, "", "ET-02, ET-03"},
	{4, "data and FIN or RST in one event or two", []faults.Op{faults.Fin}, "", "ET-11, EW-25"},
	{5, "order of a batch", []faults.Op{faults.Order}, "", "EW-01, EW-02"},
	{6, "size of a batch", []faults.Op{faults.Wait}, "", "EW-03, EW-04"},
	{7, "delay between ready and running", []faults.Op{faults.Wake}, "", "ND-16"},
	{8, "lateness of time-outs", []faults.Op{faults.Timer}, "", "EW-15 (never early); ND-05"},
	{9, "EINTR from a blocked wait", []faults.Op{faults.Interrupt}, "", "EW-17: needs signals"},
	{10, "readiness that turns out empty", []faults.Op{faults.Spurious}, "with several workers on one socket it happens by itself (`run`); `spurious` is for a lone consumer", "LN-26"},
	{11, "extra edges with nothing new", []faults.Op{faults.Ack, faults.Space}, "the causes are modelled: own shutdown, the ACK of a FIN, write space, MOD, SO_RCVLOWAT, a FIN with mask OUT", "ET-05, ET-09, ET-14, ET-18, ET-25, ET-29"},
	{12, "a look that sees nothing", []faults.Op{faults.Empty}, "", "not seen in 2.1 million tries (ND-07)"},
	{13, "accept order against connect order", []faults.Op{faults.Handshake, faults.Queue}, "", "LN-39"},
	{14, "a SYN is lost or the queue is full", []faults.Op{faults.Handshake, faults.Connect}, "a full queue drops SYNs by itself", "LN-08.0, LN-09"},
	{15, "established here and not there", []faults.Op{faults.Queue}, "", "LN-29: needs TCP_DEFER_ACCEPT"},
	{16, "who of a SO_REUSEPORT group gets a connection", []faults.Op{faults.Share}, "", "LN-30"},
	{17, "which waiter wakes", []faults.Op{faults.Waiter}, "", "EC-18.plain, EC-18.exclusive"},
	{18, "how much a write takes", []faults.Op{faults.Room}, "", "DT-10"},
	{19, "lateness of EPOLLOUT", []faults.Op{faults.Space}, "", "ET-16"},
	{20, "FIN or RST, EPIPE or ECONNRESET when a close races with writes", []faults.Op{faults.Fin, faults.Delay, faults.Run}, "", "CL-13, CL-16"},
	{21, "an event for an fd that another thread has closed", []faults.Op{faults.Run, faults.Pause}, "", "EC-26"},
	{22, "connect completes inside the call or later", []faults.Op{faults.Handshake}, "", "CN-03"},
	{23, "shutdown makes one edge or two", []faults.Op{faults.Ack}, "", "ET-29"},
	{24, "failures out of the blue", []faults.Op{faults.Accept, faults.Resource}, "accept(2) may fail for want of descriptors at any time; `resource` is for the other calls", "LN-19, LN-20"},
	{25, "time passes between two calls", []faults.Op{faults.Pause, faults.Run}, "", "everything above"},
}

func TestChoicesAreComplete(t *testing.T) {
	used := map[faults.Op]bool{}
	for i, c := range choices {
		if c.number != i+1 || len(c.ops) == 0 {
			t.Errorf("row %d: got number %d and operations %v", i+1, c.number, c.ops)
		}
		for _, o := range c.ops {
			used[o] = true
		}
	}
	if len(choices) != 25 {
		t.Errorf("got %d choices, want 25", len(choices))
	}
	for _, o := range faults.Ops() {
		if !used[o] && o != faults.Reset { // a reset in the middle is the peer's or the network's doing
			t.Errorf("operation %s stands for none of the choices", o)
		}
	}
}

// choiceTable is the section of FIDELITY.md.
func choiceTable(line func(string, ...any)) {
	line("## What Linux leaves open\n")
	line("Each is a point with calm as 0. Operations in italics are hostile: off unless asked for.\n")
	line("| | choice | operations | on Linux |\n|---:|---|---|---|")
	for _, c := range choices {
		var ops []string
		for _, o := range c.ops {
			if o.Hostile() {
				ops = append(ops, "*"+o.String()+"*")
			} else {
				ops = append(ops, "`"+o.String()+"`")
			}
		}
		how := strings.Join(ops, ", ")
		if c.how != "" {
			how += "; " + c.how
		}
		line("| %d | %s | %s | %s |", c.number, c.what, how, c.linux)
	}
	line("")
}
