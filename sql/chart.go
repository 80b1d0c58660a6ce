package sql

import (
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/guptarohit/asciigraph"

	"example.com/shopstream/internal/warehouse"
)

// Kinds of charts.
const (
	chartLine = "line" // values along x, a line a value of By
	chartBars = "bars" // a bar a row
)

// maxSeries is how many lines a chart can have and still be read: the days of a week.
const maxSeries = 7

var colors = []asciigraph.AnsiColor{
	asciigraph.Blue, asciigraph.Red, asciigraph.Green, asciigraph.Goldenrod, asciigraph.Purple, asciigraph.Gray, asciigraph.Cyan,
}

// chartHeight is in lines, of the plot alone.
const chartHeight = 15

// ChartOptions say where WriteChart draws.
type ChartOptions struct {
	Width int  // characters a line
	Color bool // several lines of different colors in one picture, else a picture each
}

// WriteChart draws an answer for a terminal. Values are drawn as floats: a chart
// is a picture, not a record.
func WriteChart(w io.Writer, rows *warehouse.Rows, c Chart, o ChartOptions) error {
	at := func(name string) int {
		return slices.IndexFunc(rows.Columns, func(r warehouse.ResultColumn) bool { return r.Name == name })
	}
	x, y, by := at(c.X), at(c.Y), at(c.By)
	if x < 0 || y < 0 || !numeric(rows.Columns[y].Type) {
		return NewUsage("a chart needs the columns %q and %q, the second one a number", c.X, c.Y)
	}
	var points []point
	for _, row := range rows.Rows {
		value, ok := float(row[y])
		if !ok || row[x] == nil {
			continue
		}
		p := point{x: printable(Text(row[x])), y: value}
		if by >= 0 {
			p.series = printable(Text(row[by]))
		}
		points = append(points, p)
	}
	if len(points) == 0 {
		_, err := fmt.Fprintln(w, "(nothing to draw)")
		return err
	}
	if c.Kind == chartLine {
		return lines(w, points, c, o)
	}
	return bars(w, points, c, o.Width)
}

type point struct {
	x, series string
	y         float64
}

func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	case *big.Rat:
		f, _ := v.Float64()
		return f, true
	}
	return 0, false
}

// lines draws a line a series; x is in the order of the answer.
func lines(w io.Writer, points []point, c Chart, o ChartOptions) error {
	var xs, names []string
	index := map[string]int{}
	for _, p := range points {
		if _, ok := index[p.x]; !ok {
			index[p.x] = len(xs)
			xs = append(xs, p.x)
		}
		if !slices.Contains(names, p.series) {
			names = append(names, p.series)
		}
	}
	left := names[min(maxSeries, len(names)):]
	names = names[:len(names)-len(left)]
	data := make([][]float64, len(names))
	for i := range data {
		data[i] = slices.Repeat([]float64{math.NaN()}, len(xs))
	}
	for _, p := range points {
		if i := slices.Index(names, p.series); i >= 0 {
			data[i][index[p.x]] = p.y
		}
	}
	size := []asciigraph.Option{asciigraph.Height(chartHeight), asciigraph.Width(max(o.Width-16, 20))}
	caption := fmt.Sprintf("%s by %s, %s to %s", c.Y, c.X, xs[0], xs[len(xs)-1])
	var b strings.Builder
	if o.Color && len(names) > 1 {
		fmt.Fprintln(&b, asciigraph.PlotMany(data, append(size,
			asciigraph.Caption(caption), asciigraph.SeriesColors(colors[:len(names)]...), asciigraph.SeriesLegends(names...))...))
	} else {
		for i, name := range names {
			if name != "" {
				name = ", " + c.By + " " + name
			}
			fmt.Fprintln(&b, asciigraph.Plot(data[i], append(size, asciigraph.Caption(caption+name))...))
		}
	}
	if len(left) > 0 {
		fmt.Fprintf(&b, "not drawn: %s %s\n", c.By, strings.Join(left, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// maxBars is how many bars are drawn.
const maxBars = 60

// bars draws a bar a point, those below 0 as well, in the order of the answer.
func bars(w io.Writer, points []point, c Chart, width int) error {
	more := max(len(points)-maxBars, 0)
	points = points[:len(points)-more]
	label, most := 0, 0.0
	labels, values := make([]string, len(points)), make([]string, len(points))
	longest := 0
	for i, p := range points {
		labels[i] = strings.TrimSpace(p.series + " " + p.x)
		values[i] = fmt.Sprintf("%.6g", p.y)
		label = max(label, utf8.RuneCountInString(labels[i]))
		longest = max(longest, len(values[i]))
		most = max(most, math.Abs(p.y))
	}
	label = min(label, width/3)
	room := max(width-label-longest-4, 10)
	var b strings.Builder
	fmt.Fprintf(&b, "%s by %s\n", c.Y, c.X)
	for i, p := range points {
		length := 0
		if most > 0 {
			length = int(math.Round(math.Abs(p.y) / most * float64(room)))
		}
		mark := "█"
		if p.y < 0 {
			mark = "░"
		}
		name := cut(labels[i], label)
		fmt.Fprintf(&b, "%s%s  %*s  %s\n", name, strings.Repeat(" ", label-utf8.RuneCountInString(name)), longest, values[i], strings.Repeat(mark, length))
	}
	if more > 0 {
		fmt.Fprintf(&b, "… and %d more\n", more)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
