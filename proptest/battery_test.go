package proptest_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/pipeline/tlsinspector"
	"edgewise.test/proptest"
)

func TestBatteryPassesGoodFilters(t *testing.T) {
	hello, err := os.ReadFile("../pipeline/tlsinspector/testdata/hello/openssl-tls13.bin")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("tlsinspector", func(t *testing.T) {
		proptest.TestListenerFilter(t, tlsinspector.NewFilter, hello, []byte("GET / HTTP/1.1\r\n\r\n"))
	})
	t.Run("magic", func(t *testing.T) { proptest.TestListenerFilter(t, goodMagic, []byte("MAGIC-rest")) })
	t.Run("echo", func(t *testing.T) { proptest.TestNetworkFilter(t, echo.Filter, []byte("hello, echo")) })
	t.Run("raw", func(t *testing.T) {
		proptest.TestTransportSocket(t, nil, func(c net.Conn) ([]byte, error) {
			if _, err := c.Write([]byte("hello")); err != nil {
				return nil, err
			}
			got := make([]byte, 5)
			for n := 0; n < 5; {
				m, err := c.Read(got[n:])
				if err != nil {
					return got[:n], err
				}
				n += m
			}
			return got, nil
		})
	})
}

// magic is a listener filter that wants "MAGIC" and takes it off the stream.
type magic struct {
	cb  pipeline.ListenerFilterCallbacks
	bug string
}

func goodMagic() pipeline.ListenerFilter { return &magic{} }

func (m *magic) OnAccept(cb pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	m.cb = cb
	return pipeline.StopIteration
}

func (m *magic) OnData(buffer *pipeline.ListenerFilterBuffer) pipeline.FilterStatus {
	b := buffer.Bytes()
	word := []byte("MAGIC")
	switch {
	case m.bug == "panics" && len(b) > 0 && b[0] == 0xff:
		panic("index out of range")
	case bytes.HasPrefix(b, word):
		n := len(word)
		if m.bug == "drains what it sees" {
			n = len(b)
		}
		buffer.Drain(n)
		return pipeline.Continue
	case m.bug == "one segment":
	case bytes.HasPrefix(word, b):
		return pipeline.StopIteration
	}
	m.cb.Socket().Close()
	return pipeline.StopIteration
}

func (m *magic) OnClose()          {}
func (m *magic) MaxReadBytes() int { return 64 }

// forgetful is a network filter that answers what it believes to be one request.
type forgetful struct{ cb pipeline.ReadFilterCallbacks }

func (f *forgetful) OnNewConnection(cb pipeline.ReadFilterCallbacks) pipeline.FilterStatus {
	f.cb = cb
	return pipeline.Continue
}

func (f *forgetful) OnData(data *pipeline.Buffer, _ bool) pipeline.FilterStatus {
	data.Drain(data.Len())
	var answer pipeline.Buffer
	answer.Write([]byte("ok"))
	f.cb.Connection().Write(&answer, false)
	return pipeline.StopIteration
}

// badBatteries are what the batteries must object to.
var badBatteries = map[string]struct {
	run  func(t *testing.T)
	want string
}{
	"one segment":         {badMagic("one segment"), "split at byte 1"},
	"drains what it sees": {badMagic("drains what it sees"), "fused with what follows"},
	"panics":              {badMagic("panics"), "panic: "},
	"forgetful": {func(t *testing.T) {
		proptest.TestNetworkFilter(t, func(c *pipeline.Connection) { c.AddReadFilter(&forgetful{}) }, []byte("request"))
	}, "split at byte 1"},
	"greedy transport": {func(t *testing.T) {
		proptest.TestTransportSocket(t, nil, func(c net.Conn) ([]byte, error) {
			c.Write([]byte("hello"))
			got := make([]byte, 5)
			n, err := c.Read(got) // believes that all of it comes at once
			return got[:n], err
		})
	}, "byte by byte"},
}

func badMagic(bug string) func(t *testing.T) {
	return func(t *testing.T) {
		proptest.TestListenerFilter(t, func() pipeline.ListenerFilter { return &magic{bug: bug} }, []byte("MAGIC-rest"))
	}
}

// The batteries fail real tests, so bad filters run in a process of their own.
func TestBatteryCatchesBadFilters(t *testing.T) {
	if name := os.Getenv("EDGEWISE_BAD_BATTERY"); name != "" {
		badBatteries[name].run(t)
		return
	}
	for name, bad := range badBatteries {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestBatteryCatchesBadFilters$")
			cmd.Env = append(os.Environ(), "EDGEWISE_BAD_BATTERY="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), bad.want) {
				t.Errorf("got %v and\n%s\nwant a failure with %q", err, out, bad.want)
			}
		})
	}
}
