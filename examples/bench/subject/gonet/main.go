// Gonet is package net with a goroutine for each connection.
package main

import (
	"crypto/tls"
	"flag"
	"io"
	"log"
	"net"

	"edgewise.test/pipeline/tlsinspector"
)

func main() {
	address := flag.String("listen", "127.0.0.1:0", "`address`")
	upstream := flag.String("upstream", "", "route to this `address`; without, close after the hello")
	name := flag.String("name", "", "server name to route")
	splice := flag.Bool("splice", false, "copy with io.Copy, which splices; without, with a buffer of 64 KiB")
	cert := flag.String("cert", "", "end TLS with the certificate in this `file`, for any server name")
	key := flag.String("key", "", "`file` with the key of -cert")
	flag.Parse()
	l, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	if *cert != "" {
		identity, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			log.Fatal(err)
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{identity}})
	}
	for {
		c, err := l.Accept()
		switch {
		case err != nil:
			log.Fatal(err)
		case *cert != "":
			p := proxy{upstream: *upstream}
			go p.terminate(c)
		case *upstream == "":
			go readAndClose(c)
		default:
			p := proxy{upstream: *upstream, name: *name, splice: *splice}
			go p.serve(c)
		}
	}
}

func readAndClose(c net.Conn) {
	var hello [4096]byte
	c.Read(hello[:])
	c.Close()
}

type proxy struct {
	upstream, name string
	splice         bool
}

func (p *proxy) serve(down net.Conn) {
	defer down.Close()
	hello := make([]byte, 4096)
	n, err := down.Read(hello)
	if err != nil {
		return
	}
	var parser tlsinspector.Parser
	if found, status := parser.Parse(hello[:n]); status != tlsinspector.Found || string(found.ServerName) != p.name {
		return
	}
	up, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	defer up.Close()
	if _, err := up.Write(hello[:n]); err != nil {
		return
	}
	go p.copy(up, down)
	p.copy(down, up)
}

func (p *proxy) terminate(down net.Conn) {
	defer down.Close()
	if err := down.(*tls.Conn).Handshake(); err != nil {
		return
	}
	up, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	defer up.Close()
	go p.copy(up, down)
	p.copy(down, up)
}

// copy ends the direction of to behind the last byte.
func (p *proxy) copy(to, from net.Conn) {
	if p.splice {
		io.Copy(to, from)
	} else {
		// Only a reader and a writer, so that CopyBuffer uses the buffer.
		io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, 64<<10))
	}
	to.(interface{ CloseWrite() error }).CloseWrite()
}
