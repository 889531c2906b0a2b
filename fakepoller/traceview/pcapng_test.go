package traceview

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
)

var addr6 = netip.MustParseAddrPort("[::1]:443")

func captured(t *testing.T, events []fakepoller.Event) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := PCAPNG(&b, events); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The bytes, for where there is no tshark. A change is to be read by tshark first.
func TestCaptureStays(t *testing.T) {
	for name, events := range map[string][]fakepoller.Event{
		"refused.pcapng.hex": refused(t),
		"said6.pcapng.hex":   said(t, addr6, "ok", []byte("hel"), []byte("lo")),
	} {
		checkGolden(t, name, hex.Dump(captured(t, events)))
	}
	events, _ := troubled(t)
	checkGolden(t, "troubled.packets", packetText(capture(events)))
}

// The sum of a whole header or segment with its checksum is all ones (RFC 1071).
func TestChecksumsAddUp(t *testing.T) {
	events, _ := troubled(t)
	packets := append(capture(events), capture(said(t, addr6, "odd", []byte("hello")))...)
	for i, p := range packets {
		b := p.bytes()
		if p.route.from.Addr().Is4() {
			if got := checksum(0, b[:ipv4Header]); got != 0 {
				t.Errorf("packet %d: IP header: got a rest of %#x, want 0", i, got)
			}
		}
		segment := p.segment()
		if got := checksum(p.pseudoHeader(len(segment)), segment); got != 0 {
			t.Errorf("packet %d: TCP: got a rest of %#x, want 0", i, got)
		}
	}
}

// Property: the data packets of each direction, in order, are the bytes of the
// trace, and each begins where the one before ended.
func TestSequenceNumbersFollowTheBytes(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789"), 12_000) // more than a packet holds
	for _, events := range [][]fakepoller.Event{proxied(t, faults.Plan{}, 4), said(t, addr, "yes", big[:70_000], []byte("x"))} {
		want := map[route]string{}
		for _, e := range events {
			if e.Call == fakepoller.CallArrive {
				want[route{e.From, e.To}] += string(e.Data)
			}
		}
		got, next := map[route]string{}, map[route]uint32{}
		for i, p := range capture(events) {
			if p.flags&flagSYN != 0 {
				next[p.route] = p.seq + 1
				continue
			}
			if p.seq != next[p.route] || p.ack != next[p.route.back()] {
				t.Fatalf("packet %d: got seq %d, ack %d, want %d, %d", i, p.seq, p.ack, next[p.route], next[p.route.back()])
			}
			got[p.route] += string(p.data)
			next[p.route] += uint32(len(p.data)) + uint32(p.flags&flagFIN)
		}
		for r, bytes := range want {
			if got[r] != bytes {
				t.Errorf("%v: got %d bytes, want %d of the trace", r, len(got[r]), len(bytes))
			}
		}
	}
}

func TestTsharkFindsNothingWrongWithCalmTraces(t *testing.T) {
	for name, events := range map[string][]fakepoller.Event{
		"proxy": proxied(t, faults.Plan{}, 8),
		"IPv6":  said(t, addr6, "ok", []byte("hello"), []byte("again")),
		"big":   said(t, addr, "ok", bytes.Repeat([]byte("x"), 70_000)),
		"hello": said(t, addr, "", hello(t, "go.bin")),
	} {
		t.Run(name, func(t *testing.T) {
			file := saved(t, events)
			if got := tshark(t, file, "-q", "-z", "expert,warn"); strings.TrimSpace(got) != "" {
				t.Errorf("got %s\nwant no complaint", got)
			}
			if got := tshark(t, file, "-Y", "_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0"); got != "" {
				t.Errorf("got %s\nwant nothing malformed and all checksums right", got)
			}
		})
	}
}

func TestTsharkFollowsTheStream(t *testing.T) {
	got := tshark(t, saved(t, said(t, addr, "answer", []byte("hel"), []byte("lo"))), "-q", "-z", "follow,tcp,ascii,0")
	_, got, _ = strings.Cut(got, "Node 1: 127.0.0.1:443\n")
	if want := "3\nhel\n2\nlo\n\t6\nanswer\n"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTsharkDissectsAHelloThatCameInPieces(t *testing.T) {
	b := hello(t, "go.bin")
	want := strings.TrimSpace(tshark(t, saved(t, said(t, addr, "", b)), "-T", "fields", "-e", "tls.handshake.extensions_server_name", "-Y", "tls.handshake.type == 1"))
	if want == "" || !bytes.Contains(b, []byte(want)) {
		t.Fatalf("server name: got %q, want one that is in the hello", want)
	}
	for _, at := range []int{1, 5, 6, 100} {
		file := saved(t, said(t, addr, "", b[:at], b[at:]))
		got := tshark(t, file, "-T", "fields", "-e", "tls.handshake.extensions_server_name", "-Y", "tls.handshake.type == 1")
		if strings.TrimSpace(got) != want {
			t.Errorf("cut after %d bytes: got %q, want %q", at, got, want)
		}
	}
}

func TestTsharkShowsWhatDeviatedAndTheStates(t *testing.T) {
	events, plan := troubled(t)
	file := saved(t, events)
	got := tshark(t, file, "-T", "fields", "-e", "frame.comment", "-Y", "frame.comment")
	for _, d := range plan.Deviations {
		if !strings.Contains(got, "deviation "+d.String()) {
			t.Errorf("comments: got %q, want %q among them", got, d)
		}
	}
	if !strings.Contains(got, "worker 1: state inspecting") {
		t.Errorf("comments: got %q, want states among them", got)
	}
	if got := tshark(t, file, "-Y", "tcp.flags.reset == 1"); strings.Count(got, "RST") < 2 {
		t.Errorf("resets: got %q, want both ends to get one", got)
	}
}

// A trace that begins in the middle, or that somebody has filtered, still makes
// a capture.
func TestCaptureOfATraceWithoutConnect(t *testing.T) {
	var events []fakepoller.Event
	for _, e := range said(t, addr, "ok", []byte("hello")) {
		if e.Call != fakepoller.CallConnect && e.Text != netQueued {
			events = append(events, e)
		}
	}
	packets := capture(events)
	if len(packets) < 4 || packets[0].flags != flagSYN || string(packets[3].data) != "hello" {
		t.Errorf("got %d packets, want a handshake and then the data", len(packets))
	}
}

func TestPCAPNGReturnsTheErrorOfItsWriter(t *testing.T) {
	if got := PCAPNG(brokenWriter{}, refused(t)); !errors.Is(got, io.ErrClosedPipe) {
		t.Errorf("got %v, want %v", got, io.ErrClosedPipe)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// packetText is a line for each packet, with sequence numbers that count from the
// first of each flow, and its comments.
func packetText(packets []*packet) string {
	var b strings.Builder
	first := map[route]uint32{}
	for _, p := range packets {
		if p.flags&flagSYN != 0 {
			first[p.route] = p.seq
		}
		ack := "-"
		if p.flags&flagACK != 0 {
			ack = fmt.Sprint(p.ack - first[p.route.back()])
		}
		fmt.Fprintf(&b, "%.3f %d > %d", p.at.Seconds(), p.route.from.Port(), p.route.to.Port())
		for i, name := range [...]string{"FIN", "SYN", "RST", "PSH", "ACK"} {
			if p.flags&(1<<i) != 0 {
				b.WriteString(" " + name)
			}
		}
		fmt.Fprintf(&b, " seq %d ack %s", p.seq-first[p.route], ack)
		if len(p.data) > 0 {
			fmt.Fprintf(&b, " %q", p.data)
		}
		b.WriteString("\n")
		for _, c := range p.comments {
			b.WriteString("\t# " + c + "\n")
		}
	}
	return b.String()
}

// What the network says, event by event.
func TestPacketsOfEvents(t *testing.T) {
	client, server := netip.MustParseAddrPort("10.0.0.1:1000"), netip.MustParseAddrPort("10.0.0.2:443")
	up := func(e fakepoller.Event) fakepoller.Event { e.From, e.To = client, server; return e }
	down := func(e fakepoller.Event) fakepoller.Event { e.From, e.To = server, client; return e }
	connect := up(fakepoller.Event{Actor: "worker 1", FD: 5, About: "conn 1", Call: fakepoller.CallConnect, Err: syscall.EINPROGRESS})
	again := func(err error) fakepoller.Event { e := connect; e.Err = err; return e }
	queued := up(fakepoller.Event{Actor: "listener 1", FD: -1, Call: fakepoller.CallNet, Text: netQueued})
	fin := fakepoller.Event{Actor: "conn 1", FD: -1, Call: fakepoller.CallNet, Text: netFIN}
	rst := fakepoller.Event{Actor: "conn 1", FD: -1, Call: fakepoller.CallNet, Text: netRST}
	deviation := fakepoller.Event{Actor: "worker 1", FD: -1, Call: fakepoller.CallDeviate, Text: "worker 1 wait 1: 1 event"}
	before := fakepoller.Event{Actor: "conn 1", FD: -1, Call: fakepoller.CallDeviate, Text: "conn 1 handshake 1: 1ms"}
	finding := fakepoller.Event{Actor: "world", FD: -1, Call: fakepoller.CallFinding, Text: "leak"}
	const open = "1000 > 443 SYN seq 0 ack -\n443 > 1000 SYN ACK seq 0 ack 1\n1000 > 443 ACK seq 1 ack 1\n"
	for _, c := range []struct {
		name   string
		events []fakepoller.Event
		want   string
	}{
		{"a SYN is sent once, however often connect is called", []fakepoller.Event{connect, again(syscall.EALREADY), queued, again(nil), again(syscall.EISCONN)}, open},
		{"a port that is used again", []fakepoller.Event{connect, queued, down(rst), again(nil), queued}, open + "443 > 1000 RST ACK seq 1 ack 1\n" + open},
		{"nobody answers", []fakepoller.Event{connect, again(syscall.ETIMEDOUT)}, "1000 > 443 SYN seq 0 ack -\n"},
		{"both ends are told of a FIN once", []fakepoller.Event{connect, queued, down(fin), down(fin), up(fin)},
			open + "443 > 1000 FIN ACK seq 1 ack 1\n1000 > 443 ACK seq 1 ack 2\n1000 > 443 FIN ACK seq 1 ack 2\n443 > 1000 ACK seq 2 ack 2\n"},
		{"what deviates before a connection is there", []fakepoller.Event{before, connect}, "1000 > 443 SYN seq 0 ack -\n\t# conn 1: deviation conn 1 handshake 1: 1ms\n"},
		{"what follows the last packet", []fakepoller.Event{connect, finding, deviation}, "1000 > 443 SYN seq 0 ack -\n\t# world: finding leak\n\t# worker 1: deviation worker 1 wait 1: 1 event\n"},
		{"a connection's deviation that no packet follows", []fakepoller.Event{connect, before}, "1000 > 443 SYN seq 0 ack -\n\t# conn 1: deviation conn 1 handshake 1: 1ms\n"},
		{"remarks without a packet", []fakepoller.Event{before, finding, deviation}, ""},
	} {
		got := strings.ReplaceAll(packetText(capture(c.events)), "0.000 ", "")
		if got != c.want {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
	refusal := capture([]fakepoller.Event{connect, down(rst)})[1]
	if refusal.seq != 0 || refusal.flags != flagRST|flagACK {
		t.Errorf("refusal: got seq %d, flags %#x, want 0 and RST+ACK (RFC 9293, 3.5.2)", refusal.seq, refusal.flags)
	}
}

func TestAddressesOfOnePacketAreOfOneFamily(t *testing.T) {
	for _, c := range []struct {
		from, to string
		version  byte
		length   int
	}{
		{"10.0.0.1:1", "10.0.0.2:2", 4, 40},
		{"[::ffff:10.0.0.1]:1", "10.0.0.2:2", 4, 40},
		{"10.0.0.1:1", "[::1]:2", 6, 60},
		{"[fe80::1%eth0]:1", "[::1]:2", 6, 60},
	} {
		p := packet{route: route{netip.MustParseAddrPort(c.from), netip.MustParseAddrPort(c.to)}}
		if b := p.bytes(); b[0]>>4 != c.version || len(b) != c.length {
			t.Errorf("%s to %s: got version %d, %d bytes, want %d, %d", c.from, c.to, b[0]>>4, len(b), c.version, c.length)
		}
	}
}

// An option's length has 16 bits.
func TestLongCommentsAreCut(t *testing.T) {
	b := appendOption(nil, optionComment, strings.Repeat("x", 70_000))
	if got := order.Uint16(b[2:]); got != maxOption || len(b) != 4+maxOption+1 {
		t.Errorf("got length %d in %d bytes, want %d in %d", got, len(b), maxOption, 4+maxOption+1)
	}
}

func saved(t *testing.T, events []fakepoller.Event) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trace.pcapng")
	if err := os.WriteFile(file, captured(t, events), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

// tshark reads file with all checksums looked at.
func tshark(t *testing.T, file string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("SKIPPED: tshark is not installed; only the golden bytes are compared")
	}
	args = append([]string{"-n", "-r", file, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"}, args...)
	cmd := exec.Command(path, args...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark %q: %v\n%s", args, err, complaints.String())
	}
	return string(out)
}
