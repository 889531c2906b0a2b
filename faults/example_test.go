package faults_test

import (
	"fmt"

	"edgewise.test/faults"
)

func ExampleParse() {
	plan, err := faults.Parse(`edgewise plan v1
# the third hello comes in two pieces
conn 3 segment 1: 5 bytes
listener 1 accept 4..6: EMFILE
`)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range plan.Deviations {
		fmt.Println(d)
	}

	_, err = faults.Parse("edgewise plan v1\nconn 3 segment 1: five bytes")
	fmt.Println(err)
	// Output:
	// conn 3 segment 1: 5 bytes
	// listener 1 accept 4..6: EMFILE
	// plan:2:19: got "five bytes", want a number of bytes from 1, as in "3 bytes"
}

func ExamplePlan_Source() {
	plan, _ := faults.Parse(`edgewise plan v1
conn 1 segment 2: 3 bytes
conn 7 segment 1: 1 byte
`)
	source := plan.Source()
	for seq := 1; seq <= 3; seq++ {
		fmt.Println(source.Choose(faults.Point{Actor: "conn 1", Op: faults.Segment, Seq: seq}, 100))
	}
	fmt.Println("missed:", source.Missed()[0])
	// Output:
	// 0
	// 3
	// 0
	// missed: conn 7 segment 1: 1 byte
}

// A seed decides, the recorder keeps what it decided, and that is a plan.
func ExampleRecorder() {
	r := faults.Recorder{Source: faults.Seed(89, faults.Profile{Only: []faults.Op{faults.Segment, faults.Delay}})}
	for seq := 1; seq <= 8; seq++ {
		r.Choose(faults.Point{Actor: "conn 1", Op: faults.Segment, Seq: seq}, 517)
		r.Choose(faults.Point{Actor: "conn 1", Op: faults.Delay, Seq: seq}, faults.Delay.Range())
	}
	fmt.Print(r.Plan())
	// Output:
	// edgewise plan v1
	// conn 1 segment 1: 3 bytes
	// conn 1 delay 1: 15.001s
	// conn 1 segment 7: 516 bytes
}
