package main

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

func (n node) port() uint16 {
	return uint16(n.integer(math.MaxUint16, "a port from 0 to 65535"))
}

func (n node) ports() []uint16 {
	var ports []uint16
	for _, element := range n.list() {
		ports = append(ports, element.required().port())
	}
	return ports
}

func (n node) uint32() uint32 {
	return uint32(n.integer(math.MaxUint32, "a number from 0 to 4294967295"))
}

// between is a number in a range, or 0 when it is missing.
func (n node) between(low, high uint32) uint32 {
	value := n.uint32()
	if n.present() && n.doc.err == nil && (value < low || value > high) {
		n.fail("%d: want a number from %d to %d", value, low, high)
	}
	return value
}

func (n node) byte() byte {
	return byte(n.integer(math.MaxUint8, "a number from 0 to 255"))
}

func (n node) integer(max uint64, want string) uint64 {
	number, ok := as[json.Number](n, "a number")
	if !ok {
		return 0
	}
	value, err := strconv.ParseUint(number.String(), 10, 64)
	if err != nil || value > max {
		n.fail("%s: want %s", number, want)
		return 0
	}
	return value
}

// bytes is protobuf's JSON for bytes.
func (n node) bytes() []byte {
	s, ok := as[string](n, "a string")
	if !ok {
		return nil
	}
	value, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		n.fail("want base64: %v", err)
	}
	return value
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

// prefixes is a list of envoy.config.core.v3.CidrRange.
func (n node) prefixes() []netip.Prefix {
	var prefixes []netip.Prefix
	for _, element := range n.list() {
		field := element.object("address_prefix", "prefix_len")
		addr := field("address_prefix").required().ip()
		bits := int(field("prefix_len").uint32())
		prefix, err := addr.Prefix(bits)
		if addr.IsValid() && err != nil {
			field("prefix_len").fail("%d: want at most %d", bits, addr.BitLen())
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes
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
