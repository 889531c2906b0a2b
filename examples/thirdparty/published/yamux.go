package published

import (
	"io"
	"net"

	"edgewise.test/proptest"
	"github.com/hashicorp/yamux"
)

// halfClose is a client that sends, ends its side of a stream and reads the answer.
// yamux took its own end for the peer's when nothing had come yet.
func halfClose(n *proptest.Net) {
	config := yamux.DefaultConfig()
	config.LogOutput = io.Discard
	l := listen(n, "server", address)
	defer l.Close()
	go serve(l, func(c net.Conn) {
		s, err := yamux.Server(c, config)
		if err != nil {
			return
		}
		defer s.Close()
		for {
			stream, err := s.AcceptStream()
			if err != nil {
				return
			}
			go func() {
				defer stream.Close()
				if _, err := io.ReadFull(stream, make([]byte, 5)); err == nil {
					io.WriteString(stream, "answer")
				}
			}()
		}
	})
	c, err := n.Host("client").Dial("tcp", address)
	if err != nil {
		return // refused or timed out: that is legal
	}
	s, err := yamux.Client(c, config)
	if err != nil {
		return
	}
	defer s.Close()
	stream, err := s.OpenStream()
	if err != nil {
		return
	}
	if _, err := io.WriteString(stream, "hello"); err != nil {
		return
	}
	stream.Close()
	if got, err := io.ReadAll(stream); err == nil && string(got) != "answer" {
		n.Errorf("answer: got %q, want %q", got, "answer")
	}
}
