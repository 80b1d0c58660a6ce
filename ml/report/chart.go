package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// chart is the geometry of a picture, in its own pixels; templates/chart.html
// draws it as SVG. Colours are classes, so that the page's style decides them
// for light, dark and paper.
type chart struct {
	Title         string
	Words         string // one line under the title: what to look for
	Width, Height float64
	Plot          box // where the data are, inside the axes
	X, Y          []tick
	XName, YName  string
	Shapes        []shape
	Marks         []mark
	Labels        []label
	Legend        []legend
	Wide          bool
}

type box struct{ Left, Top, Right, Bottom float64 }

type tick struct {
	At   float64
	Text string
}

// shape is a line or an area.
type shape struct {
	Class string
	Path  string // as in an SVG path's d
	Title string // shown on hovering
}

// mark is a point of data: a circle of a radius, or a square of a side.
type mark struct {
	Class  string
	X, Y   float64
	Size   float64
	Square bool
	Title  string
}

type label struct {
	Class string
	X, Y  float64
	Text  string
}

// legend explains a class of lines or marks.
type legend struct {
	Class string
	Text  string
	Form  string // "line", "area", "bar", "dot" or "square"
}

const (
	chartWidth, chartHeight = 560., 300.
	wideWidth               = 1120.
	axisLeft, axisBottom    = 58., 40.
	chartEdge               = 14.
)

func newChart(title, words string, wide bool) *chart {
	c := &chart{Title: title, Words: together(words), Width: chartWidth, Height: chartHeight, Wide: wide}
	if wide {
		c.Width = wideWidth
	}
	c.Plot = box{axisLeft, chartEdge + 6, c.Width - chartEdge, c.Height - axisBottom}
	return c
}

// scale maps values to pixels.
type scale struct{ low, high, from, to float64 }

func (s scale) at(v float64) float64 {
	if s.high == s.low {
		return (s.from + s.to) / 2
	}
	return s.from + (v-s.low)/(s.high-s.low)*(s.to-s.from)
}

// span is the range of the values that are defined.
type span struct{ low, high float64 }

func newSpan() span { return span{math.Inf(1), math.Inf(-1)} }

func (s *span) include(values ...float64) {
	for _, v := range values {
		// Beyond this, differences overflow; no amount of goods is as large.
		if defined(v) && math.Abs(v) < 1e150 {
			s.low, s.high = min(s.low, v), max(s.high, v)
		}
	}
}

func (s span) empty() bool { return s.low > s.high }

func (s span) holds(v float64) bool { return s.low <= v && v <= s.high }

// niceTicks returns about n round numbers and the range from the first to the
// last of them, which holds the span: steps are 1, 2 or 5 times a power of ten
// (Heckbert 1990, "Nice numbers for graph labels").
func niceTicks(s span, n int, format func(v float64, decimals int) string) ([]tick, span) {
	if s.high-s.low <= max(1e-9*max(math.Abs(s.low), math.Abs(s.high)), 1e-150) {
		middle := max(1, math.Abs(s.low)) / 10
		s.low, s.high = s.low-middle, s.high+middle
	}
	raw := (s.high - s.low) / float64(n)
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	step := 10 * power
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= raw {
			step = factor * power
			break
		}
	}
	decimals := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	first, last := math.Floor(s.low/step+1e-9), math.Ceil(s.high/step-1e-9)
	var ticks []tick
	for i := first; i <= last; i++ {
		ticks = append(ticks, tick{i * step, format(i*step, decimals)})
	}
	return ticks, span{first * step, last * step}
}

func plainNumber(v float64, decimals int) string {
	if math.Abs(v) >= 1e7 {
		return minus(strconv.FormatFloat(v, 'g', 4, 64))
	}
	whole, rest, point := strings.Cut(strconv.FormatFloat(v, 'f', decimals, 64), ".")
	text := thousands(whole)
	if point {
		text += "." + rest
	}
	return minus(text)
}

func percentNumber(v float64, decimals int) string {
	return plainNumber(100*v, max(0, decimals-2)) + " %"
}

// yAxis sets the vertical axis for a span and returns its scale.
func (c *chart) yAxis(s span, format func(float64, int) string) scale {
	ticks, s := niceTicks(s, 5, format)
	y := scale{s.low, s.high, c.Plot.Bottom, c.Plot.Top}
	for _, t := range ticks {
		c.Y = append(c.Y, tick{y.at(t.At), t.Text})
	}
	return y
}

// xAxis does the same for the horizontal one.
func (c *chart) xAxis(s span, format func(float64, int) string) scale {
	ticks, s := niceTicks(s, 6, format)
	x := scale{s.low, s.high, c.Plot.Left, c.Plot.Right}
	for _, t := range ticks {
		c.X = append(c.X, tick{x.at(t.At), t.Text})
	}
	return x
}

// path builds the d of an SVG path.
type path struct {
	b    strings.Builder
	open bool // the next point continues a line
}

func (p *path) to(x, y float64) {
	command := "M"
	if p.open {
		command = "L"
	}
	fmt.Fprintf(&p.b, "%s%.1f %.1f", command, x, y)
	p.open = true
}

// lift ends a line: the next point starts another.
func (p *path) lift() { p.open = false }

func (p *path) close() {
	if p.open {
		p.b.WriteString("Z")
	}
	p.open = false
}

func (p *path) String() string { return p.b.String() }
