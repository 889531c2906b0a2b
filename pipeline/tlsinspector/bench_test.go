package tlsinspector

import (
	"fmt"
	"strings"
	"testing"
)

// sizes are those of a hello of a few years ago and of one with an ML-KEM key
// share, which no longer fits in one segment.
var sizes = []int{293, 1525}

// sizedMessage is a ClientHello that takes size bytes in one record.
func sizedMessage(size int) string {
	extensions := []string{
		serverName("edge.test"), extension(23, ""), extension(10, "\x00\x02\x00\x1d"), extension(11, "\x01\x00"),
		extension(13, "\x00\x02\x04\x03"), alpn("h2", "http/1.1"), extension(43, "\x02\x03\x04"), extension(45, "\x01\x01"),
	}
	room := size - len(record(hello(append(extensions, extension(51, ""))...)))
	return hello(append(extensions, extension(51, strings.Repeat("k", room)))...)
}

func TestOneRecordAllocatesNothing(t *testing.T) {
	var p Parser
	for _, size := range sizes {
		b := []byte(record(sizedMessage(size)))
		offered := 0
		parse := func() {
			hello, status := p.Parse(b)
			if status != Found || len(hello.ServerName) == 0 {
				t.Fatalf("got %v %q", status, hello.ServerName)
			}
			for range hello.ALPN.All() {
				offered++
			}
		}
		if got := testing.AllocsPerRun(100, parse); got != 0 || offered == 0 {
			t.Errorf("%d bytes: got %v allocations for %d protocols, want 0", size, got, offered)
		}
	}
}

// A Parser that has seen fragments has its scratch.
func TestFragmentsAllocateOnce(t *testing.T) {
	var p Parser
	b := []byte(fragments(sizedMessage(1525), 1))
	if got := testing.AllocsPerRun(100, func() { p.Parse(b) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func BenchmarkParse(b *testing.B) {
	for _, size := range sizes {
		message := sizedMessage(size)
		for _, c := range []struct {
			name   string
			stream string
			step   int
		}{
			{"Whole", record(message), len(message) + recordHeaderLen},
			{"ByteByByte", record(message), 1},
			{"OneByteRecords", fragments(message, 1), 6 * len(message)},
			{"OneByteRecordsByteByByte", fragments(message, 1), 1},
		} {
			b.Run(fmt.Sprintf("%dB/%s", size, c.name), func(b *testing.B) {
				benchmarkFeed(b, []byte(c.stream), c.step, Found)
			})
		}
	}
	// The most that a peer can make a Parser do.
	most := []byte(fragments(sizedMessage(2740), 1)[:MaxSize-1])
	b.Run("Worst/OneByteRecordsByteByByte", func(b *testing.B) { benchmarkFeed(b, most, 1, NeedMore) })
	var many strings.Builder
	for kind := range uint16(4000) {
		many.WriteString(extension(kind+100, ""))
	}
	stream := []byte(record(hello(many.String())))
	b.Run("Worst/4000Extensions", func(b *testing.B) { benchmarkFeed(b, stream, len(stream), Found) })
}

// benchmarkFeed parses stream in growing prefixes, step bytes more each.
func benchmarkFeed(b *testing.B, stream []byte, step int, want Status) {
	var p Parser
	b.ReportAllocs()
	for b.Loop() {
		status := NeedMore
		for n := step; n <= len(stream); n += step {
			_, status = p.Parse(stream[:n])
		}
		if status != want {
			b.Fatalf("got %v, want %v", status, want)
		}
	}
}
