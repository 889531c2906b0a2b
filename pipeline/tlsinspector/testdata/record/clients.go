package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// client is one recording.
type client struct {
	file       string
	serverName string // "" means no server_name extension
	alpn       []string
	version    func() (string, error)
	run        func(ctx context.Context, port int)
}

const name = "edge.test"

var (
	h2Only  = []string{"h2"}
	h1Only  = []string{"http/1.1"}
	h2AndH1 = []string{"h2", "http/1.1"}
)

var clients = []client{
	openssl("openssl-tls13.bin", name, nil, "-servername", name),
	openssl("openssl-tls13-alpn.bin", name, h2AndH1, "-servername", name, "-alpn", "h2,http/1.1"),
	openssl("openssl-tls13-noservername.bin", "", nil, "-noservername"),
	openssl("openssl-tls13-noservername-alpn.bin", "", h2Only, "-noservername", "-alpn", "h2"),
	openssl("openssl-tls12.bin", name, nil, "-tls1_2", "-servername", name),
	openssl("openssl-tls12-alpn.bin", name, h2AndH1, "-tls1_2", "-servername", name, "-alpn", "h2,http/1.1"),
	openssl("openssl-tls12-noservername.bin", "", nil, "-tls1_2", "-noservername"),
	curl("curl-http1.bin", name, h1Only, "--http1.1"),
	curl("curl-http2.bin", name, h2AndH1, "--http2"),
	curl("curl-noalpn.bin", name, nil, "--no-alpn"),
	wget("wget.bin"),
	python("python-ssl.bin", name, nil, ""),
	python("python-ssl-alpn.bin", name, h2AndH1, "c.set_alpn_protocols(['h2','http/1.1']);"),
	node("node-https.bin", h1Only, `require("https").get({host:"127.0.0.1",port:PORT,servername:"edge.test",ALPNProtocols:["http/1.1"]}).on("error",()=>{})`),
	node("node-http2.bin", h2Only, `require("http2").connect("https://edge.test:PORT",{lookup:(h,o,f)=>o.all?f(null,[{address:"127.0.0.1",family:4}]):f(null,"127.0.0.1",4)}).on("error",()=>{})`),
	node("node-tls.bin", nil, `require("tls").connect({host:"127.0.0.1",port:PORT,servername:"edge.test"}).on("error",()=>{})`),
	golang("go.bin", &tls.Config{ServerName: name}),
	golang("go-alpn.bin", &tls.Config{ServerName: name, NextProtos: h2AndH1}),
	golang("go-tls12.bin", &tls.Config{ServerName: name, MaxVersion: tls.VersionTLS12, NextProtos: h1Only}),
	golang("go-nosni.bin", &tls.Config{InsecureSkipVerify: true, NextProtos: h2Only}),
	java("java-jsse.bin"),
	chromium("chromium.bin"),
}

func openssl(file, serverName string, alpn []string, args ...string) client {
	return command(file, serverName, alpn, "openssl", "version", func(port int) []string {
		return append([]string{"s_client", "-connect", hostPort(port)}, args...)
	})
}

func curl(file, serverName string, alpn []string, args ...string) client {
	return command(file, serverName, alpn, "curl", "--version", func(port int) []string {
		return append([]string{"--silent", "--noproxy", "*", "--connect-to", "::" + hostPort(port), "https://" + name + "/"}, args...)
	})
}

// wget is here for GnuTLS. It has no way to name another address, so that only an
// address, and with it no name, can be recorded.
func wget(file string) client {
	return command(file, "", nil, "wget", "--version", func(port int) []string {
		return []string{"--quiet", "--no-proxy", "--tries=1", "--output-document=-", "https://" + hostPort(port) + "/"}
	})
}

func python(file, serverName string, alpn []string, setup string) client {
	const program = `import socket,ssl;c=ssl.create_default_context();%s` +
		`c.wrap_socket(socket.create_connection(("127.0.0.1",%d)),server_hostname="edge.test")`
	return command(file, serverName, alpn, "python3", "--version", func(port int) []string {
		return []string{"-c", fmt.Sprintf(program, setup, port)}
	})
}

func node(file string, alpn []string, program string) client {
	return command(file, name, alpn, "node", "--version", func(port int) []string {
		return []string{"-e", strings.ReplaceAll(program, "PORT", strconv.Itoa(port))}
	})
}

func java(file string) client {
	const program = `import javax.net.ssl.*;
public class Hello {
	public static void main(String[] args) throws Exception {
		var s = (SSLSocket) SSLSocketFactory.getDefault().createSocket("127.0.0.1", Integer.parseInt(args[0]));
		var p = s.getSSLParameters();
		p.setServerNames(java.util.List.of(new SNIHostName("edge.test")));
		p.setApplicationProtocols(new String[]{"h2", "http/1.1"});
		s.setSSLParameters(p);
		s.startHandshake();
	}
}`
	c := command(file, name, h2AndH1, "java", "--version", nil)
	c.run = func(ctx context.Context, port int) {
		inTempDir(func(dir string) {
			source := filepath.Join(dir, "Hello.java")
			if os.WriteFile(source, []byte(program), 0o644) == nil {
				start(ctx, "java", source, strconv.Itoa(port))
			}
		})
	}
	return c
}

func golang(file string, config *tls.Config) client {
	return client{
		file: file, serverName: config.ServerName, alpn: config.NextProtos,
		version: func() (string, error) { return runtime.Version() + " crypto/tls", nil },
		run: func(ctx context.Context, port int) {
			conn, err := net.Dial("tcp4", hostPort(port))
			if err != nil {
				return
			}
			defer conn.Close()
			_ = tls.Client(conn, config).HandshakeContext(ctx)
		},
	}
}

func chromium(file string) client {
	c := command(file, name, h2AndH1, "chromium", "--version", nil)
	c.run = func(ctx context.Context, port int) {
		inTempDir(func(dir string) {
			start(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
				"--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
				"--user-data-dir="+dir, "--ignore-certificate-errors",
				"--host-resolver-rules=MAP * "+hostPort(port), "https://"+name+"/")
		})
	}
	return c
}

func inTempDir(f func(dir string)) {
	dir, err := os.MkdirTemp("", "record")
	if err != nil {
		return
	}
	defer os.RemoveAll(dir)
	f(dir)
}

// command is a client that is a program of its own.
func command(file, serverName string, alpn []string, program, versionArg string, args func(port int) []string) client {
	return client{
		file: file, serverName: serverName, alpn: alpn,
		version: func() (string, error) { return programVersion(program, versionArg) },
		run:     func(ctx context.Context, port int) { start(ctx, program, args(port)...) },
	}
}

var versionNumber = regexp.MustCompile(`v?\d+(\.\d+)+[a-z]?`)

// programVersion is the program's name and the first version number that it prints.
func programVersion(program, arg string) (string, error) {
	out, err := exec.Command(program, arg).Output()
	if err != nil {
		return "", err
	}
	number := versionNumber.FindString(string(out))
	if number == "" {
		return "", fmt.Errorf("%s %s: no version in %q", program, arg, out)
	}
	return program + " " + strings.TrimPrefix(number, "v"), nil
}

// start runs a program until it ends or ctx does. It is interrupted first: a
// browser then ends its own processes.
func start(ctx context.Context, program string, args ...string) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	_ = cmd.Run()
}

func hostPort(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
