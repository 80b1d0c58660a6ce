package score

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// twoModels returns cells of a and b on the same outcomes.
func twoModels(r *rand.Rand, series, origins, days int) (a, b []Cell) {
	a = randomCells(r, "a", series, origins, days)
	b = slices.Clone(a)
	for i := range b {
		b[i].Model = "b"
		b[i].Point *= .5 + r.Float64()
	}
	return a, b
}

// The sums that a resample adds up must give what Summarise gives for the cells
// that were drawn, copied out.
func TestResampleIsSummariseOfTheDraw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 5))
		block := rapid.IntRange(0, 3).Draw(t, "block")
		a, b := twoModels(r, 5, 4, 4)
		left, right, err := align(a, b)
		if err != nil {
			t.Fatal(err)
		}
		p := newPool(left, right, block > 0)
		weights := make([]float64, len(p.series))
		p.draw(r, block, weights)
		var copies []Cell
		for i, w := range weights {
			for k := range int(w) {
				for _, c := range right[p.starts[i]:p.starts[i+1]] {
					drawn := *c
					drawn.Series += fmt.Sprintf("#%d", k) // another series: MASE keeps copies apart
					copies = append(copies, drawn)
				}
			}
		}
		want := Summarise(copies)
		for _, metric := range losses {
			w, _ := want.Value(metric)
			if got := p.value(1, metric, weights); !near(got, w) {
				t.Fatalf("%s of the draw is %v, Summarise of its cells gives %v", metric, got, w)
			}
		}
	})
}

func TestDifferenceIsDeterministic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 6))
	a, b := twoModels(r, 20, 4, 7)
	for _, o := range []BootstrapOptions{{Seed: 1}, {Seed: 1, OriginBlock: 2, Confidence: .8, Resamples: 300}} {
		want, err := Difference(a, b, WAPE, o)
		if err != nil {
			t.Fatal(err)
		}
		x, y := slices.Clone(a), slices.Clone(b)
		r.Shuffle(len(x), func(i, j int) { x[i], x[j] = x[j], x[i] })
		r.Shuffle(len(y), func(i, j int) { y[i], y[j] = y[j], y[i] })
		got, err := Difference(x, y, WAPE, o)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("cells in another order give %+v, want %+v", got, want)
		}
		o.Seed = 2
		if other, err := Difference(a, b, WAPE, o); err != nil || other.Lower == want.Lower || other.Difference != want.Difference {
			t.Errorf("another seed gives %+v, error %v, want another interval around the same difference than %+v", other, err, want)
		}
		reversed, err := Difference(b, a, WAPE, BootstrapOptions{Seed: 1, OriginBlock: o.OriginBlock, Confidence: o.Confidence, Resamples: o.Resamples})
		if err != nil {
			t.Fatal(err)
		}
		mirror := Interval{
			Metric: WAPE, A: want.B, B: want.A, Difference: -want.Difference, Lower: -want.Upper, Upper: -want.Lower,
			Confidence: want.Confidence, Resamples: want.Resamples,
		}
		if d := cmp.Diff(mirror, reversed, cmpopts.EquateApprox(1e-12, 1e-12)); d != "" {
			t.Error("sides exchanged, -want +got:", d)
		}
	}
}

func TestDifferenceOfAModelAndItself(t *testing.T) {
	a := randomCells(rand.New(rand.NewPCG(1, 7)), "a", 10, 2, 7)
	for _, metric := range losses {
		got, err := Difference(a, a, metric, BootstrapOptions{Resamples: 50, OriginBlock: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got.Difference != 0 || got.Lower != 0 || got.Upper != 0 || got.Better() || got.Worse() {
			t.Errorf("%s: a model differs from itself: %+v", metric, got)
		}
	}
}

// In simulated backtests whose true difference is known, a 90 % interval holds it
// in about 90 of 100, whatever a series' errors have in common, and whatever an
// origin's have where origins are drawn too.
func TestDifferenceCoversTheTruth(t *testing.T) {
	const simulations, series, origins, days = 250, 40, 10, 1
	for _, c := range []struct {
		name            string
		ofOrigin        float64 // sd of what an origin's days have in common
		block           int
		atLeast, atMost float64
	}{
		{"series", 0, 0, .86, .94},
		{"series, but origins matter", 1, 0, 0, .6}, // shows that the next case needs its option
		{"series and origins", 1, 1, .80, .96},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(8, 8))
			held := 0
			for range simulations {
				ofOrigin := make([]float64, origins)
				for o := range ofOrigin {
					ofOrigin[o] = c.ofOrigin * r.NormFloat64()
				}
				var a, b []Cell
				for s := range series {
					ofSeries := r.NormFloat64()
					for o := range origins {
						for d := range days {
							x := plain(fmt.Sprint(s), int32(7*o), int32(7*o+d), 20, 30) // b's error is 10
							b = append(b, x)
							x.Point = 31 + ofSeries + ofOrigin[o] + r.NormFloat64() // a's is 11 in the mean
							a = append(a, x)
						}
					}
				}
				got, err := Difference(a, b, MAE, BootstrapOptions{Resamples: 150, Seed: r.Uint64(), OriginBlock: c.block})
				if err != nil {
					t.Fatal(err)
				}
				if got.Lower <= 1 && 1 <= got.Upper {
					held++
				}
			}
			if share := float64(held) / simulations; share < c.atLeast || share > c.atMost {
				t.Errorf("the interval holds the true difference in %.3f of backtests, want %v to %v", share, c.atLeast, c.atMost)
			}
		})
	}
}

func TestDifferenceUndefined(t *testing.T) {
	// Only one of three series sold anything: draws without it have no WAPE.
	var a []Cell
	for i, y := range []float64{0, 0, 5} {
		a = append(a, plain(fmt.Sprint(i), 10, 10, y, 1))
	}
	got, err := Difference(a, a, WAPE, BootstrapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if share := float64(got.Undefined) / float64(got.Resamples); math.Abs(share-8./27) > .05 {
		t.Errorf("%v of the draws are undefined, want about 8/27", share)
	}
	got, err = Difference(a, a, IntervalScore80, BootstrapOptions{Resamples: 10})
	if err != nil || got.Undefined != 10 || !math.IsNaN(got.Difference) || !math.IsNaN(got.Lower) || got.Better() || got.Worse() {
		t.Errorf("without any interval: %+v, error %v", got, err)
	}
}

// One series drawn again and again would make any difference look certain.
func TestDifferenceOfOneSeries(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 11))
	a, b := twoModels(r, 1, 8, 7)
	got, err := Difference(a, b, MAE, BootstrapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Difference == 0 || !math.IsNaN(got.Lower) || !math.IsNaN(got.Upper) || got.Resamples != 0 || got.Better() || got.Worse() {
		t.Errorf("one series gives %+v, want a difference without bounds", got)
	}
	got, err = Difference(a, b, MAE, BootstrapOptions{OriginBlock: 1})
	if err != nil || !(got.Lower < got.Difference && got.Difference < got.Upper) {
		t.Errorf("one series of eight origins gives %+v, error %v, want bounds around the difference", got, err)
	}
}

func TestDifferenceErrors(t *testing.T) {
	good := []Cell{plain("a", 10, 10, 4, 2), plain("b", 10, 10, 1, 1)}
	change := func(f func(c *Cell)) []Cell {
		cells := slices.Clone(good)
		f(&cells[1])
		return cells
	}
	for want, c := range map[string]struct {
		a, b   []Cell
		metric Metric
		o      BootstrapOptions
	}{
		"second model has no cell":    {a: good},
		"first model has no cell":     {b: good},
		"the point forecast is NaN":   {a: change(func(c *Cell) { c.Point = nan }), b: good},
		`has cells of "m" and of "n"`: {a: good, b: change(func(c *Cell) { c.Model = "n" })},
		`series "0", origin 1970-01-11, day 1970-01-11: model "m" has no cell for it`: {a: good, b: change(func(c *Cell) { c.Series = "0" })},
		`series "b", origin 1970-01-11, day 1970-01-11: model "m" has no cell for it`: {a: good, b: good[:1]},
		`series "b", origin 1970-01-11, day 1970-01-11: model "m" has no cell`:        {a: good[:1], b: good},
		"score both against the same outcomes":                                        {a: good, b: change(func(c *Cell) { c.Actual = 2 })},
		`cannot compare by "r2"`:                                                      {a: good, b: good, metric: "r2"},
		"-1 bootstrap resamples":                                                      {a: good, b: good, o: BootstrapOptions{Resamples: -1}},
		"a confidence of 90":                                                          {a: good, b: good, o: BootstrapOptions{Confidence: 90}},
		"blocks of -1 origins":                                                        {a: good, b: good, o: BootstrapOptions{OriginBlock: -1}},
	} {
		if c.metric == "" {
			c.metric = WAPE
		}
		if _, err := Difference(c.a, c.b, c.metric, c.o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
}

// A backtest of 200 series, 12 origins and 7 days compares in well under a
// second, so that a table of many models and metrics does not wait for it.
func TestDifferenceIsFast(t *testing.T) {
	if testing.Short() {
		t.Skip("times mean nothing under the race detector, which runs the short tests")
	}
	a, b := twoModels(rand.New(rand.NewPCG(1, 9)), 200, 12, 7)
	best := time.Hour
	for range 3 {
		began := time.Now()
		if _, err := Difference(a, b, EqualBiasWAPE, BootstrapOptions{}); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(began))
	}
	if best > time.Second {
		t.Errorf("1000 resamples took %v at best, want less than a second", best)
	}
}

func BenchmarkDifference(b *testing.B) {
	x, y := twoModels(rand.New(rand.NewPCG(1, 9)), 200, 12, 7)
	for name, o := range map[string]BootstrapOptions{"series": {}, "series_and_origins": {OriginBlock: 2}} {
		for _, metric := range []Metric{MASE, EqualBiasWAPE} {
			b.Run(name+"/"+string(metric), func(b *testing.B) {
				for b.Loop() {
					if _, err := Difference(x, y, metric, o); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
