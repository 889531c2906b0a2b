package pipeline_test

import (
	"bytes"
	"strings"
	"testing"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/pipeline/tlsinspector"
)

func TestTLSInspectorRoutesByWhatItFinds(t *testing.T) {
	hello := string(clientHello("WWW.Edge.test", "h2", "http/1.1"))
	fragmented := fragment(hello, 100)
	long := fragment(string(clientHello("www.edge.test", strings.Split(strings.Repeat("protocol-number-x ", 100), " ")[:100]...)), 2000)
	for _, c := range []struct {
		name   string
		config tlsinspector.Config
		parts  []string
		chain  string // "": refused
		stats  string
	}{
		{"hello", tlsinspector.Config{}, []string{hello}, "h2", "alpn_found sni_found tls_found"},
		{"hello and more", tlsinspector.Config{}, []string{hello + "early data"}, "h2", "alpn_found sni_found tls_found"},
		{"hello in parts", tlsinspector.Config{}, []string{hello[:1], hello[1:6], hello[6:]}, "h2", "alpn_found sni_found tls_found"},
		{"hello in records", tlsinspector.Config{}, []string{fragmented}, "h2", "alpn_found sni_found tls_found"},
		{"a wish that grows", tlsinspector.Config{InitialReadBufferSize: 256}, []string{long}, "tls", "alpn_found sni_found tls_found"},
		{"no hello", tlsinspector.Config{}, []string{"GET / HTTP/1.1\r\n\r\n"}, "plain", "tls_not_found"},
		{"no hello, refused", tlsinspector.Config{CloseConnectionOnClientHelloParsingErrors: true}, []string{"GET /"}, "", "tls_not_found"},
		{"too large", tlsinspector.Config{MaxClientHelloSize: 512}, []string{long}, "", "client_hello_too_large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onKernels(t, func(e *env) {
				inspector := tlsinspector.New(c.config)
				var got string
				chain := func(name string, match pipeline.FilterChainMatch) pipeline.FilterChain {
					return pipeline.FilterChain{Name: name, FilterChainMatch: match, Filters: []pipeline.FilterFactory{
						func(c *pipeline.Connection) { got = c.Info().FilterChainName() }, echo.Filter,
					}}
				}
				l := e.listen(pipeline.ListenerConfig{
					// A filter with a bigger buffer goes first: envoy PR 40544.
					ListenerFilters: []pipeline.ListenerFilterFactory{
						(&script{e: e, want: 600, onData: enough(1)}).factory, inspector.Filter,
					},
					FilterChains: []pipeline.FilterChain{
						chain("h2", pipeline.FilterChainMatch{TransportProtocol: "tls", ServerNames: []string{"*.edge.test"}, ApplicationProtocols: []string{"h2"}}),
						chain("tls", pipeline.FilterChainMatch{TransportProtocol: "tls", ServerNames: []string{"*.edge.test"}, ApplicationProtocols: []string{"protocol-number-x"}}),
						chain("plain", pipeline.FilterChainMatch{TransportProtocol: "raw_buffer"}),
					},
				})
				p := e.dial(l.Address())
				for _, part := range c.parts {
					p.write(part)
					e.turns()
				}
				if got != c.chain {
					e.Errorf("got chain %q, want %q", got, c.chain)
				}
				if c.chain != "" {
					p.wants(strings.Join(c.parts, ""), "")
				} else {
					p.wants("", "ECONNRESET")
				}
				var counted []string
				for _, s := range inspector.Snapshot() {
					if s.Value > 0 {
						counted = append(counted, strings.TrimPrefix(s.Name, "tls_inspector."))
					}
				}
				if got := strings.Join(counted, " "); got != c.stats {
					e.Errorf("counted %s, want %s", got, c.stats)
				}
			})
		})
	}
}

// fragment puts a hello into records of at most n bytes (RFC 8446 5.1).
func fragment(hello string, n int) string {
	var b bytes.Buffer
	for message := hello[5:]; len(message) > 0; {
		part := message[:min(n, len(message))]
		b.WriteString(hello[:3])
		b.Write([]byte{byte(len(part) >> 8), byte(len(part))})
		b.WriteString(part)
		message = message[len(part):]
	}
	return b.String()
}
