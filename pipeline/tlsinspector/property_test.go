package tlsinspector

import (
	"testing"

	"pgregory.net/rapid"
)

// anyMessage draws a handshake message that is a ClientHello, or nearly.
func anyMessage() *rapid.Generator[string] {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("aZ.-\x00")), 0, 20, 20)
	anyExtension := rapid.OneOf(
		rapid.Map(text, serverName),
		rapid.Map(rapid.SliceOfN(text, 0, 4), func(p []string) string { return alpn(p...) }),
		rapid.Custom(func(t *rapid.T) string {
			kind := rapid.Uint16Max(20).Draw(t, "kind")
			return extension(kind, string(rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "data")))
		}),
	)
	return rapid.Custom(func(t *rapid.T) string {
		b := []byte(hello(rapid.SliceOfN(anyExtension, 0, 6).Draw(t, "extensions")...))
		if rapid.IntRange(0, 3).Draw(t, "damage") == 3 {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "value")
		}
		return string(b)
	})
}

// drawFragments cuts message into records anywhere.
func drawFragments(t *rapid.T, message string) (records string) {
	for len(message) > 0 {
		n := rapid.IntRange(1, len(message)).Draw(t, "record")
		records += record(message[:n])
		message = message[n:]
	}
	return records
}

// Invariant: the records that carry a message do not change the verdict on it.
func TestVerdictIsTheSameInAnyRecords(t *testing.T) {
	var p Parser
	rapid.Check(t, func(t *rapid.T) {
		message := anyMessage().Draw(t, "message")
		want := judge(&p, []byte(record(message)))
		if want.status == TooLarge {
			t.Skip("only the size counts the record headers")
		}
		if got := judge(&p, []byte(drawFragments(t, message))); got != want {
			t.Fatalf("got %+v, want %+v as in one record", got, want)
		}
	})
}

// Invariant: parser and twin give the same verdict on every prefix, at any limit.
func TestVerdictIsTheTwinsOnEveryPrefix(t *testing.T) {
	var p Parser
	rapid.Check(t, func(t *rapid.T) {
		stream := []byte(drawFragments(t, anyMessage().Draw(t, "message")))
		p.MaxSize = rapid.OneOf(rapid.Just(MaxSize), rapid.IntRange(1, len(stream)+8)).Draw(t, "limit")
		for i := range len(stream) + 1 {
			want, why := twin(stream[:i], p.MaxSize)
			if got := judge(&p, stream[:i]); got != want {
				t.Fatalf("first %d of %d bytes: got %+v, want %+v %s", i, len(stream), got, want, why)
			}
		}
	})
}
