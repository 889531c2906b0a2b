package fakenet

import (
	"context"
	"net"
)

var (
	// errStopped ends what is begun after the end of a run.
	errStopped = net.ErrClosed
	// errCancelled ends a dial whose context has ended.
	errCancelled = context.Canceled
)

// contextError is mapErr of package net.
func contextError(err error) error {
	switch err {
	case context.Canceled:
		return canceledError{}
	case context.DeadlineExceeded:
		return timeoutError{}
	}
	return err
}

// canceledError is what package net returns for a context that is cancelled.
type canceledError struct{}

func (canceledError) Error() string        { return "operation was canceled" }
func (canceledError) Is(target error) bool { return target == context.Canceled }

// timeoutError is what package net returns for a context whose time is up.
type timeoutError struct{}

func (timeoutError) Error() string        { return "i/o timeout" }
func (timeoutError) Timeout() bool        { return true }
func (timeoutError) Temporary() bool      { return true }
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }
