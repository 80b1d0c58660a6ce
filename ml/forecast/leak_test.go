package forecast

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// everyFeature has each function of the language at least once.
var everyFeature = append(slices.Clone(recipeFeatures),
	"min(y,7)", "mean(y,7)", "mean(y,14)", "mean(y,30)", "month", "day_of_month", "week_of_year", "holiday",
	"category", "product", "category_mean(24)", "fourier_sin(365.25,1)", "fourier_cos(7,2)", "quantile(w,30,0.9)")

// leaks reports the columns of features whose value at any beginning up to the
// cut changes when days from the cut on change. extra is added to the features.
func leaks(t interface{ Fatal(...any) }, p *Panel, cut int, seed uint64, extra func(r *rows) func(*known, aim) float64) []int {
	spec, err := ParseSpec(everyFeature)
	if err != nil {
		t.Fatal(err)
	}
	columns := func(p *Panel) [][]float32 {
		r := newRows(spec, newAxis(p, 0), vocabulary(p), nil)
		samples, _ := r.training(7, 0)
		samples = slices.DeleteFunc(samples, func(s sample) bool { return r.axis.days[s.anchor] > cut })
		if extra != nil {
			r.spec, r.calls = append(r.spec, Feature{name: "weekday"}), append(r.calls, extra(r))
		}
		got, err := r.columns(context.Background(), samples)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	before, after := columns(p), columns(disturb(p, p.Start+Day(cut), seed))
	var changed []int
	for f := range before {
		if !slices.EqualFunc(before[f], after[f], func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
			changed = append(changed, f)
		}
	}
	return changed
}

// TestNoFeatureSeesTheFuture changes all that comes after a day: features of
// forecasts that begin by then stay as they were.
func TestNoFeatureSeesTheFuture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := randomPanel(rapid.Uint64().Draw(t, "seed"), 6, 150)
		cut := rapid.IntRange(40, 149).Draw(t, "cut")
		for _, f := range leaks(t, p, cut, 7, nil) {
			t.Fatalf("%s depends on days from its forecast's first on", everyFeature[f])
		}
	})
}

// TestALeakingFeatureIsFound shows that the test above can fail.
func TestALeakingFeatureIsFound(t *testing.T) {
	p := randomPanel(1, 6, 150)
	for name, leak := range map[string]func(r *rows) func(*known, aim) float64{
		"the day itself": func(r *rows) func(*known, aim) float64 {
			return func(_ *known, at aim) float64 { return r.axis.panel.Series[0].Y[at.day-p.Start] }
		},
		"a centred mean": func(r *rows) func(*known, aim) float64 {
			return func(k *known, _ aim) float64 {
				i := slices.IndexFunc(r.axis.panel.Series, func(s Series) bool { return s.ID == k.id })
				y := r.series[i].y
				return mean(y[max(0, len(k.y)-2):min(len(y), len(k.y)+3)])
			}
		},
		"the mean of all days": func(r *rows) func(*known, aim) float64 {
			return func(*known, aim) float64 { return mean(r.axis.panel.Series[0].Y) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := leaks(t, p, 100, 7, leak); !slices.Equal(got, []int{len(everyFeature)}) {
				t.Errorf("leaking columns are %v: expected the last alone, %d", got, len(everyFeature))
			}
		})
	}
}

// allModels are small forms of every model.
func allModels() []Model {
	recipe := Recipe()
	recipe.Small, recipe.Big = TreeSize{Leaves: 4, Trees: 8, Rate: 0.3, ColumnShare: 0.5}, TreeSize{Leaves: 8, Trees: 5, Rate: 0.3, ColumnShare: 0.5}
	return append(Baselines(), Index{}, Ridge{Horizon: 7}, NewTweedie(), recipe)
}

// TestNoForecastSeesTheFuture is the same for whole backtests, of every model.
func TestNoForecastSeesTheFuture(t *testing.T) {
	p := randomPanel(3, 9, 150)
	origin := p.Start + 120
	run := func(p *Panel) map[string]Prediction {
		r, err := Backtest{Origins: []Day{origin}, Horizon: 7, Models: allModels(), Refit: true}.Run(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]Prediction{}
		for _, c := range r.Cells {
			out[fmt.Sprint(c.Model, c.Series, c.Horizon)] = Prediction{c.Point, c.Mean, c.Lower80, c.Upper80, c.Lower95, c.Upper95}
		}
		return out
	}
	before, after := run(p), run(disturb(p, origin, 5))
	if len(before) != len(allModels())*len(p.Before(origin).Series)*7 {
		t.Fatalf("there are %d forecasts", len(before))
	}
	for key, want := range before {
		if got := after[key]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v after the future changed, and was %v", key, got, want)
		}
	}
}

// TestThePastIsOneOfTheWhole: what a panel was before a day is the panel of the
// sales before it, whatever came later: a product's category, too.
func TestThePastIsOneOfTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sales []Sale
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3)) //nolint:gosec // a test
		for d := range Day(60) {
			for i := range 4 {
				if random.IntN(3) > 0 {
					continue
				}
				units := float64(random.IntN(5))
				sales = append(sales, Sale{Day: 20000 + d, Product: name("p", i), Category: name("c", random.IntN(3)), Units: units, Paid: units / 2, Revenue: units / 2 * random.Float64(), Orders: 1})
			}
		}
		for _, target := range []Target{Units, Revenue} {
			for _, level := range []Level{Product, Category, Shop} {
				whole, err := NewPanel(sales, PanelOptions{Level: level, Target: target, End: 20060})
				if err != nil {
					t.Fatal(err)
				}
				day := whole.Start + Day(rapid.IntRange(1, 50).Draw(t, "day"))
				past, err := NewPanel(sales, PanelOptions{Level: level, Target: target, End: day})
				if err != nil {
					t.Fatal(err)
				}
				if whole.Before(day).Fingerprint() != past.Fingerprint() {
					t.Fatalf("%s in %s before %v differ", level, target, day)
				}
			}
		}
	})
}
