package tlsinspector

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/poller"
)

// routed takes hello through a real listener under plan, and returns the names of
// the chains that connections came to.
func routed(t *testing.T, hello []byte, plan faults.Plan) string {
	w := fakepoller.New(fakepoller.Config{Source: plan.Source()})
	defer w.Close()
	k := w.NewWorker()
	loop := pipeline.NewLoop(k)
	addr := netip.MustParseAddrPort("127.0.0.1:443")
	fd, err := poller.ListenTCP(k, addr, poller.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var chains []string
	chain := func(name string, match pipeline.FilterChainMatch) pipeline.FilterChain {
		return pipeline.FilterChain{Name: name, FilterChainMatch: match, Filters: []pipeline.FilterFactory{func(c *pipeline.Connection) {
			chains = append(chains, name)
			echo.Filter(c)
		}}}
	}
	tls := func(servers, protocols []string) pipeline.FilterChainMatch {
		return pipeline.FilterChainMatch{TransportProtocol: "tls", ServerNames: servers, ApplicationProtocols: protocols}
	}
	edge := []string{"edge.test"}
	_, err = pipeline.NewListener(loop, fd, &pipeline.ListenerConfig{
		ListenerFilters: []pipeline.ListenerFilterFactory{NewFilter},
		FilterChains: []pipeline.FilterChain{
			chain("edge.test h2", tls(edge, []string{"h2"})),
			chain("edge.test http/1.1", tls(edge, []string{"http/1.1"})),
			chain("edge.test", tls(edge, nil)),
			chain(" h2", tls(nil, []string{"h2"})),
			chain("", tls(nil, nil)),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	k.Go(func() { loop.Run() })
	w.Peer("client", func(p *fakepoller.Peer) {
		c, err := p.Dial(addr)
		if err != nil {
			t.Error(err)
			return
		}
		c.Write(hello)
		p.Sleep(restOfTheHello)
	})
	w.Run()
	return strings.Join(chains, ", ")
}

// restOfTheHello is longer than a hello takes that comes byte by byte, one every
// millisecond, and shorter than the timeout of the listener filters.
const restOfTheHello = 10e9

func TestRecordedHellosAreRoutedAtEverySplit(t *testing.T) {
	for _, r := range recordings(t) {
		t.Run(r.file, func(t *testing.T) {
			t.Parallel()
			first, _, _ := strings.Cut(r.alpn, ",")
			want := strings.TrimRight(r.serverName+" "+first, " ")
			plan := func(from, to, bytes int) faults.Plan {
				return faults.Plan{Deviations: []faults.Deviation{{Actor: "conn 1", Op: faults.Segment, From: from, To: to, Outcome: bytes}}}
			}
			check := func(how string, p faults.Plan) {
				if got := routed(t, r.hello, p); got != want {
					t.Errorf("%s: got chain %q, want %q\n%s", how, got, want, p)
				}
			}
			check("whole", faults.Plan{})
			for at := 1; at < len(r.hello); at++ {
				check(fmt.Sprint("split at ", at), plan(1, 1, at))
			}
			check("byte by byte", plan(1, faults.Onward, 1))
		})
	}
}
