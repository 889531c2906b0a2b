package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// node is one value of a JSON document and the path to it, strict in the way of
// protobuf's JSON: null and "" are the same as a missing field. Its readers report
// to the document and return the zero value, so that who reads needs no error
// handling between them.
type node struct {
	doc   *document
	path  string
	value any // nil, bool, string, json.Number, []any or map[string]any
}

// document is a named file. It keeps the first error about any of its nodes.
type document struct {
	name string
	err  error
}

// parse reads one JSON value, the whole of data. name is for error messages.
func parse(name string, data []byte) (node, error) {
	var syntax *json.SyntaxError
	if err := json.Unmarshal(data, new(json.RawMessage)); errors.As(err, &syntax) {
		line, column := position(data, int(syntax.Offset))
		return node{}, fmt.Errorf("%s:%d:%d: %w", name, line, column, err)
	}
	doc := &document{name: name}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return node{doc: doc, value: doc.decode(decoder, "")}, doc.err
}

// position turns the number of bytes up to and with the bad one into the line and
// column, both from 1, of that byte.
func position(data []byte, offset int) (line, column int) {
	before := data[:max(offset-1, 0)]
	return 1 + bytes.Count(before, []byte("\n")), len(before) - bytes.LastIndexByte(before, '\n')
}

// decode is json.Decoder.Decode for a document whose syntax is known to be good.
// It is there for the fields that are given twice, of which Decode keeps the last.
func (d *document) decode(from *json.Decoder, path string) any {
	token, _ := from.Token()
	switch token {
	case json.Delim('{'):
		fields := map[string]any{}
		for d.err == nil && from.More() {
			name, _ := from.Token()
			field := name.(string)
			if _, twice := fields[field]; twice {
				d.fail(join(path, field), "given twice")
			}
			fields[field] = d.decode(from, join(path, field))
		}
		from.Token()
		return fields
	case json.Delim('['):
		elements := []any{}
		for d.err == nil && from.More() {
			elements = append(elements, d.decode(from, fmt.Sprintf("%s[%d]", path, len(elements))))
		}
		from.Token()
		return elements
	}
	return token
}

func (d *document) fail(path, format string, args ...any) {
	if d.err != nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	d.err = errors.New(d.name + ": " + text)
}

func (n node) fail(format string, args ...any) { n.doc.fail(n.path, format, args...) }

// present says whether the field is there.
func (n node) present() bool { return n.value != nil && n.value != "" }

// required reports a missing field.
func (n node) required() node {
	if !n.present() {
		n.fail("missing")
	}
	return n
}

// object returns a reader of the fields of an object, which has no others than names.
func (n node) object(names ...string) func(name string) node {
	fields, _ := as[map[string]any](n, "an object")
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(names, name) {
			n.field(name).fail("unknown field (known: %s)", strings.Join(names, ", "))
		}
	}
	return n.field
}

// field is one field of an object. It does not look at the others.
func (n node) field(name string) node {
	fields, _ := n.value.(map[string]any)
	return node{n.doc, join(n.path, name), fields[name]}
}

func (n node) list() []node {
	elements, _ := as[[]any](n, "a list")
	nodes := make([]node, len(elements))
	for i, element := range elements {
		nodes[i] = node{n.doc, fmt.Sprintf("%s[%d]", n.path, i), element}
	}
	return nodes
}

// atLeastOne is list, but not of nothing.
func (n node) atLeastOne() []node {
	nodes := n.list()
	if len(nodes) == 0 {
		n.fail("missing")
	}
	return nodes
}

func (n node) text() string {
	s, _ := as[string](n, "a string")
	return s
}

func (n node) texts() []string {
	var texts []string
	for _, element := range n.list() {
		texts = append(texts, element.required().text())
	}
	return texts
}

func (n node) bool() bool {
	b, _ := as[bool](n, "true or false")
	return b
}

// oneOf is text of which only some values are supported.
func (n node) oneOf(supported ...string) string {
	s := n.text()
	if n.present() && !slices.Contains(supported, s) {
		n.fail("%q is not supported (have: %s)", s, strings.Join(supported, ", "))
	}
	return s
}

// definition is the name of something that others is without.
func (n node) definition(others []string) string {
	s := n.required().text()
	if slices.Contains(others, s) {
		n.fail("%q is defined twice", s)
	}
	return s
}

// reference is the name of something that is defined elsewhere.
func (n node) reference(defined []string) string {
	s := n.required().text()
	if s != "" && !slices.Contains(defined, s) {
		n.fail("%q is not defined (have: %s)", s, strings.Join(defined, ", "))
	}
	return s
}

func (n node) port() uint16 {
	number, ok := as[json.Number](n, "a number")
	if !ok {
		return 0
	}
	port, err := strconv.ParseUint(number.String(), 10, 16)
	if err != nil {
		n.fail("%s: want a port from 0 to 65535", number)
	}
	return uint16(port)
}

func (n node) ip() netip.Addr {
	s, ok := as[string](n, "a string")
	if !ok {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		n.fail("%q: want an IP address", s)
	}
	return addr
}

// duration is a google.protobuf.Duration, not negative. 0 means "off" in Envoy; in
// package pipeline 0 means the default, and -1 off. The result is pipeline's.
func (n node) duration() time.Duration {
	s, ok := as[string](n, `a duration such as "15s" or "0.5s"`)
	if !ok {
		return 0
	}
	d, ok := parseDuration(s)
	switch {
	case !ok:
		n.fail(`%q: want a duration such as "15s" or "0.5s"`, s)
	case d == 0:
		return -1
	}
	return d
}

// parseDuration reads what protobuf's JSON writes: digits, up to nine more of them
// behind a point, and "s".
func parseDuration(s string) (time.Duration, bool) {
	s, ok := strings.CutSuffix(s, "s")
	seconds, fraction, point := strings.Cut(s, ".")
	if !ok || !digits(seconds) || point && (!digits(fraction) || len(fraction) > 9) {
		return 0, false
	}
	whole, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || whole >= math.MaxInt64/int64(time.Second) {
		return 0, false
	}
	nanos, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	return time.Duration(whole)*time.Second + time.Duration(nanos), true
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// as is the value of n when it is there and has type T; another type is an error.
func as[T any](n node, want string) (T, bool) {
	value, ok := n.value.(T)
	if !ok && n.present() {
		n.fail("want %s, got %s", want, typeName(n.value))
	}
	return value, ok && n.present()
}

func typeName(value any) string {
	switch value.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "true or false"
	}
	return "a number"
}

func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}
