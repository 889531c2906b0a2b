package pollertest

import "strings"

// Family is a group of cases, those whose ids begin with its name.
type Family struct {
	Name  string
	About string
	Cases int
}

// Families counts the cases that [Run] runs.
func Families() []Family {
	families := []Family{
		{Name: "EC", About: "epoll_ctl, descriptors, EPOLLEXCLUSIVE"},
		{Name: "EW", About: "epoll_wait: order, time-outs"},
		{Name: "ET", About: "edges"},
		{Name: "LN", About: "listener and accept"},
		{Name: "CN", About: "connect"},
		{Name: "DT", About: "data, buffers"},
		{Name: "CL", About: "close, half-close, reset"},
		{Name: "MX", About: "matrix of the local state and what the peer does"},
		{Name: "RS", About: "found by random sequences and mutants"},
		{Name: "", About: "the boundary itself: clock, tokens, wake-ups, options"},
	}
	for _, c := range allCases() {
		prefix, _, _ := strings.Cut(c.id, "-")
		for i := range families {
			if families[i].Name == prefix || families[i].Name == "" {
				families[i].Cases++
				break
			}
		}
	}
	return families
}
