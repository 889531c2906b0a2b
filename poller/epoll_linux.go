package poller

import (
	"math"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Epoll is a [System] on one epoll instance of Linux. Make it with [NewEpoll];
// the zero value is not usable.
//
// It belongs to one goroutine: every call but Wake reuses the same buffers, so
// that none of the calls of a running proxy allocates. All Epolls of a process
// share its descriptors, as they share its clock.
//
// Descriptors that come from elsewhere must be nonblocking. Calls that can not
// block are made without telling the Go scheduler (55 ns cheaper each), so a
// blocking descriptor would stop a whole processor, garbage collection included.
//
// After Release the calls on the poller give EBADF; those on sockets go on working.
type Epoll struct {
	epfd int

	wakeMu sync.Mutex // held over write and close: a Wake never hits a number that was given out again
	wakefd int        // eventfd(2), or -1 after Release

	ready   []unix.EpollEvent // as long as the longest slice that Wait was given
	yielded time.Duration     // when wait last yielded
	sock    sockBuffers
	pipe    *splicePipe // nil: Splice was not called
}

var _ System = (*Epoll)(nil)

// wakeToken is the event data of the eventfd. The all-ones value is therefore
// not available to callers (EINVAL).
const wakeToken = ^Token(0)

// origin is common to all Epolls, so that workers can compare their times.
var origin = time.Now()

// Open makes the operating system's poller: a new *Epoll on Linux, and ENOSYS
// elsewhere. Programs build everywhere, and run on a test kernel everywhere.
func Open() (System, error) {
	e, err := NewEpoll()
	if err != nil {
		return nil, err // not e: a nil *Epoll in a System is not nil
	}
	return e, nil
}

// NewEpoll makes an epoll instance and its eventfd, two descriptors, both
// close-on-exec. Release closes them.
func NewEpoll() (*Epoll, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epfd)
		return nil, err
	}
	e := &Epoll{epfd: epfd, wakefd: wakefd}
	// Edge-triggered and never read: every write is an edge (eventfd(2) under
	// epoll, measured), and the counter lasts for 2^64 of them.
	if err := e.control(unix.EPOLL_CTL_ADD, FD(wakefd), In|EdgeTriggered, wakeToken); err != nil {
		e.Release()
		return nil, err
	}
	return e, nil
}

// Release closes the epoll instance and its eventfd. A second call gives EBADF.
// It must not run beside a Wait: closing an epoll does not end one.
func (e *Epoll) Release() error {
	e.wakeMu.Lock()
	defer e.wakeMu.Unlock()
	if e.epfd < 0 {
		return syscall.EBADF
	}
	e.closePipe()
	err := unix.Close(e.epfd)
	if werr := unix.Close(e.wakefd); err == nil {
		err = werr
	}
	e.epfd, e.wakefd = -1, -1
	return err
}

// Add implements [Poller].
func (e *Epoll) Add(fd FD, events Events, token Token) error {
	if token == wakeToken {
		return syscall.EINVAL
	}
	return e.control(unix.EPOLL_CTL_ADD, fd, events, token)
}

// Modify implements [Poller].
func (e *Epoll) Modify(fd FD, events Events, token Token) error {
	if token == wakeToken {
		return syscall.EINVAL
	}
	return e.control(unix.EPOLL_CTL_MOD, fd, events, token)
}

// Remove implements [Poller].
func (e *Epoll) Remove(fd FD) error {
	return e.control(unix.EPOLL_CTL_DEL, fd, 0, 0)
}

func (e *Epoll) control(op int, fd FD, events Events, token Token) error {
	// The two 32-bit fields are the 64-bit epoll_data of epoll_ctl(2).
	ev := unix.EpollEvent{Events: uint32(events), Fd: int32(token), Pad: int32(token >> 32)}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(e.epfd), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&ev)), 0, 0)
	return errorOf(errno)
}

// Wait implements [Poller]. The time is rounded up to milliseconds, which is
// what epoll_wait(2) takes; more than 24 days end after 24 days. A Wake takes one
// of the len(events) places of the call that it ends.
func (e *Epoll) Wait(events []Event, timeout time.Duration) (int, error) {
	if len(events) == 0 {
		return 0, syscall.EINVAL
	}
	if len(e.ready) < len(events) {
		e.ready = make([]unix.EpollEvent, len(events))
	}
	n, errno := e.wait(len(events), milliseconds(timeout))
	if errno != 0 {
		return 0, errno
	}
	got := 0
	for i := range e.ready[:n] {
		ev := &e.ready[i]
		token := Token(uint32(ev.Fd)) | Token(uint32(ev.Pad))<<32
		if token == wakeToken {
			continue
		}
		events[got] = Event{Events: Events(ev.Events), Token: token}
		got++
	}
	return got, nil
}

// yieldEvery is less than the 10 ms after which the runtime's monitor takes a
// goroutine for one that never yields. It then signals it again and again, and
// takes the processor away from every call that blocks for 20 µs: a seventh of the
// CPU time of a proxy at half load, on one processor.
const yieldEvery = 4 * time.Millisecond

// wait fills e.ready. It is epoll_pwait without a mask, because newer machines
// have no epoll_wait.
func (e *Epoll) wait(maxevents, ms int) (int, syscall.Errno) {
	if ms == 0 {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.epfd),
			uintptr(unsafe.Pointer(&e.ready[0])), uintptr(maxevents), 0, 0, 0)
		return int(n), errno
	}
	if now := e.Now(); now-e.yielded >= yieldEvery {
		e.yielded = now
		runtime.Gosched()
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.epfd),
		uintptr(unsafe.Pointer(&e.ready[0])), uintptr(maxevents), uintptr(ms), 0, 0)
	return int(n), errno
}

// milliseconds rounds up, so that a wait is never early.
func milliseconds(d time.Duration) int {
	if d < 0 {
		return -1
	}
	ms := d / time.Millisecond
	if d%time.Millisecond != 0 {
		ms++
	}
	return int(min(ms, math.MaxInt32))
}

// Wake implements [Poller].
func (e *Epoll) Wake() error {
	e.wakeMu.Lock()
	defer e.wakeMu.Unlock()
	if e.wakefd < 0 {
		return syscall.EBADF
	}
	one := uint64(1)
	_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(e.wakefd), uintptr(unsafe.Pointer(&one)), 8)
	return errorOf(errno)
}

// Now implements [Clock]: CLOCK_MONOTONIC, from a point that all Epolls of the
// process share.
func (e *Epoll) Now() time.Duration {
	return time.Since(origin)
}

// errorOf keeps a zero Errno from becoming an error that is not nil. Numbers
// below 256 become an interface without allocation.
func errorOf(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
