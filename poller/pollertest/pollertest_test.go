package pollertest

import (
	"strings"
	"testing"
)

func TestEachRowIsEitherACaseOrAGap(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range allCases() {
		if seen[c.id] {
			t.Errorf("%s: two cases have this id", c.id)
		}
		seen[c.id] = true
		if c.name == "" || c.want == "" || c.run == nil {
			t.Errorf("%s: got name %q, line %q, want both and a script", c.id, c.name, c.want)
		}
	}
	for _, gap := range NotCovered {
		for _, pattern := range gap.IDs {
			if got := anyMatches(pattern, seen); got != gap.Part {
				t.Errorf("%s (%s): got a case: %t, want %t", pattern, gap.Why, got, gap.Part)
			}
		}
	}
}

func anyMatches(pattern string, ids map[string]bool) bool {
	for id := range ids {
		prefix, group := strings.CutSuffix(pattern, "*")
		if id == pattern || group && strings.HasPrefix(id, prefix) {
			return true
		}
	}
	return false
}
