package tlsinspector

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// stream is a net.Conn that reads from in and keeps what is written.
type stream struct {
	in  bytes.Reader
	out bytes.Buffer
}

func (s *stream) Read(p []byte) (int, error) {
	if s.in.Len() == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return s.in.Read(p)
}

func (s *stream) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *stream) Close() error                     { return nil }
func (s *stream) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *stream) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *stream) SetDeadline(time.Time) error      { return nil }
func (s *stream) SetReadDeadline(time.Time) error  { return nil }
func (s *stream) SetWriteDeadline(time.Time) error { return nil }

// clientFlight returns what a crypto/tls client writes before it reads.
func clientFlight(config *tls.Config) []byte {
	var s stream
	_ = tls.Client(&s, config).HandshakeContext(context.Background()) // ends at the first read
	return s.out.Bytes()
}

var errSeenEnough = errors.New("seen enough")

// oracle is what crypto/tls finds in b: nil when that is no whole ClientHello.
func oracle(b []byte) (info *tls.ClientHelloInfo) {
	config := &tls.Config{GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
		info = i
		return nil, errSeenEnough
	}}
	var s stream
	s.in.Reset(b)
	_ = tls.Server(&s, config).HandshakeContext(context.Background())
	return info
}

// agree compares a hello with what crypto/tls found.
func agree(t testing.TB, hello ClientHello, info *tls.ClientHelloInfo) {
	t.Helper()
	if got, want := string(hello.ServerName), lowered(info.ServerName); got != want {
		t.Errorf("server name: got %q, crypto/tls has %q", got, want)
	}
	if got, want := names(hello.ALPN), info.SupportedProtos; !slices.Equal(got, want) {
		t.Errorf("ALPN: got %q, crypto/tls has %q", got, want)
	}
}

func lowered(name string) string {
	b := []byte(name)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 32
		}
	}
	return string(b)
}

// names is the list as strings; nil when it is empty.
func names(l ProtocolNameList) (s []string) {
	for name := range l.All() {
		s = append(s, string(name))
	}
	return s
}

// verdict is all that Parse returns, comparable and printable.
type verdict struct {
	status     Status
	serverName string
	alpn       string // as on the wire
}

func judge(p *Parser, b []byte) verdict {
	hello, status := p.Parse(b)
	return verdict{status, string(hello.ServerName), string(hello.ALPN)}
}

// vector8 and vector16 put a length in front.
func vector8(parts ...string) string {
	all := join(parts)
	return string([]byte{byte(len(all))}) + all
}

func vector16(parts ...string) string {
	all := join(parts)
	return string(binary.BigEndian.AppendUint16(nil, uint16(len(all)))) + all
}

func join(parts []string) string {
	var all string
	for _, p := range parts {
		all += p
	}
	return all
}

func extension(kind uint16, data string) string {
	return string(binary.BigEndian.AppendUint16(nil, kind)) + vector16(data)
}

func serverName(name string) string {
	return extension(extensionServerName, vector16("\x00"+vector16(name)))
}

func alpn(protocols ...string) string {
	var list string
	for _, p := range protocols {
		list += vector8(p)
	}
	return extension(extensionALPN, vector16(list))
}

// start is a ClientHello up to the extensions, with nothing special in it.
const start = "\x03\x03" + "0123456789abcdef0123456789abcdef" + "\x00" + "\x00\x02\x13\x01" + "\x01\x00"

// message is a ClientHello with its header.
func message(body string) string {
	return string([]byte{clientHello, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}) + body
}

// hello is a whole ClientHello message with extensions.
func hello(extensions ...string) string { return message(start + vector16(extensions...)) }

func record(payload string) string { return "\x16\x03\x01" + vector16(payload) }

// fragments cuts a message into records of n bytes.
func fragments(message string, n int) (records string) {
	for ; len(message) > n; message = message[n:] {
		records += record(message[:n])
	}
	return records + record(message)
}
