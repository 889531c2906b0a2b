package tlstransport_test

import (
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"time"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/pipeline/tlstransport"
	"edgewise.test/proptest"
)

// answer is what a client got in one schedule.
type answer struct {
	name      string
	sent, got []byte
	err       error // nil: close_notify came
}

// scenario is two clients that want their echo, one with TLS 1.3 and one that sends
// its FIN with close_notify, with TLS 1.2. Keys and signatures of both kinds have
// one length, so runs repeat without cryptotest, and worlds may run side by side.
func scenario(w *proptest.World, id identity, filter pipeline.FilterFactory) {
	server, client := configs(id)
	factory, listener, _ := listen(w.NewWorker(), options{
		config: tlstransport.Config{TLS: server, MaxHandshakes: 1}, timeout: 10 * time.Second, filter: filter,
	}, func(err error) { w.Errorf("loop: %v", err) })
	old := client.Clone()
	old.MaxVersion = tls.VersionTLS12
	var answers []answer
	for _, c := range []struct {
		name   string
		config *tls.Config
		fin    bool
	}{{"new", client, false}, {"old", old, true}} {
		sent := []byte("request of " + c.name)
		w.Peer(c.name, func(p *fakepoller.Peer) {
			conn, err := p.Dial(listenAddr)
			if err != nil {
				return
			}
			tc := tls.Client(&strictConn{conn}, c.config)
			if _, err := tc.Write(sent); err != nil {
				return
			}
			tc.CloseWrite()
			if c.fin {
				conn.CloseWrite()
			}
			got, err := io.ReadAll(tc)
			answers = append(answers, answer{c.name, sent, got, err})
		})
	}
	w.Run()

	for _, a := range answers {
		w.Delivered(a.name, a.sent, a.got, a.err == nil)
		if a.err != nil && !excused(w, listener) {
			w.Errorf("end: %s: got %v, want close_notify", a.name, a.err)
		}
	}
	s := factory.Stats()
	if s.HandshakesActive != 0 {
		w.Errorf("coroutines: got %d, want none at the end", s.HandshakesActive)
	}
	if ended, total := s.Handshake+s.HandshakeAbandoned+s.ConnectionError, listener.Stats().CxTotal; ended != total {
		w.Errorf("counters: %d connections, but %d ends of handshakes: %+v", total, ended, *s)
	}
	w.Counted(pipeline.MergeSnapshots(listener.Snapshot(), factory.Snapshot()))
	w.EndedBy(3 * time.Hour)
}

// excused says whether a connection may have ended otherwise than in order.
func excused(w *proptest.World, l *pipeline.Listener) bool {
	return w.Injected(faults.Reset) > 0 || l.Stats().TransportConnectTimeout > 0
}

func TestEverySchedule(t *testing.T) {
	id := identities["Ed25519"]()
	var limit time.Duration
	if testing.Short() {
		limit = 2 * time.Second
	}
	for _, c := range []struct {
		name   string
		filter pipeline.FilterFactory
	}{{"echo", echo.Filter}, {"answer and close", answerAndClose}} {
		t.Run(c.name, func(t *testing.T) {
			proptest.Config{
				Schedules: 8000, // about 800 in a second on two cores; 3800 have one deviation
				Duration:  limit,
				Scenario:  func(w *proptest.World) { scenario(w, id, c.filter) },
			}.Check(t)
		})
	}
}

// answerAndClose waits for the end of the request, sends it back, and closes.
func answerAndClose(c *pipeline.Connection) {
	c.EnableHalfClose(true)
	c.AddReadFilter(onData(func(data *pipeline.Buffer, endStream bool) {
		if endStream {
			c.Write(data, false)
			c.Close(pipeline.FlushWrite)
		}
	}))
}

// The scenario is not blind: it finds a server that resets instead of close_notify.
func TestScenarioSeesAReset(t *testing.T) {
	id := identities["Ed25519"]()
	result := proptest.Search(proptest.Config{
		Schedules: 10,
		Scenario:  func(w *proptest.World) { scenario(w, id, closer(pipeline.AbortReset, nil)) },
	})
	if result.Failure == nil || !strings.HasPrefix(result.Failure.Message, "end: ") {
		t.Errorf("got no failure of the end")
	}
}
