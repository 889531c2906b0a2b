package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"edgewise.test/pipeline"
	"edgewise.test/poller"
)

func TestClusterDrainWaitsForWhatIsWritten(t *testing.T) {
	for _, reads := range []bool{true, false} {
		proxied(t, 0, nil, func(e *proxyEnv) {
			client := e.dial(e.listener.Address())
			up := e.accept()
			e.must(e.peers.SetSockOpt(up.fd, poller.SORcvBuf, 4096))
			request := strings.Repeat("request ", 6<<10) // less than the buffers of the proxy
			up.fin()
			client.wants("", "EOF")
			for rest := request; rest != ""; {
				n, _ := e.peers.Write(client.fd, []byte(rest))
				rest = rest[max(n, 0):]
				e.turns()
			}
			client.fin()
			e.until("the client has gone", func() bool { return e.listener.Stats().CxActive == 0 })
			e.listener.Drain(time.Hour, func() { e.logf("listener") })
			left := e.cluster.Stats().CxActive
			deadline := 300 * time.Millisecond
			if reads {
				deadline = time.Minute
			}
			e.cluster.Drain(e.loop, deadline, func() { e.logf("cluster") })
			if len(e.log) > 0 {
				e.Errorf("told inside Drain: %v", e.log)
			}
			if reads {
				got, end := "", ""
				e.until("the host has it all", func() bool {
					var more string
					more, end = up.read()
					got += more
					return end != ""
				})
				if got != request || end != "EOF" {
					e.Errorf("upstream: got %d bytes %s, want %d and EOF", len(got), end, len(request))
				}
			}
			e.until("drained", func() bool {
				return strings.Join(e.log, " ") == "listener cluster" || strings.Join(e.log, " ") == "cluster listener"
			})
			if got := e.cluster.Stats().CxActive; got != 0 {
				e.Errorf("upstream connections after the drain: got %d of %d, want 0", got, left)
			}
			e.log = nil
			if err := pipeline.CheckEnded(e.cluster.Snapshot()); err != nil {
				e.Error(err)
			}
		})
	}
}
