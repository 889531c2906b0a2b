package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"edgewise.test/pipeline"
)

func TestPrometheusHasEnvoysNames(t *testing.T) {
	s := pipeline.MakeSnapshot(
		pipeline.Stat{Name: "listener.0.0.0.0:443.downstream_cx_total", Value: 3},
		pipeline.Stat{Name: "listener.0.0.0.0:443.downstream_cx_active", Value: 1},
		pipeline.Stat{Name: "listener.a\"b.downstream_cx_total", Value: 4},
		pipeline.Stat{Name: "listener.edge.ssl.connection_error", Value: 5},
		pipeline.Stat{Name: "cluster.up.upstream_cx_active", Value: 6},
		pipeline.Stat{Name: "tcp.p.idle_timeout", Value: 7},
		pipeline.Stat{Name: "tls_inspector.sni_found", Value: 8},
		pipeline.Stat{Name: "listener_manager.total_listeners_draining", Value: 9},
	)
	h := pipeline.NamedHistogram{Name: "listener.edge.downstream_cx_length_ms"}
	for _, v := range []float64{0, 0.5, 0.6, 3600000, 3600001} {
		h.Record(v)
	}
	var b strings.Builder
	if err := pipeline.WritePrometheus(&b, s, h); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	counters, histogram, _ := strings.Cut(got, "# TYPE envoy_listener_downstream_cx_length_ms histogram\n")
	want := `# TYPE envoy_cluster_upstream_cx_active gauge
envoy_cluster_upstream_cx_active{envoy_cluster_name="up"} 6
# TYPE envoy_listener_downstream_cx_active gauge
envoy_listener_downstream_cx_active{envoy_listener_address="0.0.0.0:443"} 1
# TYPE envoy_listener_downstream_cx_total counter
envoy_listener_downstream_cx_total{envoy_listener_address="0.0.0.0:443"} 3
envoy_listener_downstream_cx_total{envoy_listener_address="a\"b"} 4
# TYPE envoy_listener_manager_total_listeners_draining gauge
envoy_listener_manager_total_listeners_draining{} 9
# TYPE envoy_listener_ssl_connection_error counter
envoy_listener_ssl_connection_error{envoy_listener_address="edge"} 5
# TYPE envoy_tcp_idle_timeout counter
envoy_tcp_idle_timeout{envoy_tcp_prefix="p"} 7
# TYPE envoy_tls_inspector_sni_found counter
envoy_tls_inspector_sni_found{} 8
`
	if counters != want {
		t.Errorf("counters:\n%s\nwant\n%s", counters, want)
	}
	for _, line := range []string{
		`envoy_listener_downstream_cx_length_ms_bucket{envoy_listener_address="edge",le="0.5"} 2`,
		`envoy_listener_downstream_cx_length_ms_bucket{envoy_listener_address="edge",le="1"} 3`,
		`envoy_listener_downstream_cx_length_ms_bucket{envoy_listener_address="edge",le="3600000"} 4`,
		`envoy_listener_downstream_cx_length_ms_bucket{envoy_listener_address="edge",le="+Inf"} 5`,
		`envoy_listener_downstream_cx_length_ms_sum{envoy_listener_address="edge"} 7.2000021e+06`,
		`envoy_listener_downstream_cx_length_ms_count{envoy_listener_address="edge"} 5`,
	} {
		if !strings.Contains(histogram, line+"\n") {
			t.Errorf("no line %s in\n%s", line, histogram)
		}
	}
}

func TestHistogramsCountAcceptsPerEventAndLengthsOfConnections(t *testing.T) {
	e := newFakeEnv(t)
	l := e.listen(echoConfig())
	for range 3 {
		p := e.dial(l.Address())
		e.turns()
		e.peers.Wait(nil, 0)
		for range 20 {
			e.idle()
		}
		p.close()
		e.turns()
	}
	got := pipeline.MergeHistograms(l.Histograms(), l.Histograms())
	if len(got) != 2 || got[0].Name != "listener.test.connections_accepted_per_socket_event" || got[1].Name != "listener.test.downstream_cx_length_ms" {
		t.Fatalf("got %v", got)
	}
	if want := "listener.test.connections_accepted_per_socket_event: count 6 sum 6 1:6"; got[0].String() != want {
		t.Errorf("got %v, want %s", got[0], want)
	}
	if got[1].Count() != 6 || got[1].Sum < float64(6*40*time.Millisecond/time.Millisecond) {
		t.Errorf("got %v, want 6 lengths of 40 ms or more", got[1])
	}
}
