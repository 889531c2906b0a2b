package tlstransport_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/echo"
	"edgewise.test/pipeline/tcpproxy"
	"edgewise.test/pipeline/tlstransport"
	"edgewise.test/poller"
)

// realServer is a listener that terminates TLS on real epoll, in a goroutine.
type realServer struct {
	addr     netip.AddrPort
	listener *pipeline.Listener
	factory  *tlstransport.Factory
	loop     *pipeline.Loop
}

func serve(t testing.TB, config *tls.Config, filter pipeline.FilterFactory) *realServer {
	t.Helper()
	kernel, err := poller.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &realServer{loop: pipeline.NewLoop(kernel), factory: tlstransport.NewServer(tlstransport.Config{TLS: config})}
	fd, err := poller.ListenTCP(kernel, netip.MustParseAddrPort("127.0.0.1:0"), poller.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	s.listener, err = pipeline.NewListener(s.loop, fd, &pipeline.ListenerConfig{
		StatPrefix: "edge",
		FilterChains: []pipeline.FilterChain{{
			TransportSocket: s.factory.TransportSocket, TransportSocketConnectTimeout: 10 * time.Second,
			Filters: []pipeline.FilterFactory{filter},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.addr = s.listener.Address()
	done := make(chan error, 1)
	go func() { done <- s.loop.Run() }()
	t.Cleanup(func() {
		s.loop.Post(func() { s.listener.Drain(5*time.Second, s.loop.Stop) })
		if err := <-done; err != nil {
			t.Errorf("loop: %v", err)
		}
		if err := pipeline.CheckEnded(s.listener.Snapshot()); err != nil {
			t.Errorf("counters: %v", err)
		}
		if got := s.factory.Stats().HandshakesActive; got != 0 {
			t.Errorf("handshakes_active: got %d, want 0", got)
		}
		kernel.Release()
	})
	return s
}

// stats is a copy, taken on the loop.
func (s *realServer) stats() tlstransport.Stats {
	got := make(chan tlstransport.Stats)
	s.loop.Post(func() { got <- *s.factory.Stats() })
	return <-got
}

// tool finds a program of the machine, or says loudly that the test proves nothing.
func tool(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED, NOTHING TESTED: no %s here: %v", name, err)
	}
	return path
}

// caFile holds the certificate for tools.
func caFile(t *testing.T, id identity) string {
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.Certificate.Certificate[0]})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// OpenSSL as a client: verified, with ALPN, resumed, and with key updates in both
// directions, of which the second asks us to write while we read.
func TestOpenSSLClient(t *testing.T) {
	openssl := tool(t, "openssl")
	id := identities["ECDSA"]()
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version[1:], func(t *testing.T) {
			s := serve(t, &tls.Config{Certificates: []tls.Certificate{id.Certificate}, NextProtos: []string{"h2", "http/1.1"}}, echo.Filter)
			session := filepath.Join(t.TempDir(), "session.pem")
			for i, option := range []string{"-sess_out", "-sess_in"} {
				c := startSClient(t, openssl, "s_client", "-connect", s.addr.String(), version, "-alpn", "http/1.1", "-CAfile", caFile(t, id),
					"-servername", serverName, "-verify_return_error", option, session)
				c.say("first words")
				if version == "-tls1_3" {
					c.update("k")
					c.say("after an update")
					c.update("K")
					c.say("after an update of both")
				}
				out := c.end()
				for _, want := range []string{"ALPN protocol: http/1.1", "Verify return code: 0 (ok)", []string{"New, ", "Reused, "}[i]} {
					if !strings.Contains(out, want) {
						t.Errorf("session %d: no %q in:\n%s", i, want, out)
					}
				}
			}
			if got := s.stats(); got.Handshake != 2 || got.SessionReused != 1 || got.ConnectionError != 0 {
				t.Errorf("counters: got %+v, want 2 handshakes, 1 reused", got)
			}
		})
	}
}

// sClient is a running openssl s_client.
type sClient struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string
	out   strings.Builder
}

func startSClient(t *testing.T, args ...string) *sClient {
	t.Helper()
	c := &sClient{t: t, cmd: exec.Command(args[0], args[1:]...), lines: make(chan string, 1000)}
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Stderr = c.cmd.Stdout
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.cmd.Process.Kill() })
	go func() {
		for in := bufio.NewScanner(stdout); in.Scan(); {
			c.lines <- in.Text()
		}
		close(c.lines)
	}()
	return c
}

// say sends a line and waits for its echo.
func (c *sClient) say(line string) {
	c.t.Helper()
	fmt.Fprintln(c.stdin, line)
	c.await(line)
}

func (c *sClient) await(line string) {
	c.t.Helper()
	for {
		select {
		case got, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("s_client ended before %q:\n%s", line, c.out.String())
			}
			fmt.Fprintln(&c.out, got)
			if got == line {
				return
			}
		case <-time.After(20 * time.Second):
			c.t.Fatalf("s_client never said %q:\n%s", line, c.out.String())
		}
	}
}

// update sends the command for a KeyUpdate: k, or K to ask for one in return.
func (c *sClient) update(letter string) {
	c.t.Helper()
	fmt.Fprintln(c.stdin, letter)
	c.await("KEYUPDATE")
}

func (c *sClient) end() string {
	c.t.Helper()
	c.stdin.Close()
	for got := range c.lines {
		fmt.Fprintln(&c.out, got)
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("s_client: %v\n%s", err, c.out.String())
	}
	return c.out.String()
}

// curl, through TLS termination and the TCP proxy, to an HTTP server.
func TestCurlThroughTheProxy(t *testing.T) {
	curl := tool(t, "curl")
	id := identities["ECDSA"]()
	body := pattern(3 << 20)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			io.Copy(w, r.Body)
			return
		}
		w.Write(body)
	}))
	defer upstream.Close()
	cluster := tcpproxy.NewCluster(tcpproxy.ClusterConfig{Name: "http", Hosts: []netip.AddrPort{netip.MustParseAddrPort(upstream.Listener.Addr().String())}})
	proxy := tcpproxy.New(tcpproxy.Config{StatPrefix: "edge", Cluster: cluster})
	s := serve(t, &tls.Config{Certificates: []tls.Certificate{id.Certificate}, NextProtos: []string{"http/1.1"}}, proxy.Filter)

	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("https://%s:%d/", serverName, s.addr.Port())
	for _, extra := range [][]string{{}, {"--tlsv1.2", "--tls-max", "1.2"}, {"--data-binary", "@" + file}} {
		args := append([]string{"-sS", "--max-time", "60", "--cacert", caFile(t, id), "--resolve", fmt.Sprintf("%s:%d:127.0.0.1", serverName, s.addr.Port()), url}, extra...)
		cmd := exec.Command(curl, args...)
		cmd.Stderr = os.Stderr
		got, err := cmd.Output()
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("curl %v: got %d bytes, %v, want %d", extra, len(got), err, len(body))
		}
	}
	if got := s.stats(); got.Handshake != 3 || got.ConnectionError != 0 {
		t.Errorf("counters: got %+v, want 3 handshakes", got)
	}
}

// 20 MB each way at once, through socket buffers that are always full.
func TestGoClientMovesMegabytes(t *testing.T) {
	id := identities["ECDSA"]()
	s := serve(t, &tls.Config{Certificates: []tls.Certificate{id.Certificate}}, echo.Filter)
	tcp, err := net.Dial("tcp", s.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	conn := tls.Client(tcp, &tls.Config{RootCAs: id.pool, ServerName: serverName})
	sent := pattern(20 << 20)
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		if err == nil {
			err = conn.CloseWrite()
		}
		failed <- err
	}()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, len(sent))
	}
	if err := <-failed; err != nil {
		t.Errorf("write: %v", err)
	}
}
