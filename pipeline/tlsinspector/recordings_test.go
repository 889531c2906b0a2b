package tlsinspector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const helloDir = "testdata/hello"

// recording is one row of the table in testdata/hello/README.md. There SNI and
// ALPN are what the client was told to send.
type recording struct {
	file, serverName, alpn string
	hello                  []byte
}

func recordings(t testing.TB) (list []recording) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(helloDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(readme)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 4 || !strings.HasSuffix(cells[0], ".bin") {
			continue
		}
		value := func(cell string) string { return strings.Trim(strings.TrimSuffix(cell, " |"), "`-") }
		r := recording{file: cells[0][2:], serverName: value(cells[2]), alpn: value(cells[3])}
		if r.hello, err = os.ReadFile(filepath.Join(helloDir, r.file)); err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

func TestRecordedHellosSayWhatTheirClientWasTold(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(helloDir, "*.bin"))
	if err != nil {
		t.Fatal(err)
	}
	list := recordings(t)
	if len(list) == 0 || len(files) != len(list) {
		t.Errorf("%d files, %d rows in README.md", len(files), len(list))
	}
	for _, r := range list {
		t.Run(r.file, func(t *testing.T) {
			var p Parser
			hello, status := p.Parse(r.hello)
			if status != Found {
				t.Fatalf("got %v, want Found", status)
			}
			if got := string(hello.ServerName); got != r.serverName {
				t.Errorf("server name: got %q, want %q", got, r.serverName)
			}
			if got := strings.Join(names(hello.ALPN), ","); got != r.alpn {
				t.Errorf("ALPN: got %q, want %q", got, r.alpn)
			}
			info := oracle(r.hello)
			if info == nil {
				t.Fatal("crypto/tls finds no hello")
			}
			agree(t, hello, info)
		})
	}
}

func TestRecordedHellosInEveryPrefix(t *testing.T) {
	for _, r := range recordings(t) {
		t.Run(r.file, func(t *testing.T) {
			var p Parser
			walk(t, 0, r.hello, len(r.hello), judge(&p, r.hello))
			message := string(r.hello[recordHeaderLen:])
			for _, n := range []int{7, 100} { // one byte each is in the table: here it would take a second
				cut := []byte(fragments(message, n))
				walk(t, 0, cut, len(cut), judge(&p, r.hello))
			}
		})
	}
}
