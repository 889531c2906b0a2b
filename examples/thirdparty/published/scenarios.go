package published

import (
	"errors"
	"net"
	"syscall"
	"time"

	"edgewise.test/proptest"
)

const (
	address  = "127.0.0.1:80"
	upstream = "127.0.0.1:81"
)

func listen(n *proptest.Net, host, address string) net.Listener {
	l, err := n.Host(host).Listen("tcp", address)
	if err != nil {
		n.Fatalf("listen: %v", err)
	}
	return l
}

// serve calls handle for each connection until l is closed, and closes it then.
func serve(l net.Listener, handle func(c net.Conn)) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		go func() {
			defer c.Close()
			handle(c)
		}()
	}
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
