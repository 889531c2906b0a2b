package published

import (
	"embed"
	"time"

	"edgewise.test/fakepoller/fakenet"
	"edgewise.test/faults"
	"edgewise.test/proptest"
)

// Bug is a published bug and the scenario that shows it.
type Bug struct {
	Name   string // of the module, and of the bug
	Config proptest.NetConfig
	Want   string // a part of the failure's message
	Plan   string // the file in testdata that holds the smallest plan
}

// Bugs are in the order of the table in examples/thirdparty/README.md.
var Bugs = []Bug{
	{
		Name:   "goproxy, tunnel",
		Config: proptest.NetConfig{Scenario: tunnel},
		Want:   "still holds the connection to the upstream",
		Plan:   "tunnel-held-after-the-client-was-reset.plan",
	},
	{
		Name:   "goproxy, websocket",
		Config: proptest.NetConfig{Scenario: websocket},
		Want:   "the frame came back as",
		Plan:   "first-byte-of-a-frame-lost-in-hijack.plan",
	},
	{
		Name:   "go-proxyproto, deadline",
		Config: proptest.NetConfig{Scenario: deadline},
		Want:   "a read with a deadline of",
		Plan:   "deadline-replaced-by-that-of-the-header.plan",
	},
	{
		Name:   "go-proxyproto, late header",
		Config: proptest.NetConfig{Scenario: lateHeader},
		Want:   "the header came out as payload",
		Plan:   "late-header-read-as-payload.plan",
	},
	{
		Name:   "cmux, shutdown",
		Config: proptest.NetConfig{Scenario: shutdown},
		Want:   "the server still accepts",
		Plan:   "accept-held-by-a-silent-client.plan",
	},
	{
		Name: "yamux, half-close",
		Config: proptest.NetConfig{
			Scenario: halfClose,
			Pools:    true, // of timers
			// It holds a mutex over an operation, and then stalls on a late network.
			Net:    fakenet.Config{Quiesce: fakenet.Metrics, Stall: 3 * time.Second},
			Search: proptest.Config{Only: []faults.Op{faults.Run}},
		},
		Want: "answer: got",
		Plan: "answer-lost-after-half-close.plan",
	},
}

//go:embed testdata
var testdata embed.FS

// KeptPlan returns the plan that is kept for b.
func (b Bug) KeptPlan() (faults.Plan, error) {
	text, err := testdata.ReadFile("testdata/" + b.Plan)
	if err != nil {
		return faults.Plan{}, err
	}
	return faults.Parse(string(text))
}
