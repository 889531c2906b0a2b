package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"edgewise.test/proptest"
)

// progress keeps one line on a terminal up to date; it is quiet elsewhere.
type progress struct {
	to   io.Writer
	last time.Duration
	line int // characters on the terminal
}

func newProgress(to io.Writer) *progress {
	if f, ok := to.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return &progress{to: to}
		}
	}
	return &progress{}
}

func (p *progress) show(s proptest.Stats) {
	if p.to == nil || s.Elapsed-p.last < 100*time.Millisecond {
		return
	}
	p.last = s.Elapsed
	text := fmt.Sprintf("%d schedules, %.0f a second (%d single, %d pairs, %d random)", s.Schedules, float64(s.Schedules)/s.Elapsed.Seconds(), s.Single, s.Pairs, s.Random)
	fmt.Fprintf(p.to, "\r%-*s", p.line, text)
	p.line = len(text)
}

func (p *progress) clear() {
	if p.to != nil && p.line > 0 {
		fmt.Fprintf(p.to, "\r%s\r", strings.Repeat(" ", p.line))
	}
}
