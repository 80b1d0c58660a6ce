package score

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var nan = math.NaN()

// plain is a cell without interval.
func plain(series string, origin, day int32, actual, point float64) Cell {
	return Cell{
		Model: "m", Series: series, Origin: origin, Day: day, Horizon: int(day-origin) + 1, Actual: actual, Point: point, Mean: point,
		Lower80: nan, Upper80: nan, Lower95: nan, Upper95: nan, Open: true, Scale: 2, ScaleSquared: 4,
	}
}

func TestSummariseByHand(t *testing.T) {
	cells := []Cell{
		plain("a", 10, 10, 4, 2), plain("a", 10, 11, 0, 1), // MAE 1.5, MSE 2.5
		plain("b", 10, 10, 6, 6), plain("b", 10, 11, 0, 0), // a closed day
	}
	cells[0].Lower80, cells[0].Upper80, cells[0].Lower95, cells[0].Upper95 = 1, 3, 0, 4 // 4 is on the bound: covered
	cells[1].Lower80, cells[1].Upper80, cells[1].Lower95, cells[1].Upper95 = 1, 2, 0, 3
	cells[3].Lower80, cells[3].Upper80, cells[3].Lower95, cells[3].Upper95 = 0, 0, 0, 0
	cells[3].Open = false
	cells[2].Scale, cells[3].Scale = 0, 0
	want := Metrics{
		N: 4, Series: 2, Origins: 1,
		MAE: .75, RMSE: math.Sqrt(5. / 4), R2: 1 - 5./27, WAPE: .3, Bias: -.1, MeanBias: -.1,
		EqualBiasWAPE: (math.Abs(2*9.5/9-4) + 9.5/9 + math.Abs(6*9.5/9-6)) / 10,
		MASE:          .75, RMSSE: (math.Sqrt(2.5/4) + 0) / 2, Unscaled: 1,
		Pinball:     [5]float64{.05, (.3 + .9) / 2, (1 + .5 + 0) / 3, (.9 + .2) / 2, (0 + .075) / 2},
		Intervals80: 2, Coverage80: 0, IntervalScore80: (2 + 10*1 + 1 + 10*1) / 2.,
		Intervals95: 2, Coverage95: 1, IntervalScore95: 3.5,
	}
	want.Pinball[0] = (.025*4 + 0) / 2
	if d := cmp.Diff(want, Summarise(cells), cmpopts.EquateApprox(1e-14, 0), cmpopts.EquateNaNs()); d != "" {
		t.Error("metrics, -want +got:", d)
	}
}

func TestSummariseUndefined(t *testing.T) {
	noScale := plain("a", 10, 10, 0, 1)
	noScale.Scale, noScale.ScaleSquared = 0, 0
	for name, c := range map[string]struct {
		cells []Cell
		nans  string
	}{
		"no cell":             {nil, "mae rmse r2 wape bias mean_bias equal_bias_wape mase rmsse pinball_025 pinball_100 pinball_500 pinball_900 pinball_975 coverage_80 coverage_95 interval_score_80 interval_score_95"},
		"nothing was sold":    {[]Cell{noScale}, "r2 wape bias mean_bias equal_bias_wape mase rmsse pinball_025 pinball_100 pinball_900 pinball_975 coverage_80 coverage_95 interval_score_80 interval_score_95"},
		"nothing forecast":    {[]Cell{plain("a", 10, 10, 1, 0), plain("a", 10, 11, 2, 0)}, "equal_bias_wape pinball_025 pinball_100 pinball_900 pinball_975 coverage_80 coverage_95 interval_score_80 interval_score_95"},
		"constant actuals":    {[]Cell{plain("a", 10, 10, .1, .2), plain("a", 10, 11, .1, .3), plain("a", 10, 12, .1, .3)}, "r2 pinball_025 pinball_100 pinball_900 pinball_975 coverage_80 coverage_95 interval_score_80 interval_score_95"},
		"a point that is NaN": {[]Cell{plain("a", 10, 10, 1, 1), plain("a", 10, 11, 2, nan)}, "mae rmse r2 wape bias mean_bias equal_bias_wape mase rmsse pinball_025 pinball_100 pinball_500 pinball_900 pinball_975 coverage_80 coverage_95 interval_score_80 interval_score_95"},
	} {
		t.Run(name, func(t *testing.T) {
			m := Summarise(c.cells)
			var nans []string
			for _, f := range numbers {
				if math.IsNaN(*f.of(&m)) {
					nans = append(nans, string(f.name))
				}
			}
			if d := cmp.Diff(c.nans, strings.Join(nans, " ")); d != "" {
				t.Error("undefined metrics, -want +got:", d)
			}
		})
	}
}

func TestOrderChangesNoBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		cells := append(randomCells(r, "a", 6, 2, 5), randomCells(r, "b", 5, 2, 5)...)
		cells = append(cells, cells[0]) // Check rejects it: the same forecast with other values
		cells[len(cells)-1].Point++
		cells[len(cells)-1].Scale++
		want := Summarise(cells)
		shuffled := append([]Cell(nil), cells...)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if d := cmp.Diff(want, Summarise(shuffled), cmpopts.EquateNaNs()); d != "" {
			t.Fatal("another order gives other metrics:", d)
		}
		if d := cmp.Diff(By(cells, ByModel, ByHorizon), By(shuffled, ByModel, ByHorizon), cmpopts.EquateNaNs()); d != "" {
			t.Fatal("another order gives other groups:", d)
		}
	})
}

// Units of another size change errors by that factor and no ratio.
func TestUnitsOfTheTarget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cells := randomCells(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3)), "a", 6, 2, 5)
		factor := math.Ldexp(1, rapid.IntRange(-8, 8).Draw(t, "exponent"))
		scaled := append([]Cell(nil), cells...)
		for i := range scaled {
			c := &scaled[i]
			for _, v := range []*float64{&c.Actual, &c.Point, &c.Mean, &c.Lower80, &c.Upper80, &c.Lower95, &c.Upper95, &c.Scale} {
				*v *= factor
			}
			c.ScaleSquared *= factor * factor
		}
		before, after := Summarise(cells), Summarise(scaled)
		for _, f := range numbers {
			want := *f.of(&before)
			switch f.name {
			case MAE, RMSE, IntervalScore80, IntervalScore95, "pinball_025", "pinball_100", "pinball_500", "pinball_900", "pinball_975":
				want *= factor
			}
			if got := *f.of(&after); !near(got, want) {
				t.Fatalf("%s = %v with values %v times as large, want %v", f.name, got, factor, want)
			}
		}
	})
}

func TestSumKeepsSmallTerms(t *testing.T) {
	var s sum
	for _, v := range []float64{1, 1e100, 1, -1e100} {
		s.add(v)
	}
	if s.value() != 2 {
		t.Errorf("1 + 1e100 + 1 − 1e100 = %v, want 2", s.value())
	}
	s.add(math.Inf(1))
	s.add(1)
	if !math.IsInf(s.value(), 1) {
		t.Errorf("a sum with +Inf is %v, want +Inf", s.value())
	}
}

func TestByKeys(t *testing.T) {
	var cells []Cell
	for h := range int32(11) {
		c := plain("a", 10, 10+h, 1, float64(h))
		c.Segment = [...]string{"x", "10", "9"}[h%3]
		cells = append(cells, c)
	}
	var horizons, segments []string
	for _, g := range By(cells, ByHorizon) {
		horizons = append(horizons, g.Keys[0])
		if g.Metrics.N != 1 {
			t.Errorf("horizon %s has %d cells, want 1", g.Keys[0], g.Metrics.N)
		}
	}
	for _, g := range By(cells, ByModel, BySegment) {
		segments = append(segments, strings.Join(g.Keys, "/"))
	}
	if got := strings.Join(horizons, " "); got != "1 2 3 4 5 6 7 8 9 10 11" {
		t.Error("horizons are sorted as", got)
	}
	if got := strings.Join(segments, " "); got != "m/9 m/10 m/x" {
		t.Error("segments are sorted as", got)
	}
	if g := By(cells[:1], ByOrigin, ByDay, BySeries); !cmp.Equal(g[0].Keys, []string{"1970-01-11", "1970-01-11", "a"}) {
		t.Error("keys of origin, day and series are", g[0].Keys)
	}
	if g := By(nil, ByModel); len(g) != 0 {
		t.Error("no cell gives groups", g)
	}
	if g := By(cells); len(g) != 1 || g[0].Metrics.N != len(cells) {
		t.Error("no key gives", g, "want one group of all cells")
	}
}

func TestCheck(t *testing.T) {
	good := func() []Cell { return []Cell{plain("a", 10, 10, 4, 2), plain("a", 10, 11, 0, 1)} }
	if err := Check(good()); err != nil {
		t.Error("good cells:", err)
	}
	for want, spoil := range map[string]func(c *Cell){
		"the actual is NaN":                           func(c *Cell) { c.Actual = nan },
		"the point forecast is +Inf":                  func(c *Cell) { c.Point = math.Inf(1) },
		"is infinite":                                 func(c *Cell) { c.Mean = math.Inf(1) },
		"one bound only":                              func(c *Cell) { c.Lower80 = 0 },
		"the bounds cross, 80 %: [2, 1]":              func(c *Cell) { c.Lower80, c.Upper80 = 2, 1 },
		"the bounds cross, 80 %: [2, 5], 95 %: [0, 4": func(c *Cell) { c.Lower80, c.Upper80, c.Lower95, c.Upper95 = 2, 5, 0, 4 },
		"the scale is -1":                             func(c *Cell) { c.Scale = -1 },
		"the scale is 3 (squared 4)":                  func(c *Cell) { c.Scale = 3 },
		`the segment is "x"`:                          func(c *Cell) { c.Segment = "x" },
		"there are two cells":                         func(c *Cell) { c.Day = 10 },
		"before the origin":                           func(c *Cell) { c.Day = 9 },
	} {
		cells := good()
		spoil(&cells[1])
		if err := Check(cells); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `series "a", origin 1970-01-11`) {
			t.Errorf("error is %v, want one with %q that names the cell", err, want)
		}
	}
}

func TestMetricsJSON(t *testing.T) {
	want := Summarise(randomCells(rand.New(rand.NewPCG(1, 4)), "a", 5, 2, 7))
	want.MeanBias, want.RMSSE = nan, nan
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"mean_bias":null`) {
		t.Error("NaN is not null in", string(text))
	}
	var got Metrics
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmpopts.EquateNaNs()); d != "" {
		t.Error("metrics read back, -want +got:", d)
	}
	if text, err = json.Marshal(Interval{Lower: nan, Upper: math.Inf(1)}); err != nil || !strings.Contains(string(text), `"lower":null,"upper":null`) {
		t.Errorf("interval is %s, error %v", text, err)
	}
	for bad, want := range map[string]string{
		`[1]`: "expected a JSON object", `{"n":"x"}`: "n is \"x\", expected a whole number", `{"mae":"x"}`: "mae is \"x\", expected a number or null",
	} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives error %v, want one with %q", bad, err, want)
		}
	}
}

func FuzzMetricsUnmarshal(f *testing.F) {
	f.Add([]byte(`{"n":3,"mae":1.5,"wape":null}`))
	f.Add([]byte(`{"n":1e9}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m, again Metrics
		if m.UnmarshalJSON(data) != nil {
			return
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(m, again, cmpopts.EquateNaNs()); d != "" {
			t.Error("read, written and read again differs:", d)
		}
	})
}

func TestMetricNames(t *testing.T) {
	m := Metrics{WAPE: .5}
	if v, ok := m.Value(WAPE); !ok || v != .5 {
		t.Error("wape is", v, ok)
	}
	if v, ok := m.Value("accuracy"); ok || !math.IsNaN(v) {
		t.Error("an unknown metric is", v, ok)
	}
	for _, name := range losses {
		if _, ok := m.Value(name); !ok {
			t.Errorf("%s is compared by, and is no metric", name)
		}
	}
}
