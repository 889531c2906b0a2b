package fakepoller

import (
	"syscall"

	"edgewise.test/poller"
)

// Limits of socket(7) with Linux's defaults, in bytes.
const (
	minSndBuf = 4608
	minRcvBuf = 2304
	maxBuf    = 4194304
)

// SetSockOpt implements [poller.Sockets].
func (k *Worker) SetSockOpt(fd poller.FD, opt poller.SockOpt, value int) error {
	s, err := k.begin(CallSetSockOpt, fd)
	if err != nil {
		return err
	}
	err = s.setOpt(opt, value)
	k.w.note(&k.chooser, &s.chooser, CallSetSockOpt, fd, value, poller.Events(opt), err)
	return err
}

// SockOpt implements [poller.Sockets].
func (k *Worker) SockOpt(fd poller.FD, opt poller.SockOpt) (int, error) {
	s, err := k.begin(CallSockOpt, fd)
	if err != nil {
		return 0, err
	}
	value, err := s.opt(opt)
	k.w.note(&k.chooser, &s.chooser, CallSockOpt, fd, value, poller.Events(opt), err)
	return value, err
}

func (s *sock) setOpt(opt poller.SockOpt, value int) error {
	switch opt {
	case poller.TCPNoDelay:
		s.setFlag(optNoDelay, value)
	case poller.TCPQuickAck:
		s.setFlag(optDelayAck, 1-min(max(value, 0), 1))
		if value != 0 && s.ackDue {
			s.ackSynAck()
		}
	case poller.SOKeepAlive:
		s.setFlag(optKeepAlive, value)
	case poller.SOReuseAddr:
		s.setFlag(optReuseAddr, value)
	case poller.SOReusePort:
		s.setFlag(optReusePort, value)
	case poller.SOLinger:
		s.linger = max(value, -1)
	case poller.SORcvLowat:
		// tcp_set_rcvlowat: even an unchanged value wakes the readers (ET-25).
		s.lowat = min(max(value, 1), max(s.rcvbuf/2, 1))
		if s.visible >= s.lowat || s.done {
			s.wake(s.w, readable)
		}
	case poller.SOSndBuf:
		s.sndbuf = max(2*min(value, maxBuf), minSndBuf)
	case poller.SORcvBuf:
		s.rcvbuf = max(2*min(value, maxBuf), minRcvBuf)
	default:
		return syscall.ENOPROTOOPT
	}
	return nil
}

func (s *sock) setFlag(f optFlags, value int) {
	s.flags &^= f
	if value != 0 {
		s.flags |= f
	}
}

func (s *sock) opt(opt poller.SockOpt) (int, error) {
	flag := func(f optFlags) (int, error) {
		if s.flags&f != 0 {
			return 1, nil
		}
		return 0, nil
	}
	switch opt {
	case poller.TCPNoDelay:
		return flag(optNoDelay)
	case poller.TCPQuickAck:
		delayed, err := flag(optDelayAck)
		return 1 - delayed, err
	case poller.SOKeepAlive:
		return flag(optKeepAlive)
	case poller.SOReuseAddr:
		return flag(optReuseAddr)
	case poller.SOReusePort:
		return flag(optReusePort)
	case poller.SOLinger:
		return s.linger, nil
	case poller.SORcvLowat:
		return s.lowat, nil
	case poller.SOSndBuf:
		return s.sndbuf, nil
	case poller.SORcvBuf:
		return s.rcvbuf, nil
	}
	return 0, syscall.ENOPROTOOPT
}
