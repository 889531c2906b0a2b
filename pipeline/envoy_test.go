package pipeline_test

import (
	"bufio"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// ENVOY.md names a test, or a difference, for each behaviour; the tests are there.
func TestEveryTestNamedInENVOYExists(t *testing.T) {
	declared := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declaration.FindAllSubmatch(text, -1) {
			declared[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open("ENVOY.md")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || strings.HasPrefix(line, "| #") {
			continue
		}
		rows++
		tests := regexp.MustCompile(`Test\w+`).FindAllString(cells[2], -1)
		if len(tests) == 0 && !strings.HasPrefix(cells[2], "Not here: ") {
			t.Errorf("no test and no reason: %s", line)
		}
		for _, name := range tests {
			if !declared[name] {
				t.Errorf("%s does not exist: %s", name, line)
			}
		}
	}
	if rows < 60 {
		t.Errorf("got %d rows, want at least 60: the table was not read", rows)
	}
}
