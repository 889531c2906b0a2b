package proptest

import "edgewise.test/faults"

// Runs runs schedules one by one, as a search does.
type Runs struct{ r *runner }

func NewRuns(c Config) *Runs {
	s := &search{Config: &c}
	return &Runs{s.runner(0)}
}

// Run returns the failure's message, or "".
func (r *Runs) Run(source faults.Source) string {
	r.r.recorder.Source = source
	if o := r.r.execute(); o.failure != nil {
		return o.failure.message
	}
	return ""
}
