package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// Sizes of the drawing, in pixels.
const (
	labelWidth = 190
	barWidth   = 440
	textWidth  = 230
	barHeight  = 18
	margin     = 20
)

// draw makes one picture of bar charts: ratios, with a line from the lower to the
// upper quartile. The reference is at 1, where a line goes down.
func draw(tables []*table, machine string) []byte {
	var b bytes.Buffer
	y := 2 * margin
	text := func(x, y int, class, s string) {
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" class=\"%s\">%s</text>\n", x, y, class, html.EscapeString(s))
	}
	text(margin, y, "small", machine)
	y += margin
	for _, t := range tables {
		for i, m := range t.work.metrics {
			y += margin
			text(margin, y, "title", fmt.Sprintf("%s: %s, ratio to %s", t.work.name, m.name, m.reference.name))
			y += 8
			top, scale := y, barWidth/longest(t.rows[i])
			for _, c := range t.rows[i] {
				if c.ratio.n == 0 {
					continue
				}
				class := "peer"
				if t.work.ours(c.subject) {
					class = "ours"
				}
				text(margin, y+barHeight-5, "label", c.subject.name)
				bar(&b, class, y, c.ratio, scale)
				text(margin+labelWidth+barWidth+10, y+barHeight-5, "small", fmt.Sprintf("%s (%s %s)", digits(c.ratio.median), digits(c.value.median), m.unit))
				y += barHeight
			}
			at := margin + labelWidth + scale
			fmt.Fprintf(&b, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" class=\"one\"/>\n", at, at, top, y)
		}
		y += margin
	}
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif">
<style>
.title { font-size: 14px; font-weight: bold } .label { font-size: 12px } .small { font-size: 11px; fill: #555 }
.peer { fill: #b8c4d0 } .ours { fill: #2f7d4f } .spread { stroke: #333; stroke-width: 1.5 } .one { stroke: #c33; stroke-dasharray: 3 2 }
</style>
<rect width="100%%" height="100%%" fill="white"/>
%s</svg>
`, 2*margin+labelWidth+barWidth+textWidth, y, &b)
}

func bar(b *bytes.Buffer, class string, y int, ratio spread, scale float64) {
	x := float64(margin + labelWidth)
	fmt.Fprintf(b, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" class=\"%s\"/>\n", x, y+2, ratio.median*scale, barHeight-4, class)
	fmt.Fprintf(b, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" class=\"spread\"/>\n", x+ratio.low*scale, x+ratio.high*scale, y+barHeight/2, y+barHeight/2)
}

// longest is the ratio that fills the width.
func longest(row []cell) float64 {
	most := 1.0
	for _, c := range row {
		if c.ratio.n > 0 {
			most = math.Max(most, c.ratio.high)
		}
	}
	return most
}
