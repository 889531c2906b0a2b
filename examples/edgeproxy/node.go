package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// only reports all of names that are there but the one that may be, as protobuf's
// oneof does. It returns that one's name, "" when there is none.
func (n node) only(names ...string) (name string) {
	for _, other := range names {
		switch {
		case !n.field(other).present():
		case name == "":
			name = other
		default:
			n.field(other).fail("%s is there already", name)
		}
	}
	return name
}

// canonical is the value as JSON with sorted fields, the same for the same value.
func (n node) canonical() string {
	text, err := json.Marshal(n.value)
	if err != nil {
		panic(fmt.Sprintf("edgeproxy: %s: decoded JSON does not encode: %v", n.path, err))
	}
	return string(text)
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
