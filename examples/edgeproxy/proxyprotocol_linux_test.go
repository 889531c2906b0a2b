package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"edgewise.test/pipeline/proxyprotocol"
)

// header is what upstreams say about the header in front of a connection.
func header(h proxyprotocol.Header) string {
	text := fmt.Sprintf("v%d from %v to %v", h.Version, h.Source, h.Destination)
	if h.Local {
		text = fmt.Sprintf("v%d local", h.Version)
	}
	for tlv := range h.TLVs.All() {
		text += fmt.Sprintf(" %#02x=%q", tlv.Type, tlv.Value)
	}
	return text
}

// headerServer is an upstream that reads a PROXY protocol header, says what is in
// it at the first byte behind it, and echoes.
func headerServer(t *testing.T) (address string) {
	return serveTCP(t, nil, func(c net.Conn) {
		in := bufio.NewReader(c)
		for n := 1; ; n++ {
			begin, err := in.Peek(n)
			if err != nil {
				return
			}
			h, status := proxyprotocol.Parse(begin)
			if status == proxyprotocol.NeedMore {
				continue
			}
			if status != proxyprotocol.Found {
				fmt.Fprintf(c, "%v in %q\n", status, begin)
				return
			}
			text := header(h)
			in.Discard(h.Len)
			in.ReadByte()
			fmt.Fprintln(c, text)
			io.Copy(c, in)
			return
		}
	})
}

// proxied is a configuration that wants PROXY protocol headers, and sends them in
// version to a headerServer.
func proxied(t *testing.T, version string) string {
	t.Helper()
	config := configFor(chain{"any", "", headerServer(t)})
	config = edit(t, config, listenerFilters, []object{configured(proxyProtocol, object{"pass_through_tlvs": object{"match_type": "INCLUDE_ALL"}})})
	fields := object{"version": version}
	if version == "V2" {
		fields["pass_through_tlvs"] = object{"match_type": "INCLUDE", "tlv_type": []int{0xe0, int(proxyprotocol.TypeUniqueID)}}
		fields["added_tlvs"] = []object{{"type": 0xe2, "value": "ZWRnZQ=="}}
	}
	return edit(t, config, firstCluster+"transport_socket", configured(upstreamProxyProtocol, object{
		"config": fields, "transport_socket": configured(rawBuffer, nil)}))
}

// answer sends a header and one byte, and returns the line that comes back.
func answer(t *testing.T, address string, header []byte) (line string, client netip.AddrPort, err error) {
	t.Helper()
	c := dial(t, address)
	defer c.Close()
	c.Write(append(header, '\n'))
	line, err = bufio.NewReader(c).ReadString('\n')
	return strings.TrimSuffix(line, "\n"), c.LocalAddr().(*net.TCPAddr).AddrPort(), err
}

func TestProxyProtocolInAndOut(t *testing.T) {
	source, destination := netip.MustParseAddrPort("192.0.2.1:1111"), netip.MustParseAddrPort("198.51.100.2:443")
	source6, destination6 := netip.MustParseAddrPort("[2001:db8::1]:1111"), netip.MustParseAddrPort("[2001:db8::2]:443")
	v2 := func(source, destination netip.AddrPort, tlvs ...proxyprotocol.TLV) []byte {
		header, err := proxyprotocol.AppendV2(nil, source, destination, tlvs...)
		if err != nil {
			t.Fatal(err)
		}
		return header
	}
	tlvs := []proxyprotocol.TLV{{Type: 0xe0, Value: []byte("zero")}, {Type: 0xe1, Value: []byte("one")}, {Type: 0xe2, Value: []byte("two")}}
	for _, c := range []struct {
		version string
		header  []byte
		want    string // CLIENT and PROXY are the addresses of the connection
	}{
		{"V1", proxyprotocol.AppendV1(nil, source, destination), "v1 from 192.0.2.1:1111 to 198.51.100.2:443"},
		{"V1", v2(source6, destination6, tlvs...), "v1 from [2001:db8::1]:1111 to [2001:db8::2]:443"},
		{"V1", []byte("PROXY UNKNOWN\r\n"), "v1 from CLIENT to PROXY"},
		{"V2", proxyprotocol.AppendV1(nil, source6, destination6), `v2 from [2001:db8::1]:1111 to [2001:db8::2]:443 0xe2="edge"`},
		{"V2", v2(source, destination, tlvs...), `v2 from 192.0.2.1:1111 to 198.51.100.2:443 0xe2="edge" 0xe0="zero"`},
		{"V2", v2(netip.AddrPort{}, netip.AddrPort{}), `v2 from CLIENT to PROXY 0xe2="edge"`},
	} {
		p := start(t, proxied(t, c.version))
		got, client, err := answer(t, p.address, c.header)
		want := strings.NewReplacer("CLIENT", client.String(), "PROXY", p.address).Replace(c.want)
		if got != want || err != nil {
			t.Errorf("%q to %s:\ngot  %q, %v\nwant %q", c.header, c.version, got, err, want)
		}
		p.idle()
		p.terminate()
	}
}

func TestConnectionsWithoutProxyProtocolHeader(t *testing.T) {
	config := proxied(t, "V2")
	p := start(t, config)
	if line, _, err := answer(t, p.address, []byte("GET / HTTP/1.1\r\n\r\n")); !closed(err) {
		t.Errorf("got %q, %v, want a closed connection", line, err)
	}
	want(t, p.idle(), map[string]uint64{"proxy_proto.not_found_disallowed": 1, "listener.ingress.downstream_cx_total": 0})
	p.terminate()

	p = start(t, edit(t, config, listenerFilters, []object{configured(proxyProtocol, object{
		"allow_requests_without_proxy_protocol": true, "disallowed_versions": []string{"V1"}, "stat_prefix": "front"})}))
	line, client, err := answer(t, p.address, []byte("GET / HTTP/1.1\r\n\r\n"))
	if want := fmt.Sprintf(`v2 from %v to %s 0xe2="edge"`, client, p.address); line != want || err != nil {
		t.Errorf("got %q, %v, want %q", line, err, want)
	}
	want(t, p.idle(), map[string]uint64{"proxy_proto.front.not_found_allowed": 1})
	p.terminate()
}

// haproxy runs HAProxy with a frontend, which listens, and a backend.
func haproxy(t *testing.T, frontend, backend string) (address string) {
	t.Helper()
	path, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skipf("SKIPPED: this machine has no haproxy, so nothing is known about what it and edgeproxy say to each other: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	config := writeFile(t, "haproxy.cfg", `
global
	maxconn 100
defaults
	timeout connect 60s
	timeout client 60s
	timeout server 60s
frontend front
	bind fd@3`+frontend+`
backend back
	mode tcp
`+backend+"\n")
	cmd := exec.Command(path, "-db", "-f", config)
	cmd.ExtraFiles = []*os.File{socket}
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("haproxy: %s", &output)
		}
	})
	return l.Addr().String()
}

func TestHAProxyInFront(t *testing.T) {
	for option, want := range map[string]string{
		"send-proxy":    `v2 from CLIENT to FRONT 0xe2="edge"`,
		"send-proxy-v2": `v2 from CLIENT to FRONT 0xe2="edge"`,
		"send-proxy-v2 proxy-v2-options unique-id,crc32c": `v2 from CLIENT to FRONT 0xe2="edge" 0x05="edge-id"`,
	} {
		t.Run(option, func(t *testing.T) {
			p := start(t, proxied(t, "V2"))
			front := haproxy(t, "\n\tmode tcp\n\tunique-id-format edge-id\n\tdefault_backend back", "\tserver edge "+p.address+" "+option)
			for range 10 { // so that several workers get one
				got, client, err := answer(t, front, nil)
				want := strings.NewReplacer("CLIENT", client.String(), "FRONT", front).Replace(want)
				if got != want || err != nil {
					t.Errorf("got  %q, %v\nwant %q", got, err, want)
				}
			}
			p.idle()
			p.terminate()
		})
	}
}

func TestHAProxyBehind(t *testing.T) {
	for _, version := range []string{"V1", "V2"} {
		t.Run(version, func(t *testing.T) {
			behind := haproxy(t, " accept-proxy\n\tmode http\n\thttp-request return status 200 content-type text/plain lf-string "+
				`"%[src] %[src_port] %[dst] %[dst_port]"`, "\tserver nobody 127.0.0.1:1")
			config := proxied(t, version)
			_, port, _ := net.SplitHostPort(behind)
			p := start(t, edit(t, config, upstreamPort, json.Number(port)))
			c := dial(t, p.address)
			defer c.Close()
			c.Write(proxyprotocol.AppendV1(nil, netip.MustParseAddrPort("192.0.2.1:1111"), netip.MustParseAddrPort("198.51.100.2:443")))
			io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
			got, err := io.ReadAll(c)
			if want := "192.0.2.1 1111 198.51.100.2 443"; !strings.HasSuffix(string(got), want) || err != nil {
				t.Errorf("got %q, %v, want %q at its end", got, err, want)
			}
			c.Close()
			p.idle()
			p.terminate()
		})
	}
}
