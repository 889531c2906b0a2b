package traceview

import (
	"fmt"

	"edgewise.test/fakepoller"
	"edgewise.test/faults"
)

// numbers says which deviation of plan each event is, from 1; 0 is none of them.
func numbers(events []fakepoller.Event, plan faults.Plan) []int {
	found := make([]int, len(events))
	for i := range events {
		if events[i].Call == fakepoller.CallDeviate {
			found[i] = number(events[i].Text, plan)
		}
	}
	return found
}

func number(line string, plan faults.Plan) int {
	one, err := faults.Parse("edgewise plan v1\n" + line)
	if err != nil || len(one.Deviations) != 1 {
		return 0
	}
	d := one.Deviations[0]
	for i, p := range plan.Deviations {
		if p.Actor == d.Actor && p.Op == d.Op && p.From <= d.From && d.To <= p.To && p.Outcome == d.Outcome {
			return i + 1
		}
	}
	return 0
}

// label is how a report shows a deviation's number.
func label(number int) string {
	if number == 0 {
		return "[*]"
	}
	return fmt.Sprintf("[%d]", number)
}
