package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the generated part of README.md")

const generated = "## The bugs\n"

// The README lists every bug with its sources, and those that are not here.
func TestReadmeIsFresh(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(text), generated)
	if !ok {
		t.Fatalf("README.md: got no line %q", generated)
	}
	want := head + bugs()
	if *update {
		if err := os.WriteFile("README.md", []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("README.md is not what the zoo holds: run go test ./examples/zoo -run Readme -update")
	}
}

func bugs() string {
	var b strings.Builder
	b.WriteString(generated)
	fmt.Fprintf(&b, "\n%d of them; `go test ./examples/zoo -run Readme -update` writes this part.\n", len(zoo))
	b.WriteString("\n| bug | what | shows as | deviations | where it happened |\n|---|---|---|---|---|\n")
	for _, e := range zoo {
		var links []string
		for i, l := range e.links {
			links = append(links, fmt.Sprintf("[%d](%s)", i+1, l))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %s |\n", e.id, e.what, e.class, e.deviations, strings.Join(links, " "))
	}
	b.WriteString("\nL bugs are hazards that were read in Envoy's code and not seen to happen.\n")
	b.WriteString("\n## What can not be planted\n\n")
	for _, a := range absent {
		fmt.Fprintf(&b, "* %s: %s.\n", a.id, a.why)
	}
	return b.String()
}
