package traceview

import (
	"bytes"
	"fmt"
	"go/format"
	"go/parser"
	"go/token"
	"io"
	"strconv"
	"strings"
	"text/template"
	"unicode"

	"edgewise.test/faults"
)

// GoTestOptions says what a test file replays. Package, Test and Scenario must be set.
type GoTestOptions struct {
	Package  string // of the file: "echo_test"
	Test     string // the function's name: "TestEchoSplitHello"
	Scenario string // an expression: the name of a func(*proptest.World)
	Config   string // an expression: a proptest.Config; "" is proptest.Config{}
	// Imports are what Scenario and Config need besides proptest.
	Imports []string
	Plan    faults.Plan
	Message string // why it failed; "" leaves it out
}

// GoTest writes a file with a test that replays a plan, formatted as gofmt does.
// It is the way to keep a failure where a plan file would not be found.
//
// An error says which option does not make a Go program, or is w's.
func GoTest(w io.Writer, opts GoTestOptions) error {
	if err := opts.check(); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := testFile.Execute(&b, opts); err != nil {
		return err
	}
	text, err := format.Source(b.Bytes())
	if err != nil {
		return fmt.Errorf("test file: %w", err)
	}
	_, err = w.Write(text)
	return err
}

// check keeps what is not an expression or a name from becoming a program.
func (o GoTestOptions) check() error {
	if !token.IsIdentifier(o.Package) {
		return fmt.Errorf("test file: package: got %q, want an identifier", o.Package)
	}
	rest, ok := strings.CutPrefix(o.Test, "Test")
	if first := firstRune(rest); !ok || !token.IsIdentifier(o.Test) || unicode.IsLower(first) {
		return fmt.Errorf("test file: test: got %q, want a name like TestEcho", o.Test)
	}
	if err := checkExpression("scenario", o.Scenario); err != nil {
		return err
	}
	if o.Config == "" {
		return nil
	}
	return checkExpression("config", o.Config)
}

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}

func checkExpression(what, text string) error {
	if _, err := parser.ParseExpr(text); err != nil {
		return fmt.Errorf("test file: %s: got %q, want an expression: %w", what, text, err)
	}
	return nil
}

var testFile = template.Must(template.New("test").Parse(`package {{.Package}}

import (
	"testing"

	{{range .AllImports}}{{printf "%q" .}}
	{{end}}
)

// {{.Test}} replays a schedule that failed{{if .Message}} with:
//
{{range .MessageLines}}//	{{.}}
{{end}}{{else}}.
{{end}}func {{.Test}}(t *testing.T) {
	plan, err := faults.Parse({{.PlanLiteral}})
	if err != nil {
		t.Fatal(err)
	}
	{{if .Config}}config := {{.Config}}
	config.Scenario = {{.Scenario}}{{else}}config := proptest.Config{Scenario: {{.Scenario}}}{{end}}
	if failure := proptest.Replay(config, plan); failure != nil {
		t.Fatal(failure.Report())
	}
}
`))

// AllImports is without repetition; the formatter sorts them.
func (o GoTestOptions) AllImports() []string {
	all := []string{"edgewise.test/faults", "edgewise.test/proptest"}
	seen := map[string]bool{"testing": true, all[0]: true, all[1]: true}
	for _, name := range o.Imports {
		if !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	return all
}

// MessageLines are fit for a comment.
func (o GoTestOptions) MessageLines() []string {
	text := strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.TrimRight(o.Message, "\n"))
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

// PlanLiteral is the plan's text as a raw string, if its notes can stand in one.
func (o GoTestOptions) PlanLiteral() string {
	text := o.Plan.String()
	for _, line := range strings.Split(text, "\n") {
		if !strconv.CanBackquote(line) {
			return strconv.Quote(text)
		}
	}
	return "`" + text + "`"
}
