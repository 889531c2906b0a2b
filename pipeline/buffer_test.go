package pipeline

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Invariant: a buffer holds what a plain slice would, whatever storage it uses, and
// storage is never in two hands.
func TestBufferIsAQueueOfBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool := &chunkPool{}
		buffers := []*Buffer{{pool: pool}, {pool: pool}, {}}
		var twins [3][]byte
		next := byte(0)
		sizes := rapid.SampledFrom([]int{1, 7, 1000, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize})
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			i := rapid.IntRange(0, 2).Draw(t, "buffer")
			b := buffers[i]
			switch rapid.SampledFrom([]string{"write", "drain", "move", "reserve"}).Draw(t, "step") {
			case "write":
				next++
				p := bytes.Repeat([]byte{next}, sizes.Draw(t, "size"))
				b.Write(p)
				twins[i] = append(twins[i], p...)
			case "drain":
				n := rapid.IntRange(0, b.Len()).Draw(t, "n")
				b.Drain(n)
				twins[i] = twins[i][n:]
			case "move":
				j := rapid.IntRange(0, 2).Draw(t, "from")
				b.Move(buffers[j])
				if i != j {
					twins[i] = append(bytes.Clone(twins[i]), twins[j]...)
					twins[j] = nil
				}
			case "reserve":
				n := sizes.Draw(t, "size")
				room := b.Reserve(n)
				if len(room) < n {
					t.Fatalf("Reserve(%d): got %d", n, len(room))
				}
				next++
				k := rapid.IntRange(0, n).Draw(t, "commit")
				for i := range k {
					room[i] = next
				}
				b.Commit(k)
				twins[i] = append(twins[i], room[:k:k]...)
			}
			for i, b := range buffers {
				if !bytes.Equal(b.Bytes(), twins[i]) || b.Len() != len(twins[i]) {
					t.Fatalf("buffer %d: got %d bytes, want %d, or other ones", i, b.Len(), len(twins[i]))
				}
				if b.Len() == 0 && b.b != nil {
					t.Fatalf("buffer %d is empty and keeps storage", i)
				}
			}
		}
	})
}

func TestWatermarks(t *testing.T) {
	var log watermarkLog
	b := &Buffer{}
	b.setWatermarks(10, &log)
	for _, step := range []int{10, 1, 5, -10, -1, 3, 3, -12, 20} {
		if step > 0 {
			b.Write(make([]byte, step))
		} else {
			b.Drain(min(-step, b.Len()))
		}
		log.add(fmt.Sprint(b.Len()))
	}
	if got, want := log.String(), "10 above 11 16 6 below 5 8 above 11 below 0 above 20"; got != want {
		t.Errorf("limit 10:\n got %s\nwant %s", got, want)
	}
}

type watermarkLog struct{ words []string }

func (l *watermarkLog) add(word string) { l.words = append(l.words, word) }

func (l *watermarkLog) String() string { return strings.Join(l.words, " ") }

func (l *watermarkLog) onAboveHighWatermark(*Buffer) { l.add("above") }

func (l *watermarkLog) onBelowLowWatermark(*Buffer) { l.add("below") }

// What waits for a reader holds no chunk that it does not fill.
func TestDetachedBytesHoldLittle(t *testing.T) {
	for _, n := range []int{0, 1, smallChunk, smallChunk + 1, chunkSize/2 + 1, chunkSize} {
		b := Buffer{pool: new(chunkPool)}
		var want []byte
		for i := range n {
			want = append(want, byte(i))
		}
		b.Write([]byte("drained"))
		b.Write(want)
		b.Drain(len("drained"))
		p := b.detach()
		if most := max(smallChunk, 2*n); cap(p) > most {
			t.Errorf("%d bytes: got storage of %d, want at most %d", n, cap(p), most)
		}
		if b.Len() != 0 || b.b != nil {
			t.Errorf("%d bytes: the buffer keeps %d, and storage of %d", n, b.Len(), len(b.b))
		}
		for _, before := range []string{"", "before"} {
			b := Buffer{pool: new(chunkPool)}
			b.WriteString(before)
			b.attach(append(make([]byte, 0, cap(p)), p...))
			if got := string(b.Bytes()); got != before+string(want) {
				t.Errorf("attach %d bytes behind %q: got %d others", n, before, len(got))
			}
		}
	}
}
