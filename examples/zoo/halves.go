package main

import (
	"syscall"
	"time"

	"edgewise.test/poller"
)

// halves is a server that has a descriptor for each direction of a connection, as
// libraries with streams that are closed one by one do.
type halves struct {
	*loop
	read, write  poller.FD
	token, wants poller.Token
	out          []byte
	ended        bool
}

// playTwoDescriptors answers alice, who ends her direction a moment later.
func playTwoDescriptors(s stage, bug id) {
	l := newLoop(s, bug)
	listener := s.Listen(l.k)
	l.k.Go(func() {
		l.watch(listener, poller.In, func(poller.Events) {
			fd, _, err := l.k.Accept(listener)
			if err != nil {
				return
			}
			c := &halves{loop: l, read: fd}
			if c.write, err = l.k.Dup(fd); err != nil {
				l.k.Close(fd)
				return
			}
			c.token, _ = l.watch(fd, poller.In|poller.RdHup, c.onRead)
		})
		l.run()
	})
	s.Client("alice", func(p client) {
		c, err := p.Dial()
		if err != nil {
			return
		}
		c.Write([]byte("PING\n"))
		p.Sleep(500 * time.Microsecond)
		c.CloseWrite()
		readAll(s, c, "alice", "PING\n")
	})
	s.Run()
}

func (c *halves) onRead(poller.Events) {
	var buffer [64]byte
	n, err := c.k.Read(c.read, buffer[:])
	if err == syscall.EAGAIN {
		return
	}
	if n > 0 {
		c.out = append(c.out, buffer[:n]...)
		if c.wants == 0 {
			c.onWrite(0)
		}
		return
	}
	c.ended = true
	c.forget(c.token)
	if c.bug != "A18" {
		c.k.Remove(c.read)
	}
	c.k.Close(c.read) // ends the registration, if nobody else had the file
	if c.wants == 0 {
		c.k.Close(c.write)
	}
}

func (c *halves) onWrite(poller.Events) {
	n, err := c.k.Write(c.write, c.out)
	if err != nil && err != syscall.EAGAIN {
		n = len(c.out)
	}
	c.out = c.out[max(n, 0):]
	switch {
	case len(c.out) > 0 && c.wants == 0:
		c.wants, _ = c.watch(c.write, poller.Out, c.onWrite)
	case len(c.out) == 0 && c.wants != 0:
		c.forget(c.wants)
		c.k.Remove(c.write)
		c.wants = 0
		if c.ended {
			c.k.Close(c.write)
		}
	}
}
