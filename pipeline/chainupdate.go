package pipeline

import (
	"fmt"
	"reflect"
	"time"
)

// chainGroup is the connections of one filter chain (Envoy ActiveConnections).
type chainGroup struct {
	active   int
	draining *chainDrain // nil: the chain is in use
}

func (g *chainGroup) leave() {
	g.active--
	if g.draining != nil {
		g.draining.left--
		g.draining.check()
	}
}

// chainDrain waits for the connections of the chains that an update has removed.
type chainDrain struct {
	left     int
	deadline *Timer
	done     *Callback
}

func (d *chainDrain) check() {
	if d.left == 0 {
		d.deadline.Disable()
		d.done.ScheduleNextIteration()
	}
}

// UpdateFilterChains replaces the filter chains while the listener goes on (Envoy's
// in-place filter chain update). Sockets in listener filters will match the new
// ones. A new chain with the name, match and revision of an old one is the old one,
// so its connections stay. Those of chains that are gone may go on for drainTime and
// are then closed with [NoFlush]; [Connection.Draining] tells them. done, if not nil,
// is called once after that, never inside. After an error nothing has changed.
func (l *Listener) UpdateFilterChains(chains []FilterChain, defaultChain *FilterChain, drainTime time.Duration, done func()) error {
	config := l.config
	config.FilterChains, config.DefaultFilterChain = chains, defaultChain
	matcher, err := newChainMatcher(&config)
	if err != nil {
		return fmt.Errorf("listener %v: %w", l.address, err)
	}
	old := l.matcher.leaves
	for _, leaf := range matcher.leaves {
		for i, before := range old {
			if before != nil && sameChain(leaf.chain, before.chain) && (leaf.index < 0) == (before.index < 0) {
				leaf.chain, leaf.group, old[i] = before.chain, before.group, nil
				break
			}
		}
	}
	l.config, l.matcher = config, matcher
	l.drainChains(old, drainTime, done)
	return nil
}

// drainChains drains the chains of those leaves that are not nil.
func (l *Listener) drainChains(leaves []*matchLeaf, drainTime time.Duration, done func()) {
	if done == nil {
		done = func() {}
	}
	drain := &chainDrain{done: l.loop.NewCallback(done)}
	drain.deadline = l.loop.NewTimer(func() { l.closeDraining(drain) })
	drain.deadline.Enable(drainTime)
	for _, leaf := range leaves {
		if leaf != nil {
			leaf.group.draining = drain
			drain.left += leaf.group.active
		}
	}
	drain.check()
}

func (l *Listener) closeDraining(drain *chainDrain) {
	var left []*Connection // apart: a callback may close others
	for c := l.connections.first; c != nil; c = c.links.next {
		if c.group.draining == drain {
			left = append(left, c)
		}
	}
	for _, c := range left {
		c.Close(NoFlush)
	}
}

// sameChain compares what has no functions in it; the revision stands for those.
func sameChain(a, b *FilterChain) bool {
	return a.Name == b.Name && a.Revision == b.Revision && reflect.DeepEqual(a.FilterChainMatch, b.FilterChainMatch)
}

// Draining says that the connection should end soon: its listener drains, or an
// update has removed its filter chain (Envoy DrainDecision::drainClose).
func (c *Connection) Draining() bool {
	return c.listener != nil && (c.listener.drained != nil || c.group.draining != nil)
}
