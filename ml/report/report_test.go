package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.com/shopstream/ml/score"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// small is a report of eight cells, so that its golden files can be checked by eye.
func small(t testing.TB) Report {
	nan := math.NaN()
	cell := func(model, series string, day int32, actual, point float64) score.Cell {
		return score.Cell{
			Model: model, Series: series, Segment: "all", Origin: 15000, Day: day, Horizon: int(day) - 14999,
			Actual: actual, Point: point, Mean: nan, Lower80: 0, Upper80: 8, Lower95: 0, Upper95: 16, Open: true, Scale: 2,
		}
	}
	r := Report{
		Title: "A small backtest", Target: "revenue", Unit: "GBP", Level: "category", Horizon: 2, Origins: []Date{15000}, DataFrom: 14900, DataTo: 15001,
		Seed: 3, Generated: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Notes: []string{"Only for tests."},
		Importance: []Importance{{"weekday", 1, nan}, {"price", 3, 0}},
		Examples: []Plot{{
			Title: "toys", Days: []Date{14999, 15000, 15001}, Actual: Values{2, 4, nan},
			Forecasts: []Forecast{{Model: "trees", Days: []Date{15000, 15001}, Point: Values{4, 2.5}, Lower80: Values{1, 1}, Upper80: Values{5, 4}}},
		}},
	}
	cells := []score.Cell{
		cell("naive", "toys", 15000, 4, 2), cell("naive", "toys", 15001, 8, 12),
		cell("naive", "books", 15000, 1, 2), cell("naive", "books", 15001, 20, 14),
		cell("trees", "toys", 15000, 4, 4), cell("trees", "toys", 15001, 8, 6),
		cell("trees", "books", 15000, 1, 3), cell("trees", "books", 15001, 20, 15),
	}
	if err := r.Score(cells, []string{"naive"}, score.BootstrapOptions{Resamples: 20}); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGolden(t *testing.T) {
	for name, write := range map[string]func(*bytes.Buffer) error{
		"small.txt":  func(b *bytes.Buffer) error { return Table(b, small(t)) },
		"small.json": func(b *bytes.Buffer) error { return JSON(b, small(t)) },
		"sample.txt": func(b *bytes.Buffer) error { return Table(b, sample(t)) },
	} {
		var got bytes.Buffer
		if err := write(&got); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got.String()); d != "" {
			t.Errorf("%s, -want +got:\n%s", name, d)
		}
	}
}

func TestJSONReadsBack(t *testing.T) {
	var text bytes.Buffer
	want := sample(t)
	if err := JSON(&text, want); err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(text.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	options := []cmp.Option{cmpopts.EquateNaNs(), cmpopts.EquateEmpty()}
	if d := cmp.Diff(want, got, options...); d != "" {
		t.Error("report read back, -want +got:", d)
	}
}

func TestJSONOfNothingHasLists(t *testing.T) {
	var text bytes.Buffer
	if err := JSON(&text, Report{Models: []Model{{}}, Next: []Plot{{Forecasts: []Forecast{{}}}}}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "null") {
		t.Error("a list is null in", text.String())
	}
}

func TestScore(t *testing.T) {
	r := sample(t)
	if !slices.IsSortedFunc(r.Models, func(a, b Model) int { return int(math.Copysign(1, a.Metrics.WAPE-b.Metrics.WAPE)) }) {
		t.Error("models are not sorted by WAPE")
	}
	for _, m := range r.Models {
		others := 2
		if m.Baseline {
			others = 0
		}
		if got := len(m.Against); got != others*len(compared) {
			t.Errorf("%s is compared %d times, want %d", m.Model, got, others*len(compared))
		}
		for _, a := range m.Against {
			if v, _ := m.Metrics.Value(a.Difference.Metric); math.Abs(a.Difference.A-v) > 1e-12 {
				t.Errorf("%s against %s starts from %v, its %s is %v", m.Model, a.Baseline, a.Difference.A, a.Difference.Metric, v)
			}
		}
	}
	for name, parts := range map[string][]Part{"horizon": r.ByHorizon, "segment": r.BySegment, "origin": r.ByOrigin} {
		n := map[string]int{}
		for _, p := range parts {
			n[p.Model] += p.Metrics.N
		}
		for _, m := range r.Models {
			if n[m.Model] != m.Metrics.N {
				t.Errorf("by %s, %s has %d cells, want all %d", name, m.Model, n[m.Model], m.Metrics.N)
			}
		}
	}
}

// The shop as a whole is one series: its intervals come from the origins, and a
// single origin has none.
func TestScoreOfOneSeries(t *testing.T) {
	var cells []score.Cell
	for origin := range int32(6) {
		cells = append(cells,
			score.Cell{Model: "a", Origin: origin, Day: origin, Actual: 10, Point: 11 + float64(origin%2)},
			score.Cell{Model: "b", Origin: origin, Day: origin, Actual: 10, Point: 14})
	}
	for _, c := range []struct {
		cells      []score.Cell
		want, says string
	}{{cells, "better", "interval"}, {cells[:2], unknown, "too few series and origins"}} {
		var r Report
		if err := r.Score(c.cells, []string{"b"}, score.BootstrapOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := verdict(r.Models[0].Against[0].Difference); got != c.want || !strings.Contains(r.summary(), c.says) {
			t.Errorf("%d cells: a is %s than b, and %q, want %s and %q", len(c.cells), got, r.summary(), c.want, c.says)
		}
	}
}

func TestScoreErrors(t *testing.T) {
	good := []score.Cell{{Model: "a", Actual: 1}, {Model: "b", Actual: 1}}
	spoil := func(f func(c *score.Cell)) []score.Cell {
		cells := slices.Clone(good)
		f(&cells[1])
		return cells
	}
	for want, c := range map[string]struct {
		cells    []score.Cell
		baseline string
	}{
		`baseline "x" has no cell`:             {good, "x"},
		"the actual is NaN":                    {spoil(func(c *score.Cell) { c.Actual = math.NaN() }), "a"},
		`compare "a" with baseline "b"`:        {spoil(func(c *score.Cell) { c.Series = "other" }), "b"},
		"score both against the same outcomes": {spoil(func(c *score.Cell) { c.Actual = 2 }), "a"},
	} {
		var r Report
		if err := r.Score(c.cells, []string{c.baseline}, score.BootstrapOptions{Resamples: 5}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
}

func TestPlotErrors(t *testing.T) {
	for want, p := range map[string]Plot{
		"2 days and 1 actuals":       {Days: []Date{1, 2}, Actual: Values{1}},
		"plot \"x\" are not ascend":  {Title: "x", Days: []Date{2, 2}, Actual: Values{1, 1}},
		"1 days and 0 points":        {Forecasts: []Forecast{{Days: []Date{1}}}},
		"\"m\": the days are not as": {Forecasts: []Forecast{{Model: "m", Days: []Date{2, 1}, Point: Values{1, 1}}}},
		"a bound of 2 values":        {Forecasts: []Forecast{{Days: []Date{1}, Point: Values{1}, Upper95: Values{1, 2}}}},
	} {
		for name, r := range map[string]Report{"example": {Examples: []Plot{p}}, "next": {Next: []Plot{p}}} {
			var b bytes.Buffer
			for form, err := range map[string]error{"html": HTML(&b, r), "table": Table(&b, r), "json": JSON(&b, r)} {
				if err == nil || !strings.Contains(err.Error(), want) || b.Len() > 0 {
					t.Errorf("%s as %s: error is %v and %d bytes are written, want an error with %q and none", name, form, err, b.Len(), want)
				}
			}
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriteErrors(t *testing.T) {
	for form, err := range map[string]error{"html": HTML(fullDisk{}, Report{}), "table": Table(fullDisk{}, Report{}), "json": JSON(fullDisk{}, Report{})} {
		if err == nil || !strings.Contains(err.Error(), os.ErrClosed.Error()) {
			t.Errorf("%s: error is %v, want the writer's", form, err)
		}
	}
}

func TestTableKeepsNamesFromTheTerminal(t *testing.T) {
	r := small(t)
	r.Title = "a\x1b[31mb"
	r.Models[0].Model = "trees\x1b[2J\nmore"
	var b bytes.Buffer
	if err := Table(&b, r); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsRune(b.String(), '\x1b') || !strings.Contains(b.String(), "trees�[2J more") {
		t.Errorf("control characters are in the table:\n%q", b.String())
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{ratio(-.0004), "0.000"},
		{ratio(-.5), "−0.500"},
		{ratio(math.NaN()), none},
		{signed(.05), "+0.050"},
		{signed(.0001), "0.000"},
		{signed(-.05), "−0.050"},
		{percent(.8125), "81.2 %"},
		{percent(math.Inf(1)), none},
		{amount(1.005), "1.00"},
		{amount(-1234567.4), "−1,234,567"},
		{amount(123456), "123,456"},
		{amount(100), "100"},
		{amount(1e12), "1e+12"},
		{count(1, "day"), "1 day"},
		{count(1000, "day"), "1,000 days"},
		{plainNumber(1234.5, 1), "1,234.5"},
		{percentNumber(.25, 2), "25 %"},
		{verdict(score.Interval{Lower: -2, Upper: -1}), "better"},
		{verdict(score.Interval{Lower: 1, Upper: 2}), "worse"},
		{verdict(score.Interval{Lower: -1, Upper: 2}), "no clear difference"},
		{verdict(score.Interval{Lower: math.NaN(), Upper: math.NaN()}), "unknown"},
	} {
		if c.got != c.want {
			t.Errorf("shown as %q, want %q", c.got, c.want)
		}
	}
}

func FuzzDate(f *testing.F) {
	f.Add("2011-11-04")
	f.Add("2011-02-30")
	f.Add("9999-12-31")
	f.Fuzz(func(t *testing.T, text string) {
		var d Date
		if d.UnmarshalText([]byte(text)) != nil {
			return
		}
		if d.String() != text {
			t.Errorf("%q is read as %s", text, d)
		}
	})
}

func FuzzValues(f *testing.F) {
	f.Add([]byte(`[1,null,2.5e-3]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var v, again Values
		if v.UnmarshalJSON(text) != nil {
			return
		}
		out, err := v.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalJSON(out); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(v, again, cmpopts.EquateNaNs()); d != "" {
			t.Error("read, written and read again differs:", d)
		}
	})
}
