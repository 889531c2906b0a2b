// Command record writes ../hello: the ClientHellos of TLS clients, as a listener
// receives them. Run it at the top of the module:
//
//	go run ./pipeline/tlsinspector/testdata/record
//
// A client that is not installed, or does not send what it was told to, is reported
// and its file stays as it was; the exit status is then 1.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	helloDir = "pipeline/tlsinspector/testdata/hello"
	patience = 30 * time.Second // for one client
)

func main() {
	failed := false
	rows := readRows()
	for _, c := range clients {
		version, err := record(c)
		if err != nil {
			fmt.Fprintf(os.Stderr, "record: SKIPPED %s: %v\n", c.file, err)
			failed = true
			continue
		}
		fmt.Printf("%s: %s\n", c.file, version)
		rows[c.file] = row(c, version)
	}
	if err := os.WriteFile(filepath.Join(helloDir, "README.md"), readme(rows), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		failed = true
	}
	if failed {
		os.Exit(1)
	}
}

// record runs c against a listener of its own, writes the file and returns the
// client's version.
func record(c client) (version string, err error) {
	version, err = c.version()
	if err != nil {
		return "", err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() { l.Close() })()

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.run(ctx, l.Addr().(*net.TCPAddr).Port) // it fails: nobody answers it
	}()
	hello, err := accept(l, c.serverName)
	cancel()
	l.Close()
	<-ended
	if err != nil {
		return "", err
	}
	return version, os.WriteFile(filepath.Join(helloDir, c.file), hello, 0o644)
}

// accept returns the first hello with the name in it. A browser also asks for
// other names, and in plaintext for the time.
func accept(l net.Listener, serverName string) ([]byte, error) {
	var unlike error
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil, errors.Join(err, unlike)
		}
		hello, err := readHello(conn)
		conn.Close()
		switch {
		case err != nil:
			unlike = err
		case !bytes.Contains(hello, []byte(serverName)):
			unlike = fmt.Errorf("a hello without %q", serverName)
		default:
			return hello, nil
		}
	}
}

// readHello takes one record, which has to hold just one ClientHello. It knows
// nothing of the parser that the recording is for.
func readHello(conn net.Conn) ([]byte, error) {
	conn.SetDeadline(time.Now().Add(patience))
	hello := make([]byte, 5)
	if _, err := io.ReadFull(conn, hello); err != nil {
		return nil, err
	}
	if hello[0] != 22 {
		return nil, fmt.Errorf("not a handshake record: %q", hello)
	}
	payload := make([]byte, int(hello[3])<<8|int(hello[4]))
	if _, err := io.ReadFull(conn, payload); err != nil {
		return nil, err
	}
	if len(payload) < 4 || payload[0] != 1 ||
		int(payload[1])<<16|int(payload[2])<<8|int(payload[3]) != len(payload)-4 {
		return nil, fmt.Errorf("not one ClientHello in one record: % x ...", append(hello, payload[:min(4, len(payload))]...))
	}
	return append(hello, payload...), nil
}

// row is what the client was told to send, not what was parsed.
func row(c client, version string) string {
	or := func(s string) string {
		if s == "" {
			return "-"
		}
		return "`" + s + "`"
	}
	return fmt.Sprintf("| %s | %s | %s | %s |\n", c.file, version, or(c.serverName), or(strings.Join(c.alpn, ",")))
}
