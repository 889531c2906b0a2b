package faults

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"edgewise.test/poller"
)

// ParseError says where a plan's text is wrong and what was expected there.
type ParseError struct {
	Line, Column int // from 1; a column counts bytes
	Got          string
	Want         string
}

// Error returns "plan:3:12: got ..., want ...".
func (e *ParseError) Error() string {
	return fmt.Sprintf("plan:%d:%d: got %s, want %s", e.Line, e.Column, e.Got, e.Want)
}

// Parse reads the text form of a plan. Empty lines are skipped; a line that
// starts with "#" is a note on the deviation that follows; "without" and a name
// leave a peer out. The error is a
// [*ParseError] for the first thing that is wrong.
func Parse(text string) (Plan, error) {
	var p Plan
	var notes []string
	seen := false
	for number, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "":
		case strings.HasPrefix(trimmed, "#"):
			note := strings.TrimSpace(strings.TrimPrefix(trimmed, "#"))
			if seen {
				notes = append(notes, note)
			}
		case !seen:
			if trimmed != header {
				return Plan{}, &ParseError{number + 1, indent(line) + 1, quote(trimmed), strconv.Quote(header)}
			}
			seen = true
		case isWithout(trimmed):
			peer := words(line, 0)[1:]
			if len(peer) == 0 {
				return Plan{}, &ParseError{number + 1, len(strings.TrimRight(line, " \t\r")) + 1, "end of line", `the name of a peer, as in "without client 2"`}
			}
			p.Without = append(p.Without, joined(peer))
		default:
			d, err := parseDeviation(line)
			if err != nil {
				err.Line = number + 1
				return Plan{}, err
			}
			d.Notes, notes = notes, nil
			p.Deviations = append(p.Deviations, d)
		}
	}
	if !seen {
		return Plan{}, &ParseError{1, 1, "no header", strconv.Quote(header)}
	}
	p.Notes = notes
	return p, nil
}

// isWithout says whether a line leaves a peer out: it has no outcome.
func isWithout(line string) bool {
	first, _, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
	return first == without && !strings.Contains(line, ":")
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " \t\r")) }

// quote keeps an error one short line, whatever the file holds.
func quote(s string) string {
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return strconv.Quote(s)
}

// word is a field of a line and where it starts.
type word struct {
	text   string
	column int // from 1
}

func words(s string, base int) []word {
	var ws []word
	for i := 0; i < len(s); {
		if s[i] == ' ' || s[i] == '\t' || s[i] == '\r' {
			i++
			continue
		}
		j := i
		for j < len(s) && s[j] != ' ' && s[j] != '\t' && s[j] != '\r' {
			j++
		}
		ws = append(ws, word{s[i:j], base + i + 1})
		i = j
	}
	return ws
}

// joined is a name of several words.
func joined(ws []word) string {
	texts := make([]string, 0, 4)
	for _, w := range ws {
		texts = append(texts, w.text)
	}
	return strings.Join(texts, " ")
}

func parseDeviation(line string) (Deviation, *ParseError) {
	colon := strings.IndexByte(line, ':')
	if colon < 0 {
		return Deviation{}, &ParseError{Column: len(strings.TrimRight(line, " \t\r")) + 1, Got: "end of line", Want: `":" and an outcome`}
	}
	left, right := words(line[:colon], 0), words(line[colon+1:], colon+1)
	if len(left) < 3 {
		return Deviation{}, &ParseError{Column: indent(line) + 1, Got: quote(strings.TrimSpace(line[:colon])), Want: `an actor, an operation and a number, as in "conn 2 segment 1"`}
	}
	var d Deviation
	d.Actor = joined(left[:len(left)-2])
	op, seq := left[len(left)-2], left[len(left)-1]
	if d.Op = opByName(op.text); d.Op == 0 {
		return Deviation{}, &ParseError{Column: op.column, Got: quote(op.text), Want: "an operation: " + opNames()}
	}
	var ok bool
	if d.From, d.To, ok = parseSeq(seq.text); !ok {
		return Deviation{}, &ParseError{Column: seq.column, Got: quote(seq.text), Want: `a number from 1, or a range as in "4..6" or "4.."`}
	}
	outcome, ok := d.Op.parseOutcome(right)
	if !ok {
		e := &ParseError{Column: colon + 2, Got: "nothing", Want: d.Op.expected()}
		if len(right) > 0 {
			e.Column, e.Got = right[0].column, quote(strings.TrimSpace(line[colon+1:]))
		}
		return Deviation{}, e
	}
	d.Outcome = outcome
	return d, nil
}

func opByName(name string) Op {
	for o := Run; o < opEnd; o++ {
		if ops[o].name == name {
			return o
		}
	}
	return 0
}

func opNames() string {
	var names []string
	for _, o := range Ops() {
		names = append(names, o.String())
	}
	return strings.Join(names, ", ")
}

func parseSeq(s string) (from, to int, ok bool) {
	first, last, ranged := strings.Cut(s, "..")
	if from, ok = number(first, 1, Onward-1); !ok {
		return 0, 0, false
	}
	switch {
	case !ranged:
		return from, from, true
	case last == "":
		return from, Onward, true
	}
	if to, ok = number(last, from, Onward-1); !ok {
		return 0, 0, false
	}
	return from, to, true
}

// number parses a plain decimal without sign or leading zero.
func number(s string, min, max int) (int, bool) {
	if s == "" || len(s) > 1 && s[0] == '0' || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= min && n <= max
}

func (o Op) parseOutcome(ws []word) (int, bool) {
	info := &ops[o]
	if len(ws) == 0 {
		return 0, false
	}
	one := len(ws) == 1
	switch info.unit {
	case unitTime:
		d, err := time.ParseDuration(ws[0].text)
		ms := int64(d / time.Millisecond)
		if !one || err != nil || d%time.Millisecond != 0 || ms < 1 || ms > MaxTime {
			return 0, false
		}
		return int(ms), true
	case unitErrno:
		errno, ok := poller.ErrnoByName(ws[0].text)
		for i, e := range info.errnos {
			if one && ok && e == errno {
				return i + 1, true
			}
		}
		return 0, false
	case unitWord:
		for i, w := range info.words {
			if one && w == ws[0].text {
				return i + 1, true
			}
		}
		return 0, false
	case unitPick:
		if len(ws) != 2 || ws[0].text != "pick" {
			return 0, false
		}
		return number(ws[1].text, 1, Onward-1)
	}
	noun := "byte"
	if info.unit == unitEvents {
		noun = "event"
	}
	if len(ws) != 2 || ws[1].text != noun && ws[1].text != noun+"s" {
		return 0, false
	}
	if info.unit == unitTaken {
		k, ok := number(ws[0].text, 0, Onward-2)
		return k + 1, ok
	}
	return number(ws[0].text, 1, Onward-1)
}

// expected says what an outcome of o looks like.
func (o Op) expected() string {
	info := &ops[o]
	switch info.unit {
	case unitTime:
		return `a time in whole milliseconds up to 2m0s, as in "40ms" or "15.001s"`
	case unitBytes:
		return `a number of bytes from 1, as in "3 bytes"`
	case unitTaken:
		return `a number of bytes, as in "0 bytes"`
	case unitEvents:
		return `a number of events from 1, as in "1 event"`
	case unitErrno:
		var names []string
		for _, e := range info.errnos {
			names = append(names, poller.ErrnoName(e))
		}
		return "one of " + strings.Join(names, ", ")
	case unitWord:
		return "one of " + strings.Join(info.words, ", ")
	}
	return `"pick" and a number from 1`
}
