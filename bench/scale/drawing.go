package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// panel is one diagram with logarithmic axes, sessions to the right.
type panel struct {
	title  string
	series []series
}

// The measures of the drawing, in pixels.
const (
	panelWidth, panelHeight = 400, 250
	left, right, top, foot  = 56, 16, 34, 30
	legend                  = 26
)

// Colours that are told apart on white and on black, by those who see few of them too.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7"}

// drawing puts panels in two columns. It uses the reader's own colours for text: light
// and dark.
func drawing(panels []panel) string {
	var b strings.Builder
	rows := (len(panels) + 1) / 2
	width, height := 2*panelWidth, rows*panelHeight+legend
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="12">`+"\n", width, height, width, height)
	b.WriteString(`<style>
  text { fill: #24292f } .grid { stroke: #8c959f; stroke-opacity: .35 } .line { fill: none; stroke-width: 2 } .title { font-weight: 600 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
</style>
`)
	if len(panels) > 0 {
		for i, s := range panels[0].series {
			x := left + i*80
			fmt.Fprintf(&b, `<circle cx="%d" cy="14" r="5" fill="%s"/><text x="%d" y="18">%s</text>`+"\n", x, colours[i%len(colours)], x+10, s.name)
		}
	}
	for i, p := range panels {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", i%2*panelWidth, legend+i/2*panelHeight)
		p.draw(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p panel) draw(b *strings.Builder) {
	fmt.Fprintf(b, `<text class="title" x="%d" y="20">%s</text>`+"\n", left, p.title)
	x, y := p.axis(0), p.axis(1)
	across := func(v float64) float64 { return left + x.at(v)*(panelWidth-left-right) }
	up := func(v float64) float64 { return panelHeight - foot - y.at(v)*(panelHeight-top-foot) }
	for v := range x.ticks {
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", across(v), across(v), top, panelHeight-foot, across(v), panelHeight-foot+16, tick(v))
	}
	for v := range y.ticks {
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left, panelWidth-right, up(v), up(v), left-6, up(v)+4, tick(v))
	}
	for i, s := range p.series {
		colour := colours[i%len(colours)]
		var path []string
		for _, point := range s.points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", across(point[0]), up(point[1])))
		}
		fmt.Fprintf(b, `<polyline class="line" stroke="%s" points="%s"/>`+"\n", colour, strings.Join(path, " "))
		for _, point := range s.points {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", across(point[0]), up(point[1]), colour)
		}
	}
}

// axis spans whole powers of ten.
type axis struct{ from, to float64 }

// axis covers coordinate i of every point.
func (p panel) axis(i int) axis {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range p.series {
		for _, point := range s.points {
			low, high = min(low, math.Log10(point[i])), max(high, math.Log10(point[i]))
		}
	}
	if low > high {
		return axis{0, 1} // no points
	}
	a := axis{math.Floor(low), math.Ceil(high)}
	if a.from == a.to {
		a.to++
	}
	return a
}

// at is where a value is, from 0 to 1.
func (a axis) at(v float64) float64 { return (math.Log10(v) - a.from) / (a.to - a.from) }

func (a axis) ticks(yield func(float64) bool) {
	for e := a.from; e <= a.to; e++ {
		if !yield(math.Pow(10, e)) {
			return
		}
	}
}

func tick(v float64) string {
	if v >= 1 {
		return thousands(v)
	}
	return strconv.FormatFloat(v, 'g', 1, 64)
}
