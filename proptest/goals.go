package proptest

import (
	"sort"

	"edgewise.test/fakepoller"
)

// Sometimes says that a run reached a goal: "handshake timed out after a partial
// read". A passing search tells which goals of [Config.Goals] no run has reached.
func (w *World) Sometimes(goal string) { w.goals = append(w.goals, goal) }

// reachedGoals are the scenario's goals and those that the world notices itself.
func (w *World) reachedGoals() []string {
	for g := fakepoller.Goal(0); g < fakepoller.Goals; g++ {
		if w.Reached(g) {
			w.goals = append(w.goals, g.String())
		}
	}
	return w.goals
}

// goals are names, with whether they were reached. It is only looked up and
// listed in order.
type goals map[string]bool

func newGoals(wanted []string) goals {
	g := goals{}
	for i := fakepoller.Goal(0); i < fakepoller.Goals; i++ {
		g[i.String()] = false
	}
	for _, name := range wanted {
		g[name] = false
	}
	return g
}

func (g goals) reach(names []string) {
	for _, name := range names {
		g[name] = true
	}
}

func (g goals) lists() (reached, missed []string) {
	for name, ok := range g {
		if ok {
			reached = append(reached, name)
		} else {
			missed = append(missed, name)
		}
	}
	sort.Strings(reached)
	sort.Strings(missed)
	return reached, missed
}
