package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
)

const introduction = `# Recorded ClientHellos

The first bytes of real TLS clients, up to the end of the ClientHello, as a loopback
listener received them. Random, key shares, GREASE and the order of extensions are as
they came; only names are chosen. Record them again, at the top of the module, with

    go run ./pipeline/tlsinspector/testdata/record

which needs the clients of the table (a missing one is reported and its file stays).
SNI and ALPN are what the client was told to send; a test compares them with the parser.

| file | client | SNI | ALPN |
|---|---|---|---|
`

// readRows returns the table as it is, by file: the rows of clients that can not
// be run stay.
func readRows() map[string]string {
	rows := make(map[string]string)
	old, _ := os.ReadFile(filepath.Join(helloDir, "README.md"))
	for line := range strings.Lines(string(old)) {
		if file, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |"); ok && strings.HasSuffix(file, ".bin") {
			rows[file] = line
		}
	}
	return rows
}

// readme is the text with the rows in the order of clients.
func readme(rows map[string]string) []byte {
	var b bytes.Buffer
	b.WriteString(introduction)
	for _, c := range clients {
		b.WriteString(rows[c.file])
	}
	return b.Bytes()
}
