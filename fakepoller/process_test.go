package fakepoller

import (
	"syscall"
	"testing"

	"edgewise.test/poller"
)

// A listener is handed to a new process and closed by the old one: whoever waits
// in its queue is served, and nobody is reset.
func TestListenerHandOver(t *testing.T) {
	w := New(Config{})
	defer w.Close()
	before, after := w.NewProcess(), w.NewProcess()
	k := before.NewWorker()
	l, err := poller.ListenTCP(k, addr, poller.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	client := w.Hand("client")
	c, err := client.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	handed, err := before.Pass(l, after)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Close(l); err != nil {
		t.Fatal(err)
	}
	if err := c.Err(); err != nil {
		t.Errorf("the queued client got %v, want nothing", err)
	}
	if _, _, err := after.NewWorker().Accept(handed); err != nil {
		t.Errorf("accept: got %v, want the queued client", err)
	}
}

func TestPassErrors(t *testing.T) {
	w := New(Config{})
	defer w.Close()
	from, to := w.NewProcess(), w.NewProcess()
	k := from.NewWorker()
	fd, err := k.Socket(poller.Inet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := from.Pass(99, to); err != syscall.EBADF {
		t.Errorf("got %v, want EBADF", err)
	}
	to.SetNoFile(3)
	if _, err := from.Pass(fd, to); err != syscall.EMFILE {
		t.Errorf("got %v, want EMFILE", err)
	}
}

// Each process has its own limit and numbers; the lowest free one is given.
func TestProcessesShareNothing(t *testing.T) {
	w := New(Config{})
	defer w.Close()
	small, large := w.NewProcess(), w.NewProcess()
	a, b := small.NewWorker(), large.NewWorker()
	small.SetNoFile(6)
	first, err := a.Socket(poller.Inet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Socket(poller.Inet); err != syscall.EMFILE {
		t.Errorf("got %v, want EMFILE", err)
	}
	other, err := b.Socket(poller.Inet)
	if err != nil || other != first {
		t.Errorf("got fd %d, %v, want the same number, %d, in the other process", other, err, first)
	}
	a.Close(first)
	if err := b.Close(other); err != nil {
		t.Errorf("close in the other process: got %v", err)
	}
}
