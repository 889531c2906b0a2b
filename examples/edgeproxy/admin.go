package main

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"edgewise.test/pipeline"
)

// admin is a part of Envoy's admin interface, over HTTP. It only reads.
type admin struct {
	proxy    *proxy
	listener net.Listener
	server   *http.Server
}

// listenAdmin serves until close.
func listenAdmin(address netip.AddrPort, p *proxy) (*admin, error) {
	l, err := net.Listen("tcp", address.String())
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	a := &admin{proxy: p, listener: l}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", a.stats)
	mux.HandleFunc("GET /stats/prometheus", a.prometheus)
	mux.HandleFunc("GET /listeners", a.listeners)
	mux.HandleFunc("GET /healthz", a.healthz)
	a.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	go a.server.Serve(l)
	return a, nil
}

// close ends it at once.
func (a *admin) close() { a.server.Close() }

// stats writes counters and histograms in the lines of Envoy's /stats.
func (a *admin) stats(w http.ResponseWriter, _ *http.Request) {
	counters, histograms, ok := a.proxy.snapshot()
	if !ok {
		http.Error(w, "stopped", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, counters)
	for _, h := range histograms {
		fmt.Fprintln(w, h)
	}
}

func (a *admin) prometheus(w http.ResponseWriter, _ *http.Request) {
	counters, histograms, ok := a.proxy.snapshot()
	if !ok {
		http.Error(w, "stopped", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	pipeline.WritePrometheus(w, counters, histograms...) // an error is one of w: nobody reads
}

// listeners are lines of name and address, as Envoy writes them.
func (a *admin) listeners(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, l := range a.proxy.addresses() {
		fmt.Fprintf(w, "%s::%v\n", l.name, l.address)
	}
}

// healthz says whether new connections are welcome.
func (a *admin) healthz(w http.ResponseWriter, _ *http.Request) {
	if a.proxy.draining() {
		http.Error(w, "draining", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
}
