package fakepoller

import (
	"io"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"edgewise.test/poller"
)

func TestSmoke(t *testing.T) {
	w := New(Config{Trace: true})
	defer w.Close()
	k := w.NewWorker()
	addr := netip.MustParseAddrPort("127.0.0.1:443")
	l, err := poller.ListenTCP(k, addr, poller.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	k.Add(l, poller.In, 1)
	k.Go(func() {
		var ev [8]poller.Event
		buf := make([]byte, 100)
		for {
			n, err := k.Wait(ev[:], -1)
			if err != nil {
				t.Error(err)
			}
			for _, e := range ev[:n] {
				if e.Token == 1 {
					fd, _, err := k.Accept(l)
					if err != nil {
						t.Error(err)
						continue
					}
					k.Add(fd, poller.In|poller.RdHup, poller.Token(fd))
					continue
				}
				n, err := k.Read(poller.FD(e.Token), buf)
				if err == syscall.EAGAIN {
					continue
				}
				if n == 0 {
					k.Close(poller.FD(e.Token))
					continue
				}
				k.Write(poller.FD(e.Token), buf[:n])
			}
		}
	})
	w.Peer("client", func(p *Peer) {
		c, err := p.Dial(addr)
		if err != nil {
			t.Error(err)
			return
		}
		c.Write([]byte("hello"))
		b := make([]byte, 5)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
			t.Errorf("got %q %v", b, err)
		}
		p.Sleep(time.Second)
		c.CloseWrite()
		_, err = c.Read(b)
		t.Log(err)
	})
	w.Run()
	for _, e := range w.Trace() {
		t.Log(e)
	}
	t.Log(w.Audit(), w.Digest())
}
