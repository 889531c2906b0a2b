package published

import (
	"io"
	"time"

	"edgewise.test/proptest"
	"github.com/soheilhy/cmux"
)

// shutdown is a server that closes its listener while a client has not yet said what
// it speaks. cmux waited for that client before it ended the listeners that it had
// made.
//
// The client speaks what nobody wants: a match would make cmux select between two
// channels that are both ready, which no plan can repeat.
func shutdown(n *proptest.Net) {
	root := listen(n, "server", address)
	m := cmux.New(root)
	web := m.Match(cmux.HTTP1Fast())
	go m.Serve()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := web.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	left := make(chan struct{})
	go func() {
		defer close(left)
		c, err := n.Host("client").Dial("tcp", address)
		if err != nil {
			return // refused or timed out: that is legal
		}
		defer c.Close()
		if _, err := io.WriteString(c, "not HTTP"); err == nil {
			c.Read(make([]byte, 1))
		}
	}()

	const enough = 5 * time.Second
	time.Sleep(enough)
	root.Close()
	select {
	case <-ended:
	case <-time.After(enough):
		n.Errorf("the listener was closed %v ago, and the server still accepts", enough)
	}
	<-left
}
