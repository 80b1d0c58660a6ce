package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"

	"example.com/shopstream/ml/score"
)

//go:embed templates
var templates embed.FS

var page = template.Must(template.ParseFS(templates, "templates/*.html"))

// HTML writes the report as one page: style and pictures are in it, it has no
// script and asks for nothing from elsewhere. It follows the reader's choice of
// light or dark, fits a telephone and prints. All texts of the report are
// escaped.
func HTML(w io.Writer, r Report) error {
	r, err := r.prepared()
	if err != nil {
		return err
	}
	var b bytes.Buffer // a template that fails must not leave half a page
	if err := page.ExecuteTemplate(&b, "report.html", viewOf(r)); err != nil {
		return fmt.Errorf("report: write as HTML: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("report: write as HTML: %w", err)
	}
	return nil
}

// view is what the template shows.
type view struct {
	Report
	Facts, Summary string
	Columns        []column
	Table          []modelRow
	Differences    []differenceRow
	Charts         []*chart
	Examples, Next []*chart
	NextTables     []dayTable
	Segments       grid
	Horizons       grid
	OriginTable    grid
	Hidden         int // models that charts leave out
}

type modelRow struct {
	Model    string
	Class    string // its colour in charts
	Best     bool   // by WAPE
	Baseline bool
	Cells    []cell
}

type cell struct {
	Text string
	Best bool // in its column
}

type differenceRow struct{ Model, Baseline, Metric, Difference, Bounds, Confidence, Verdict, Class string }

// grid is a table of parts: a group of columns a metric, a row a model.
type grid struct {
	Parts []string
	Rows  []gridRow
}

type gridRow struct {
	Model string
	Cells []cell
}

// dayTable is a forecast of days to come, by day.
type dayTable struct {
	Title, Model string
	Days         []dayRow
}

type dayRow struct{ Day, Point, Range80, Range95 string }

// Label is the name of the metric.
func (c column) Label() string { return c.label }

// Words says what the metric means.
func (c column) Words() string { return c.words }

func viewOf(r Report) view {
	names, classes := drawn(r.Models)
	v := view{
		Report: r, Facts: r.facts(), Summary: together(r.summary()), Hidden: len(r.Models) - len(names),
		Segments: gridOf(r.Models, r.BySegment), Horizons: gridOf(r.Models, r.ByHorizon), OriginTable: gridOf(r.Models, r.ByOrigin),
	}
	for _, c := range columns {
		if slices.ContainsFunc(r.Models, func(m Model) bool { return defined(c.of(m.Metrics)) }) {
			v.Columns = append(v.Columns, c)
		}
	}
	v.Table = tableOf(r.Models, v.Columns, classes)
	for _, m := range r.Models {
		for _, a := range m.Against {
			v.Differences = append(v.Differences, differenceOf(m.Model, a))
		}
	}
	for _, c := range []*chart{
		differenceChart(r.Models, bestBaseline(r.Models)),
		partsChart("WAPE by day of the forecast", "How fast the forecast gets worse with the days ahead.", "day of the forecast", r.Models, r.ByHorizon, score.WAPE),
		partsChart("WAPE by origin", "Whether one model is best week after week, or only once.", "first day that was forecast", r.Models, r.ByOrigin, score.WAPE),
		calibrationChart(r.Models, r.BySegment),
		importanceChart(r.Importance),
	} {
		if c != nil {
			v.Charts = append(v.Charts, c)
		}
	}
	v.Examples, v.Next = chartsOf(r.Examples, r.Unit, classes), chartsOf(r.Next, r.Unit, classes)
	for _, p := range r.Next {
		for _, f := range p.Forecasts {
			v.NextTables = append(v.NextTables, daysOf(p.Title, f))
		}
	}
	return v
}

// together keeps a number and its percent sign on one line.
func together(s string) string { return strings.ReplaceAll(s, " %", "\u00a0%") }

func tableOf(models []Model, columns []column, classes map[string]string) []modelRow {
	var rows []modelRow
	for i, m := range models {
		row := modelRow{Model: m.Model, Class: classes[m.Model], Best: sign(i, m) != "", Baseline: m.Baseline}
		for _, c := range columns {
			row.Cells = append(row.Cells, cell{Text: c.format(c.of(m.Metrics))})
		}
		rows = append(rows, row)
	}
	for k, c := range columns {
		best := math.Inf(1)
		for _, m := range models {
			if v := c.of(m.Metrics); defined(v) {
				best = min(best, c.distance(v))
			}
		}
		for i, m := range models {
			rows[i].Cells[k].Best = len(models) > 1 && c.distance(c.of(m.Metrics)) == best
		}
	}
	return rows
}

func differenceOf(model string, a Against) differenceRow {
	d := a.Difference
	class := "unclear"
	if d.Better() {
		class = "good"
	} else if d.Worse() {
		class = "bad"
	}
	return differenceRow{
		Model: model, Baseline: a.Baseline, Metric: labelOf(d.Metric), Difference: signed(d.Difference), Bounds: bounds(d),
		Confidence: fmt.Sprintf("%.0f %%", 100*d.Confidence), Verdict: verdict(d), Class: class,
	}
}

// gridOf returns WAPE by model and part, or nothing where there is one part only.
func gridOf(models []Model, parts []Part) grid {
	names := namesOf(parts)
	if len(names) < 2 {
		return grid{}
	}
	values := map[[2]string]float64{}
	best := map[string]float64{}
	for _, p := range parts {
		v := p.Metrics.WAPE
		values[[2]string{p.Model, p.Name}] = v
		if b, ok := best[p.Name]; defined(v) && (!ok || v < b) {
			best[p.Name] = v
		}
	}
	g := grid{Parts: names}
	for _, m := range models {
		row := gridRow{Model: m.Model}
		for _, name := range names {
			c := cell{Text: none}
			if v, ok := values[[2]string{m.Model, name}]; ok {
				b, any := best[name]
				c = cell{Text: ratio(v), Best: any && v == b && len(models) > 1}
			}
			row.Cells = append(row.Cells, c)
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

func chartsOf(plots []Plot, unit string, classes map[string]string) []*chart {
	var charts []*chart
	for _, p := range plots {
		if c := seriesChart(p, unit, classes); c != nil {
			charts = append(charts, c)
		}
	}
	return charts
}

func daysOf(title string, f Forecast) dayTable {
	t := dayTable{Title: title, Model: f.Model}
	within := func(lower, upper Values, i int) string {
		if len(lower) == 0 || len(upper) == 0 || !defined(lower[i]) || !defined(upper[i]) {
			return none
		}
		return amount(lower[i]) + " to " + amount(upper[i])
	}
	for i, d := range f.Days {
		t.Days = append(t.Days, dayRow{longDate(d), amount(f.Point[i]), within(f.Lower80, f.Upper80, i), within(f.Lower95, f.Upper95, i)})
	}
	return t
}
