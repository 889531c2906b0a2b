package proptest

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"edgewise.test/fakepoller/traceview"
)

var (
	flagViews     = flag.String("edgewise.views", os.Getenv("EDGEWISE_VIEWS"), "write the capture and the Perfetto trace of a failure into this `folder` too (EDGEWISE_VIEWS)")
	flagWriteTest = flag.String("edgewise.write-test", os.Getenv("EDGEWISE_WRITE_TEST"), "write a failure as a test into this `file` (EDGEWISE_WRITE_TEST)")
)

// WriteHTML writes the failure's timeline as a page that needs nothing else.
func (f *Failure) WriteHTML(w io.Writer, title string) error {
	return traceview.HTML(w, f.Events, traceview.HTMLOptions{Title: title, Message: f.Message, Plan: f.Plan})
}

// saveViews writes what there is to look at beside file, a saved plan, and what
// the flags ask for. It returns the lines of the report that say so.
func (f *Failure) saveViews(test, pkg, file string) (lines []string) {
	base := strings.TrimSuffix(file, ".plan")
	save := func(what, name string, write func(w io.Writer) error) {
		var b bytes.Buffer
		err := write(&b)
		if err == nil {
			err = os.WriteFile(name, b.Bytes(), 0o666)
		}
		if err != nil {
			lines = append(lines, fmt.Sprintf("%-7s could not be written: %v", what+":", err))
			return
		}
		lines = append(lines, fmt.Sprintf("%-7s %s", what+":", filepath.ToSlash(name)))
	}
	save("look", base+".html", func(w io.Writer) error { return f.WriteHTML(w, test) })
	if *flagViews != "" {
		if err := os.MkdirAll(*flagViews, 0o777); err != nil {
			return append(lines, fmt.Sprintf("views:  %v", err))
		}
		name := filepath.Join(*flagViews, filepath.Base(base))
		save("capture", name+".pcapng", func(w io.Writer) error { return traceview.PCAPNG(w, f.Events) })
		save("perfetto", name+".trace.json", func(w io.Writer) error { return traceview.ChromeTrace(w, f.Events) })
	}
	if *flagWriteTest != "" {
		save("test", *flagWriteTest, func(w io.Writer) error {
			name, _, _ := strings.Cut(test, "/")
			return traceview.GoTest(w, traceview.GoTestOptions{
				Package: pkg[strings.LastIndexByte(pkg, '/')+1:] + "_test", Test: name + "Keeps", Scenario: "scenario", Plan: f.Plan, Message: f.Message,
			})
		})
	}
	return lines
}
