package tcpproxy

import (
	"slices"
	"time"

	"edgewise.test/pipeline"
)

// drain waits for the upstream connections of a cluster.
type drain struct {
	deadline *pipeline.Timer
	done     *pipeline.Callback
}

// Drain waits for the upstream connections to end: they outlive their listener for
// as long as they have something to write. When deadline has passed the rest is
// closed with [pipeline.NoFlush]. done is called once after that, in a later
// iteration of loop, which is that of the cluster. Call it when the listeners have
// drained; a second Drain replaces the first.
func (c *Cluster) Drain(loop *pipeline.Loop, deadline time.Duration, done func()) {
	if c.draining != nil {
		c.draining.deadline.Disable()
		c.draining.done.Cancel()
	}
	c.draining = &drain{loop.NewTimer(c.closeUpstreams), loop.NewCallback(done)}
	c.draining.deadline.Enable(deadline)
	c.checkDrained()
}

func (c *Cluster) closeUpstreams() {
	for _, s := range slices.Clone(c.sessions) {
		s.upstream.Close(pipeline.NoFlush)
	}
}

func (c *Cluster) checkDrained() {
	if c.draining != nil && len(c.sessions) == 0 {
		c.draining.deadline.Disable()
		c.draining.done.ScheduleNextIteration()
	}
}

// entered and left are told of each upstream connection.
func (c *Cluster) entered(s *session) {
	s.place = len(c.sessions)
	c.sessions = append(c.sessions, s)
}

func (c *Cluster) left(s *session) {
	last := len(c.sessions) - 1
	c.sessions[s.place] = c.sessions[last]
	c.sessions[s.place].place = s.place
	c.sessions[last] = nil
	c.sessions = c.sessions[:last]
	c.checkDrained()
}
