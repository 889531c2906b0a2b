package pollertest

import (
	"strings"

	"edgewise.test/poller"
)

// matrixCases is every state of the local end against everything that the peer
// can do then: the bits, three reads (R), two writes, the bits and two writes (W),
// SO_ERROR twice and the bits (E), each on a connection of its own.
func matrixCases() []testCase {
	const (
		open    = "bits OUT mask0 none; R EAGAIN EAGAIN EAGAIN; W 1 1 OUT 1 1; E 0 0 OUT"
		halfIn  = "bits IN+OUT+RDHUP mask0 none; R 0 0 0; W 1 1 IN+OUT+RDHUP 1 1; E 0 0 IN+OUT+RDHUP"
		halfIn5 = "bits IN+OUT+RDHUP mask0 none; R 5 0 0; W 1 1 IN+OUT+RDHUP 1 1; E 0 0 IN+OUT+RDHUP"
		gone    = "bits IN+OUT+RDHUP mask0 none; R 0 0 0; W 1 EPIPE IN+OUT+HUP+RDHUP EPIPE EPIPE; E 0 0 IN+OUT+RDHUP"
		gone5   = "bits IN+OUT+RDHUP mask0 none; R 5 0 0; W 1 EPIPE IN+OUT+HUP+RDHUP EPIPE EPIPE; E 0 0 IN+OUT+RDHUP"
		reset   = "bits IN+OUT+ERR+HUP+RDHUP mask0 ERR+HUP; R ECONNRESET 0 0; " +
			"W ECONNRESET EPIPE IN+OUT+HUP+RDHUP EPIPE EPIPE; E ECONNRESET 0 IN+OUT+HUP+RDHUP"
		reset5 = "bits IN+OUT+ERR+HUP+RDHUP mask0 ERR+HUP; R 5 ECONNRESET 0; " +
			"W ECONNRESET EPIPE IN+OUT+HUP+RDHUP EPIPE EPIPE; E ECONNRESET 0 IN+OUT+HUP+RDHUP"
		finThenReset = "bits IN+OUT+ERR+HUP+RDHUP mask0 ERR+HUP; R 0 0 0; " +
			"W EPIPE EPIPE IN+OUT+HUP+RDHUP EPIPE EPIPE; E EPIPE 0 IN+OUT+HUP+RDHUP"
		data       = "bits IN+OUT mask0 none; R 5 EAGAIN EAGAIN; W 1 1 IN+OUT 1 1; E 0 0 IN+OUT"
		shutWrite  = "bits OUT mask0 none; R EAGAIN EAGAIN EAGAIN; W EPIPE EPIPE OUT EPIPE EPIPE; E 0 0 OUT"
		shutWrite5 = "bits IN+OUT mask0 none; R 5 EAGAIN EAGAIN; W EPIPE EPIPE IN+OUT EPIPE EPIPE; E 0 0 IN+OUT"
		ended      = "bits IN+OUT+HUP+RDHUP mask0 HUP; R 0 0 0; " +
			"W EPIPE EPIPE IN+OUT+HUP+RDHUP EPIPE EPIPE; E 0 0 IN+OUT+HUP+RDHUP"
		ended5 = "bits IN+OUT+HUP+RDHUP mask0 HUP; R 5 0 0; " +
			"W EPIPE EPIPE IN+OUT+HUP+RDHUP EPIPE EPIPE; E 0 0 IN+OUT+HUP+RDHUP"
	)
	rows := []struct {
		local, peer, want string
	}{
		{"open", "idle", open},
		{"open", "data", data},
		{"open", "shutWR", halfIn},
		{"open", "data+shutWR", halfIn5},
		{"open", "shutRDWR", gone},
		{"open", "close", gone},
		{"open", "data+close", gone5},
		{"open", "rst", reset},
		{"open", "data+rst", reset5},
		{"open", "shutWR+rst", finThenReset},
		{"shutRD", "idle", halfIn},
		{"shutRD", "data", halfIn5},
		{"shutRD", "shutWR", halfIn},
		{"shutRD", "data+shutWR", halfIn5},
		{"shutRD", "shutRDWR", gone},
		{"shutRD", "close", gone},
		{"shutRD", "data+close", gone5},
		{"shutRD", "rst", reset},
		{"shutRD", "data+rst", reset5},
		{"shutRD", "shutWR+rst", finThenReset},
		{"shutWR", "idle", shutWrite},
		{"shutWR", "data", shutWrite5},
		{"shutWR", "shutWR", ended},
		{"shutWR", "data+shutWR", ended5},
		{"shutWR", "shutRDWR", ended},
		{"shutWR", "close", ended},
		{"shutWR", "data+close", ended5},
		{"shutWR", "rst", reset},
		{"shutWR", "data+rst", reset5},
		{"shutWR", "shutWR+rst", ended},
		{"shutRDWR", "idle", ended},
		{"shutRDWR", "data", reset},
		{"shutRDWR", "shutWR", ended},
		{"shutRDWR", "data+shutWR", reset},
		{"shutRDWR", "shutRDWR", ended},
		{"shutRDWR", "close", ended},
		{"shutRDWR", "data+close", reset},
		{"shutRDWR", "rst", reset},
		{"shutRDWR", "data+rst", reset},
		{"shutRDWR", "shutWR+rst", ended},
	}
	var cases []testCase
	for _, row := range rows {
		cases = append(cases, testCase{
			id:   "MX-" + row.local + "/" + row.peer,
			name: "local end " + row.local + ", then the peer: " + row.peer,
			run:  func(e *env) { e.matrix(row.local, row.peer) },
			want: row.want,
		})
	}
	return cases
}

func (e *env) matrix(local, peer string) {
	s := e.matrixPair(local, peer)
	s.bits()
	s.mask0()
	e.say("; R")
	for range 3 {
		e.say("%s", countOf(e.sys.Read(s.fd, make([]byte, 64))))
	}

	s = e.matrixPair(local, peer)
	e.say("; W")
	s.matrixWrites()
	e.say("%s", s.ready(anyBit))
	s.matrixWrites()

	s = e.matrixPair(local, peer)
	e.say("; E")
	for range 2 {
		pending, err := e.sys.SocketError(s.fd)
		e.must("SocketError", err)
		if pending == nil {
			e.say("0")
			continue
		}
		e.say("%s", poller.ErrnoName(pending))
	}
	e.say("%s", s.ready(anyBit))
}

func (s *sock) matrixWrites() {
	for range 2 {
		s.e.say("%s", countOf(s.e.sys.Write(s.fd, []byte{0})))
		s.e.settle()
	}
}

// matrixPair brings a new connection into the state of a row.
func (e *env) matrixPair(local, peer string) *sock {
	s, p := e.pair("A")
	switch local {
	case "shutRD":
		s.shut(shutRD)
	case "shutWR":
		s.shut(shutWR)
	case "shutRDWR":
		s.shut(shutRDWR)
	}
	for _, action := range strings.Split(peer, "+") {
		p.matrixAct(action)
	}
	return s
}

// matrixAct does not look at results: the row may have reset the peer already.
func (s *sock) matrixAct(action string) {
	switch action {
	case "idle":
	case "data":
		s.e.sys.Write(s.fd, make([]byte, 5))
	case "shutWR":
		s.e.sys.Shutdown(s.fd, shutWR)
	case "shutRDWR":
		s.e.sys.Shutdown(s.fd, shutRDWR)
	case "close":
		s.end()
	case "rst":
		s.reset()
	default:
		panic("pollertest: unknown action " + action)
	}
	s.e.settle()
}
