package report

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"example.com/shopstream/ml/score"
)

// htmlOf writes a report and parses it.
func htmlOf(t interface{ Fatal(...any) }, r Report) (*html.Node, string) {
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return root, b.String()
}

// badNumber finds what a browser cannot draw.
var badNumber = regexp.MustCompile(`(?i)\b(nan|[-+]?inf)`)

// problems returns what makes a page not self-contained, or a picture broken.
func problems(root *html.Node) []string {
	var found []string
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && slices.Contains([]string{"script", "iframe", "object", "embed", "link", "img", "form", "base"}, n.Data) {
			found = append(found, "an element "+n.Data)
		}
		if n.Type == html.TextNode && n.Parent.Data == "style" && (strings.Contains(n.Data, "url(") || strings.Contains(n.Data, "@import")) {
			found = append(found, "a style that loads something")
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "href" && !strings.HasPrefix(a.Val, "#"), a.Key == "src", a.Key == "style", strings.HasPrefix(a.Key, "on"):
				found = append(found, fmt.Sprintf("an attribute %s=%q", a.Key, a.Val))
			case slices.Contains([]string{"d", "x", "y", "cx", "cy", "r", "x1", "x2", "y1", "y2", "viewbox"}, strings.ToLower(a.Key)) && badNumber.MatchString(a.Val):
				found = append(found, fmt.Sprintf("a geometry %s=%q", a.Key, a.Val))
			}
		}
	}
	return found
}

func textOf(root *html.Node) string {
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" {
			b.WriteString(n.Data + "\n")
		}
	}
	return b.String()
}

func elements(root *html.Node, name string) []*html.Node {
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == name {
			found = append(found, n)
		}
	}
	return found
}

func TestHTML(t *testing.T) {
	r := sample(t)
	root, source := htmlOf(t, r)
	for _, p := range problems(root) {
		t.Error("the page has", p)
	}
	if got := len(elements(root, "figure")); got != 7 {
		t.Errorf("%d pictures, want 7: differences, horizon, origin, intervals, importance, an example, next week", got)
	}
	if got := len(elements(root, "h1")); got != 1 {
		t.Errorf("%d headings of the first rank, want 1", got)
	}
	text := textOf(root)
	for _, want := range append([]string{r.Title, r.Examples[0].Title, "seed 7", "made 2026-03-01 09:30 UTC", "Fri 6 May 2011", ratio(r.Models[0].Metrics.WAPE)}, r.Notes...) {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, c := range columns {
		if !strings.Contains(text, c.words) {
			t.Errorf("the page does not explain %s", c.label)
		}
	}
	if !strings.Contains(source, "prefers-color-scheme: dark") || !strings.Contains(source, "@media print") {
		t.Error("the page has no style for dark or paper")
	}
	// Every colour that a picture uses is one that the style knows.
	style := elements(root, "style")[0].FirstChild.Data
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			if a.Key != "class" {
				continue
			}
			for class := range strings.FieldsSeq(a.Val) {
				if !strings.Contains(style, "."+class) && class != "text" && class != "picture" {
					t.Errorf("class %q is not in the style", class)
				}
			}
		}
	}
}

// The lines of the page are those of the numbers: one point a day of the forecast.
func TestHorizonChartHasThePoints(t *testing.T) {
	r := sample(t)
	c := partsChart("t", "w", "x", r.Models, r.ByHorizon, score.WAPE)
	if len(c.Shapes) != most || len(c.Marks) != most*6 || len(c.X) != 6 {
		t.Errorf("%d lines, %d points and %d labels, want %d, %d and 6: day 2 is closed at every origin", len(c.Shapes), len(c.Marks), len(c.X), most, most*6)
	}
	// Above means worse: pixels go down as WAPE goes up.
	best, worst := c.Marks[len(c.Marks)-6], c.Marks[0]
	if best.Y <= worst.Y {
		t.Errorf("%q is drawn above %q", best.Title, worst.Title)
	}
	for _, m := range c.Marks {
		if m.X < c.Plot.Left || m.X > c.Plot.Right || m.Y < c.Plot.Top || m.Y > c.Plot.Bottom {
			t.Errorf("%q is outside of the axes", m.Title)
		}
	}
}

func TestChartsKeepTheBestBaseline(t *testing.T) {
	var models []Model
	for i := range 10 {
		models = append(models, Model{Model: fmt.Sprint("m", i), Baseline: i >= 8})
	}
	names, classes := drawn(models)
	if got := strings.Join(names, " "); got != "m0 m1 m2 m3 m4 m8" || classes["m8"] != "c5" {
		t.Errorf("drawn are %s, in %v", got, classes)
	}
}

func TestHTMLOfNothing(t *testing.T) {
	root, _ := htmlOf(t, Report{})
	if n := len(elements(root, "figure")); n != 0 {
		t.Errorf("%d pictures of nothing", n)
	}
	if text := textOf(root); !strings.Contains(text, "No model has a WAPE") {
		t.Error("the page does not say that there is nothing:", text)
	}
}

// Whatever the numbers and texts are, the page is whole, self-contained, and its
// pictures can be drawn.
func TestHTMLOfAnything(t *testing.T) {
	number := rapid.OneOf(rapid.Float64(), rapid.Float64Range(0, 100), rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1), math.Inf(-1), 1e308, -1e308, 5e-324}))
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"</style><script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "javascript:alert(1)", "a", "b"}))
	values := func(n int) *rapid.Generator[Values] {
		return rapid.Custom(func(t *rapid.T) Values { return rapid.SliceOfN(number, n, n).Draw(t, "values") })
	}
	days := func(t *rapid.T) []Date {
		d := rapid.SliceOfNDistinct(rapid.OneOf(rapid.Int32Range(15000, 15030), rapid.Int32Range(-700000, 2900000)), 0, 12, rapid.ID[int32]).Draw(t, "days")
		slices.Sort(d)
		out := make([]Date, len(d))
		for i := range d {
			out[i] = Date(d[i])
		}
		return out
	}
	metrics := rapid.Custom(func(t *rapid.T) score.Metrics {
		v := rapid.SliceOfN(number, 8, 8).Draw(t, "metrics")
		return score.Metrics{WAPE: v[0], Bias: v[1], MASE: v[2], Coverage80: v[3], Coverage95: v[4], EqualBiasWAPE: v[5], MAE: v[6], R2: v[7], Intervals80: 1}
	})
	rapid.Check(t, func(t *rapid.T) {
		r := Report{Title: text.Draw(t, "title"), Target: text.Draw(t, "target"), Unit: text.Draw(t, "unit"), Notes: []string{text.Draw(t, "note")}}
		for i := range rapid.IntRange(0, 8).Draw(t, "models") {
			m := Model{Model: text.Draw(t, "model") + fmt.Sprint(i), Metrics: metrics.Draw(t, "metrics"), Baseline: rapid.Bool().Draw(t, "baseline")}
			d := rapid.SliceOfN(number, 3, 3).Draw(t, "difference")
			m.Against = []Against{{Baseline: text.Draw(t, "against"), Difference: score.Interval{Metric: score.WAPE, Difference: d[0], Lower: d[1], Upper: d[2]}}}
			r.Models = append(r.Models, m)
			for k := range 3 {
				p := Part{Model: m.Model, Name: fmt.Sprint(k), Metrics: metrics.Draw(t, "part")}
				r.ByHorizon, r.BySegment = append(r.ByHorizon, p), append(r.BySegment, p)
			}
			r.Importance = append(r.Importance, Importance{text.Draw(t, "feature"), number.Draw(t, "gain"), number.Draw(t, "shap")})
		}
		p := Plot{Title: text.Draw(t, "plot"), Days: days(t)}
		p.Actual = values(len(p.Days)).Draw(t, "actual")
		f := Forecast{Model: text.Draw(t, "of"), Days: days(t)}
		bound := values(len(f.Days))
		f.Point, f.Lower80, f.Upper80 = bound.Draw(t, "point"), bound.Draw(t, "lower"), bound.Draw(t, "upper")
		p.Forecasts = []Forecast{f}
		r.Examples, r.Next = []Plot{p}, []Plot{p}

		root, _ := htmlOf(t, r)
		if found := problems(root); len(found) > 0 {
			t.Fatal("the page has", found)
		}
		for _, write := range []func() error{
			func() error { return Table(new(bytes.Buffer), r) },
			func() error { return JSON(new(bytes.Buffer), r) },
		} {
			if err := write(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestNiceTicks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float64Range(-1e12, 1e12).Draw(t, "a"), rapid.Float64Range(-1e12, 1e12).Draw(t, "b")
		s := newSpan()
		s.include(a, b)
		ticks, got := niceTicks(s, 5, plainNumber)
		slack := 1e-6 * max(1, s.high-s.low)
		if got.low > s.low+slack || got.high < s.high-slack {
			t.Fatalf("axis %v does not hold %v", got, s)
		}
		if len(ticks) < 2 || len(ticks) > 9 {
			t.Fatalf("%d ticks for %v", len(ticks), s)
		}
		seen := map[string]bool{}
		for _, tick := range ticks {
			if seen[tick.Text] && math.Abs(tick.At) < 1e7 {
				t.Fatalf("two ticks read %q for %v", tick.Text, s)
			}
			seen[tick.Text] = true
		}
	})
	for want, s := range map[string]span{
		"0.70 0.75 0.80 0.85 0.90 0.95": {.72, .93},
		"0 500 1,000 1,500 2,000 2,500": {0, 2190},
		"−0.2 −0.1 0.0 0.1 0.2 0.3":     {-.17, .25},
	} {
		var got []string
		ticks, _ := niceTicks(s, 5, plainNumber)
		for _, tick := range ticks {
			got = append(got, tick.Text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("ticks of %v are %v, want %s", s, got, want)
		}
	}
}

func TestDateTicks(t *testing.T) {
	for _, days := range []int{1, 7, 28, 70, 71, 400, 4000} {
		s := span{15000, 15000 + float64(days) - 1}
		ticks := dateTicks(s, scale{s.low, s.high, 0, 1000})
		if len(ticks) == 0 || len(ticks) > 13 {
			t.Errorf("%d days have %d ticks", days, len(ticks))
		}
		for i, tick := range ticks {
			if tick.At < -1 || tick.At > 1001 || i > 0 && tick.At-ticks[i-1].At < 60 {
				t.Errorf("%d days: tick %q is at %v", days, tick.Text, tick.At)
			}
		}
	}
}

// A band is drawn a part for each run of days, and not where a bound is missing.
func TestBandBreaksAtGaps(t *testing.T) {
	days := []Date{1, 2, 4, 5, 6}
	nan := math.NaN()
	x, y, s := scale{0, 10, 0, 100}, scale{0, 10, 100, 0}, span{0, 10}
	got := band(days, Values{1, 1, 1, nan, 1}, Values{2, 2, 2, 2, 2}, x, y, s)
	if parts := strings.Count(got, "Z"); parts != 3 {
		t.Errorf("%d parts in %s, want 3: days 1 and 2, day 4, day 6", parts, got)
	}
}

// A line ends where a day is missing or unknown.
func TestLineBreaksAtGaps(t *testing.T) {
	p := Plot{Title: "p", Days: []Date{1, 2, 4, 5, 6, 7}, Actual: Values{1, 1, 1, math.NaN(), 1, 1}}
	c := seriesChart(p, "", nil)
	if got := strings.Count(c.Shapes[0].Path, "M"); got != 3 {
		t.Errorf("%d lines in %s, want 3: days 1 and 2, day 4, days 6 and 7", got, c.Shapes[0].Path)
	}
}

func TestImportanceChart(t *testing.T) {
	var features []Importance
	for i := range 25 {
		features = append(features, Importance{Feature: fmt.Sprint("f", i), Gain: 4, SHAP: 1})
	}
	c := importanceChart(features)
	if len(c.Labels) != topFeatures || len(c.Shapes) != 2*topFeatures || len(c.Legend) != 2 || !strings.Contains(c.Words, "The first 20 of 25") {
		t.Errorf("%d features, %d bars, %d legends, %q", len(c.Labels), len(c.Shapes), len(c.Legend), c.Words)
	}
	if c.Shapes[0].Path == c.Shapes[1].Path || c.Shapes[0].Title != "f0: 4.0 % of SHAP" || c.Shapes[1].Title != "f0: 4.0 % of gain" {
		t.Errorf("the bars of a feature are %+v and %+v, want one beside the other, each 1/25", c.Shapes[0], c.Shapes[1])
	}
	for i := range features {
		features[i].SHAP = 0
	}
	if c := importanceChart(features); len(c.Shapes) != topFeatures || len(c.Legend) != 1 {
		t.Errorf("without SHAP, %d bars and %d legends, want %d and 1", len(c.Shapes), len(c.Legend), topFeatures)
	}
	if importanceChart(nil) != nil || importanceChart([]Importance{{Feature: "none"}}) != nil {
		t.Error("a chart of no importance")
	}
}

func TestBestOfEachColumn(t *testing.T) {
	nan := math.NaN()
	models := []Model{
		{Model: "a", Metrics: score.Metrics{WAPE: .5, Bias: -.2, R2: .1, Coverage80: .70, Coverage95: .99, MASE: nan}},
		{Model: "b", Metrics: score.Metrics{WAPE: .6, Bias: .1, R2: .3, Coverage80: .85, Coverage95: .90, MASE: nan}},
	}
	var got []string
	for i, row := range tableOf(models, columns, nil) {
		for k, c := range row.Cells {
			switch columns[k].metric {
			case score.WAPE, "bias", "r2", "coverage_80", "coverage_95", score.MASE:
				if c.Best {
					got = append(got, models[i].Model+" "+string(columns[k].metric))
				}
			}
		}
	}
	if want := "a wape, a coverage_95, b bias, b r2, b coverage_80"; strings.Join(got, ", ") != want {
		t.Errorf("best are %s, want %s", strings.Join(got, ", "), want)
	}
	part := func(model, name string, wape float64) Part {
		return Part{Model: model, Name: name, Metrics: score.Metrics{WAPE: wape}}
	}
	g := gridOf(models, []Part{part("a", "1", .5), part("a", "2", nan), part("b", "1", .4), part("b", "2", .9)})
	var cells []string
	for _, row := range g.Rows {
		for _, c := range row.Cells {
			cells = append(cells, fmt.Sprint(c.Text, " ", c.Best))
		}
	}
	if want := "0.500 false, – false, 0.400 true, 0.900 true"; strings.Join(cells, ", ") != want {
		t.Errorf("cells are %s, want %s", strings.Join(cells, ", "), want)
	}
}

// A model that keeps its promise has its points on the lines of the targets.
func TestCalibrationChart(t *testing.T) {
	held := func(c80, c95 float64) score.Metrics {
		return score.Metrics{Intervals80: 1, Intervals95: 1, Coverage80: c80, Coverage95: c95}
	}
	models := []Model{
		{Model: "right", Metrics: held(.80, .95)}, {Model: "without"}, {Model: "broken", Metrics: held(1e308, math.NaN())},
	}
	c := calibrationChart(models, []Part{{"right", "high", held(.7, .9)}, {"right", "low", held(.9, 1)}, {"broken", "low", held(0, 0)}})
	if got := len(c.Labels); got != 4 {
		t.Errorf("%d rows, want 4: two models that have intervals, two segments of the first", got)
	}
	if got := len(c.Marks); got != 6 {
		t.Fatalf("%d points, want 6: two for each row, none for what is no share", got)
	}
	for i, line := range []string{c.Shapes[1].Path, c.Shapes[3].Path} {
		if x := fmt.Sprintf("M%.1f ", c.Marks[i].X); !strings.HasPrefix(line, x) {
			t.Errorf("%q is at %s, its target is the line %s", c.Marks[i].Title, x, line)
		}
	}
	if calibrationChart(models[1:2], nil) != nil {
		t.Error("a chart of a model without intervals")
	}
}
