package report

import (
	"fmt"
	"math"
	"slices"
	"time"

	"example.com/shopstream/ml/score"
)

// most is how many models a chart shows: more lines cannot be told apart.
const most = 6

// drawn returns the models that charts show, the best first, and the class that
// gives each its colour everywhere on the page: the best, and where there are
// too many, the best baseline always among them.
func drawn(models []Model) ([]string, map[string]string) {
	var names []string
	for _, m := range models {
		names = append(names, m.Model)
	}
	if len(names) > most {
		baseline := slices.IndexFunc(models, func(m Model) bool { return m.Baseline })
		if baseline >= most {
			names[most-1] = names[baseline]
		}
		names = names[:most]
	}
	classes := map[string]string{}
	for i, name := range names {
		classes[name] = fmt.Sprintf("c%d", i)
	}
	return names, classes
}

// partsChart draws a metric by part, a line a model.
func partsChart(title, words, xName string, models []Model, parts []Part, metric score.Metric) *chart {
	names, classes := drawn(models)
	values, s := map[[2]string]float64{}, newSpan()
	var labels []string // a day on which the shop was closed at every origin has none
	for _, p := range parts {
		v, _ := p.Metrics.Value(metric)
		if classes[p.Model] == "" || !defined(v) {
			continue
		}
		values[[2]string{p.Model, p.Name}] = v
		s.include(v)
	}
	for _, name := range namesOf(parts) {
		if slices.ContainsFunc(names, func(model string) bool { _, ok := values[[2]string{model, name}]; return ok }) {
			labels = append(labels, name)
		}
	}
	if s.empty() {
		return nil
	}
	c := newChart(title, words, false)
	c.XName, c.YName = xName, labelOf(metric)
	y := c.yAxis(s, plainNumber)
	x := scale{-.5, float64(len(labels)) - .5, c.Plot.Left, c.Plot.Right}
	every := (len(labels) + 6) / 7 // at most seven labels have room
	for i, text := range labels {
		if i%every == 0 {
			c.X = append(c.X, tick{x.at(float64(i)), text})
		}
	}
	for k := len(names) - 1; k >= 0; k-- { // the best is drawn last, above the others
		name := names[k]
		var line path
		for i, part := range labels {
			v, ok := values[[2]string{name, part}]
			if !ok || !s.holds(v) {
				line.lift()
				continue
			}
			px, py := x.at(float64(i)), y.at(v)
			line.to(px, py)
			c.Marks = append(c.Marks, mark{Class: classes[name] + " dot", X: px, Y: py, Size: 3, Title: fmt.Sprintf("%s, %s: %s", name, part, ratio(v))})
		}
		c.Shapes = append(c.Shapes, shape{Class: classes[name] + " line", Path: line.String(), Title: name})
	}
	for _, name := range names {
		c.Legend = append(c.Legend, legend{classes[name], name, "line"})
	}
	return c
}

// coverage is a row of the calibration chart.
type coverage struct {
	name    string
	metrics score.Metrics
}

// calibrationChart draws, a row each, the share of days that each interval held
// beside the share that it promised.
func calibrationChart(models []Model, segments []Part) *chart {
	var rows []coverage
	for _, m := range models {
		if len(rows) < most && (m.Metrics.Intervals80 > 0 || m.Metrics.Intervals95 > 0) {
			rows = append(rows, coverage{m.Model, m.Metrics})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	first := rows[0].name
	if len(namesOf(segments)) > 1 {
		for _, p := range segments {
			if p.Model == first {
				rows = append(rows, coverage{first + ", " + p.Name, p.Metrics})
			}
		}
	}
	c := newChart("What the intervals promised, and held",
		"The share of open days on which sales were inside. A circle belongs on the line at 80 %, a square on the line at 95 %; the shaded parts are near enough.", false)
	c.rowsOf(len(rows))
	s := newSpan()
	s.include(.7, 1)
	for _, row := range rows {
		s.include(row.metrics.Coverage80, row.metrics.Coverage95)
	}
	x := c.xAxis(s, percentNumber)
	for _, target := range []struct{ at, low, high float64 }{{.80, .76, .84}, {.95, .92, .98}} {
		c.Shapes = append(c.Shapes,
			shape{Class: "enough", Path: rectangle(x.at(target.low), c.Plot.Top, x.at(target.high), c.Plot.Bottom), Title: fmt.Sprintf("within %s to %s", percent(target.low), percent(target.high))},
			shape{Class: "target", Path: segment(x.at(target.at), c.Plot.Top, x.at(target.at), c.Plot.Bottom), Title: percent(target.at)})
	}
	for i, row := range rows {
		py := c.row(i, row.name)
		if v := row.metrics.Coverage80; s.holds(v) {
			c.Marks = append(c.Marks, mark{Class: "c0 dot", X: x.at(v), Y: py, Size: 5.5, Title: fmt.Sprintf("%s: the 80 %% interval held %s", row.name, percent(v))})
		}
		if v := row.metrics.Coverage95; s.holds(v) {
			c.Marks = append(c.Marks, mark{Class: "c1 square", X: x.at(v), Y: py, Size: 10, Square: true, Title: fmt.Sprintf("%s: the 95 %% interval held %s", row.name, percent(v))})
		}
	}
	c.Legend = []legend{{"c0", "80 % interval", "dot"}, {"c1", "95 % interval", "square"}}
	return c
}

// differenceChart draws the differences in WAPE to one baseline, with intervals.
func differenceChart(models []Model, baseline string) *chart {
	type row struct {
		name string
		d    score.Interval
	}
	var rows []row
	s := newSpan()
	s.include(0)
	for _, m := range models {
		for _, a := range m.Against {
			if a.Baseline == baseline && a.Difference.Metric == score.WAPE && defined(a.Difference.Difference) {
				rows = append(rows, row{m.Model, a.Difference})
				s.include(a.Difference.Difference, a.Difference.Lower, a.Difference.Upper)
			}
		}
	}
	if len(rows) == 0 {
		return nil
	}
	c := newChart("WAPE less that of "+baseline,
		fmt.Sprintf("Left of 0 is better. A line that touches 0 is no clear difference; it is the %.0f %% interval.", 100*rows[0].d.Confidence), false)
	c.rowsOf(len(rows))
	x := c.xAxis(s, plainNumber)
	c.Shapes = append(c.Shapes, shape{Class: "target", Path: segment(x.at(0), c.Plot.Top, x.at(0), c.Plot.Bottom)})
	for i, r := range rows {
		py := c.row(i, r.name)
		class := "unclear"
		if r.d.Better() {
			class = "good"
		} else if r.d.Worse() {
			class = "bad"
		}
		title := fmt.Sprintf("%s: %s, %s: %s", r.name, signed(r.d.Difference), bounds(r.d), verdict(r.d))
		if s.holds(r.d.Lower) && s.holds(r.d.Upper) {
			c.Shapes = append(c.Shapes, shape{Class: class + " whisker", Path: segment(x.at(r.d.Lower), py, x.at(r.d.Upper), py), Title: title})
		}
		if s.holds(r.d.Difference) {
			c.Marks = append(c.Marks, mark{Class: class + " dot", X: x.at(r.d.Difference), Y: py, Size: 5.5, Title: title})
		}
	}
	return c
}

// topFeatures is how many features a chart shows.
const topFeatures = 20

// importanceChart draws shares of gain and SHAP as bars.
func importanceChart(features []Importance) *chart {
	var gain, shap float64
	for _, f := range features {
		gain += share(f.Gain, 1)
		shap += share(f.SHAP, 1)
	}
	if !defined(gain) || !defined(shap) || gain+shap <= 0 {
		return nil
	}
	shown := features[:min(len(features), topFeatures)]
	words := "The share of what the best model gets from each feature."
	if len(shown) < len(features) {
		words += fmt.Sprintf(" The first %d of %d.", len(shown), len(features))
	}
	c := newChart("What the forecast leans on", words, false)
	c.rowsOf(len(shown))
	s := newSpan()
	s.include(0)
	for _, f := range shown {
		s.include(share(f.Gain, gain), share(f.SHAP, shap))
	}
	x := c.xAxis(s, percentNumber)
	half := 0.
	if gain > 0 && shap > 0 {
		half = rowHeight * .2 // two bars a row
	}
	for i, f := range shown {
		py := c.row(i, f.Feature)
		for _, bar := range []struct {
			name, class  string
			value, total float64
			offset       float64
		}{{"SHAP", "c0", f.SHAP, shap, -half}, {"gain", "c1", f.Gain, gain, half}} {
			if bar.total <= 0 {
				continue
			}
			v, height := share(bar.value, bar.total), rowHeight*.3
			if half > 0 {
				height = rowHeight * .17
			}
			c.Shapes = append(c.Shapes, shape{
				Class: bar.class + " bar", Path: rectangle(x.at(0), py+bar.offset-height, x.at(v), py+bar.offset+height),
				Title: fmt.Sprintf("%s: %s of %s", f.Feature, percent(v), bar.name),
			})
		}
	}
	if shap > 0 {
		c.Legend = append(c.Legend, legend{"c0", "mean |SHAP value|", "bar"})
	}
	if gain > 0 {
		c.Legend = append(c.Legend, legend{"c1", "gain of splits", "bar"})
	}
	return c
}

// share returns a part of a total; what is no amount is 0.
func share(v, total float64) float64 {
	if !defined(v) || v < 0 || total <= 0 {
		return 0
	}
	return v / total
}

const (
	rowHeight = 26.
	rowLabels = 190. // pixels for the names of rows
	rowRunes  = 26   // characters that have room there
)

// rowsOf makes a chart one of rows with names.
func (c *chart) rowsOf(n int) {
	c.Plot.Left, c.Plot.Right = rowLabels, c.Width-2*chartEdge // the last tick's text is wide
	c.Plot.Bottom = c.Plot.Top + rowHeight*float64(n)
	c.Height = c.Plot.Bottom + axisBottom - 10
}

// row labels a row and returns its height.
func (c *chart) row(i int, name string) float64 {
	y := c.Plot.Top + rowHeight*(float64(i)+.5)
	if runes := []rune(name); len(runes) > rowRunes {
		name = string(runes[:rowRunes-1]) + "…"
	}
	c.Labels = append(c.Labels, label{"row", c.Plot.Left - 8, y + 4, name})
	return y
}

func rectangle(left, top, right, bottom float64) string {
	var p path
	p.to(left, top)
	p.to(right, top)
	p.to(right, bottom)
	p.to(left, bottom)
	p.close()
	return p.String()
}

func segment(x1, y1, x2, y2 float64) string {
	var p path
	p.to(x1, y1)
	p.to(x2, y2)
	return p.String()
}

// seriesChart draws a series and its forecasts by days. Intervals are those of
// the first forecast that has some: bands of two would hide each other.
func seriesChart(p Plot, unit string, classes map[string]string) *chart {
	s, days := newSpan(), newSpan()
	s.include(0)
	include := func(dates []Date, values ...Values) {
		for _, d := range dates {
			days.include(float64(d))
		}
		for _, v := range values {
			s.include(v...)
		}
	}
	include(p.Days, p.Actual)
	banded := -1
	for i, f := range p.Forecasts {
		include(f.Days, f.Point)
		if banded < 0 && (len(f.Lower80) > 0 && len(f.Upper80) > 0 || len(f.Lower95) > 0 && len(f.Upper95) > 0) {
			banded = i
			include(nil, f.Lower80, f.Upper80, f.Lower95, f.Upper95)
		}
	}
	if days.empty() {
		return nil
	}
	c := newChart(p.Title, "", true)
	c.YName = unit
	y := c.yAxis(s, plainNumber)
	x := scale{days.low - .5, days.high + .5, c.Plot.Left, c.Plot.Right}
	c.X = dateTicks(days, x)
	classOf := func(model string) string {
		if class, ok := classes[model]; ok {
			return class
		}
		return fmt.Sprintf("c%d", most-1) // a model that is in no table
	}
	if banded >= 0 {
		f := p.Forecasts[banded]
		class := classOf(f.Model)
		for _, b := range []struct {
			lower, upper Values
			class, text  string
		}{{f.Lower95, f.Upper95, "band95", "95 % interval"}, {f.Lower80, f.Upper80, "band80", "80 % interval"}} {
			if len(b.lower) == 0 || len(b.upper) == 0 {
				continue
			}
			c.Shapes = append(c.Shapes, shape{Class: class + " " + b.class, Path: band(f.Days, b.lower, b.upper, x, y, s), Title: f.Model + ", " + b.text})
			c.Legend = append(c.Legend, legend{class + " " + b.class, f.Model + ", " + b.text, "area"})
		}
	}
	c.addSeries("actual", "actual", p.Days, p.Actual, x, y, s)
	for _, f := range p.Forecasts {
		c.addSeries(classOf(f.Model), f.Model, f.Days, f.Point, x, y, s)
	}
	return c
}

// addSeries draws values as a line that breaks where a day is missing.
func (c *chart) addSeries(class, name string, days []Date, values Values, x, y scale, s span) {
	var line path
	for i, d := range days {
		if i > 0 && d != days[i-1]+1 {
			line.lift()
		}
		if !s.holds(values[i]) {
			line.lift()
			continue
		}
		px, py := x.at(float64(d)), y.at(values[i])
		line.to(px, py)
		if len(days) <= 120 {
			c.Marks = append(c.Marks, mark{Class: class + " dot", X: px, Y: py, Size: 2, Title: fmt.Sprintf("%s, %s: %s", name, longDate(d), amount(values[i]))})
		}
	}
	c.Shapes = append(c.Shapes, shape{Class: class + " line", Path: line.String(), Title: name})
	c.Legend = append(c.Legend, legend{class, name, "line"})
}

// band returns the area between two bounds: one closed part for each run of days
// without a gap, half a day wider at its ends so that a single day is seen.
func band(days []Date, lower, upper Values, x, y scale, s span) string {
	var p path
	good := func(i int) bool { return s.holds(lower[i]) && s.holds(upper[i]) }
	for start := 0; start < len(days); start++ {
		if !good(start) {
			continue
		}
		end := start
		for end+1 < len(days) && good(end+1) && days[end+1] == days[end]+1 {
			end++
		}
		left, right := x.at(float64(days[start])-.3), x.at(float64(days[end])+.3)
		p.to(left, y.at(upper[start]))
		for i := start; i <= end; i++ {
			p.to(x.at(float64(days[i])), y.at(upper[i]))
		}
		p.to(right, y.at(upper[end]))
		p.to(right, y.at(lower[end]))
		for i := end; i >= start; i-- {
			p.to(x.at(float64(days[i])), y.at(lower[i]))
		}
		p.to(left, y.at(lower[start]))
		p.close()
		start = end
	}
	return p.String()
}

// dateTicks returns at most about ten dates: every so many days, or firsts of
// months where the days are many.
func dateTicks(days span, x scale) []tick {
	from, to := Date(days.low), Date(days.high)
	var ticks []tick
	if n := to - from; n > 70 {
		months := 1 + int(n)/30/10
		first := time.Unix(int64(from)*86400, 0).UTC()
		for m := time.Date(first.Year(), first.Month()+1, 1, 0, 0, 0, 0, time.UTC); m.Unix()/86400 <= int64(to); m = m.AddDate(0, months, 0) {
			ticks = append(ticks, tick{x.at(float64(m.Unix() / 86400)), m.Format("Jan 2006")})
		}
		return ticks
	}
	step := Date(1)
	for _, s := range []Date{1, 2, 7} {
		step = s
		if (to-from)/s < 10 {
			break
		}
	}
	for d := from; d <= to; d += step {
		ticks = append(ticks, tick{x.at(float64(d)), time.Unix(int64(d)*86400, 0).UTC().Format("2 Jan")})
	}
	return ticks
}

func longDate(d Date) string {
	return time.Unix(int64(d)*86400, 0).UTC().Format("Mon 2 Jan 2006")
}

// bestBaseline is the baseline with the lowest WAPE: the one to beat.
func bestBaseline(models []Model) string {
	best, wape := "", math.Inf(1)
	for _, m := range models {
		if m.Baseline && m.Metrics.WAPE < wape {
			best, wape = m.Model, m.Metrics.WAPE
		}
	}
	return best
}
