package fakepoller

import "iter"

// Coroutines keeps the coroutines of closed worlds for the next ones. A search that
// makes many worlds one after the other on one goroutine shares one among them: a
// new coroutine costs a world more than anything else, and under the race
// detector the runtime never gives its memory back (5 KB each with Go 1.26).
// The zero value is empty. It must not be shared between goroutines, nor carried
// into a synctest bubble.
type Coroutines struct{ free []*coroutine }

// Stop ends the coroutines that are kept. What is closed later is kept again.
func (c *Coroutines) Stop() {
	for _, co := range c.free {
		co.stop()
	}
	c.free = nil
}

// coroutine runs one function after another.
type coroutine struct {
	resume func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	run    func() // nil: it has nothing to do
	unwind bool   // the function is to end where it stands
}

// take returns a coroutine that is to run f. With a nil c it is for f alone.
func (c *Coroutines) take(f func()) *coroutine {
	if c != nil && len(c.free) > 0 {
		co := c.free[len(c.free)-1]
		c.free = c.free[:len(c.free)-1]
		co.run = f
		return co
	}
	co := &coroutine{run: f}
	again := c != nil
	co.resume, co.stop = iter.Pull(func(yield func(struct{}) bool) {
		co.yield = yield
		for {
			co.run()
			co.run = nil
			if !again || !yield(struct{}{}) {
				return
			}
		}
	})
	return co
}

// give takes back a coroutine whose function has returned, or was never begun.
func (c *Coroutines) give(co *coroutine) {
	if c == nil {
		co.stop()
		return
	}
	co.run = nil
	c.free = append(c.free, co)
}

// end unwinds a coroutine in the middle of its function.
func (c *Coroutines) end(co *coroutine) {
	if c != nil {
		co.unwind = true
		co.resume()
		co.unwind = false
		if co.run == nil {
			c.give(co)
			return
		}
	}
	co.stop()
}
