package poller_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// rules is who may import whom, outside of tests. Packages of the standard
// library are free unless they are named in banned.
var rules = []struct {
	dir     string
	allowed []string // prefixes
	banned  []string
	reason  string
}{
	{"poller", []string{"edgewise.test/poller", "golang.org/x/sys"}, nil,
		"poller is the vocabulary that everybody shares"},
	{"faults", []string{"edgewise.test/faults", "edgewise.test/poller"}, []string{"math/rand", "math/rand/v2", "crypto/rand"},
		"plans must mean the same to every user of the boundary"},
	{"fakepoller", []string{"edgewise.test/fakepoller", "edgewise.test/faults", "edgewise.test/poller"}, []string{"math/rand", "math/rand/v2", "crypto/rand"},
		"whoever has an event loop of their own imports poller and fakepoller, and gets no pipeline and no test library with them"},
	{"pipeline", []string{"edgewise.test/pipeline", "edgewise.test/poller"}, []string{"math/rand", "math/rand/v2", "crypto/rand", "testing"},
		"production code does not link the fake"},
	{"proptest", []string{"edgewise.test/", "pgregory.net/rapid", "github.com/google/go-cmp"}, nil,
		"proptest joins all, and nobody but the examples imports it"},
}

func TestImports(t *testing.T) {
	for _, rule := range rules {
		root := filepath.Join("..", rule.dir)
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return filepath.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, spec := range file.Imports {
				name, _ := strconv.Unquote(spec.Path.Value)
				if !mayImport(name, rule.allowed, rule.banned) {
					t.Errorf("%s imports %s: %s", path, name, rule.reason)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func mayImport(name string, allowed, banned []string) bool {
	for _, b := range banned {
		if name == b {
			return false
		}
	}
	if first, _, _ := strings.Cut(name, "/"); !strings.Contains(first, ".") {
		return true // standard library
	}
	for _, a := range allowed {
		if strings.HasPrefix(name, a) {
			return true
		}
	}
	return false
}

func TestImportRulesCatchABadImport(t *testing.T) {
	for _, bad := range []string{"edgewise.test/fakepoller", "pgregory.net/rapid", "math/rand"} {
		if rule := rules[3]; mayImport(bad, rule.allowed, rule.banned) {
			t.Errorf("pipeline may import %s, want it forbidden", bad)
		}
	}
}
