package score

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// BootstrapOptions say how Difference draws.
type BootstrapOptions struct {
	Resamples  int     // 0: 1000
	Seed       uint64  // the same seed and cells give the same interval
	Confidence float64 // between 0 and 1; 0: .90

	// OriginBlock above 0 draws origins too, in circular blocks of so many
	// consecutive ones (Politis & Romano 1992), independently of the series. The
	// interval then also holds for other weeks, where 0 speaks of these weeks
	// only. It is wider, and rough with fewer than about ten origins.
	OriginBlock int
}

// Interval is the difference of a metric between two models, with the bounds
// that the bootstrap gives it. In JSON NaN is null.
type Interval struct {
	Metric     Metric
	A, B       float64 // the metric of the first and of the second model
	Difference float64 // A − B: below 0, the first is better
	Lower      float64 // bounds of the difference; NaN where chance cannot be told
	Upper      float64
	Confidence float64
	Resamples  int // 0 where there was nothing to draw from
	Undefined  int // resamples left out because the metric was undefined in them
}

// Better says that the first model is better beyond what chance explains: the
// whole interval is below 0.
func (i Interval) Better() bool { return i.Upper < 0 }

// Worse says that the first model is worse beyond what chance explains.
func (i Interval) Worse() bool { return i.Lower > 0 }

// MarshalJSON writes metric, a, b, difference, lower, upper, confidence,
// resamples and undefined; NaN as null.
func (i Interval) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Metric     Metric          `json:"metric"`
		A          json.RawMessage `json:"a"`
		B          json.RawMessage `json:"b"`
		Difference json.RawMessage `json:"difference"`
		Lower      json.RawMessage `json:"lower"`
		Upper      json.RawMessage `json:"upper"`
		Confidence float64         `json:"confidence"`
		Resamples  int             `json:"resamples"`
		Undefined  int             `json:"undefined"`
	}{
		i.Metric, jsonNumber(i.A), jsonNumber(i.B), jsonNumber(i.Difference), jsonNumber(i.Lower), jsonNumber(i.Upper),
		i.Confidence, i.Resamples, i.Undefined,
	})
}

// Difference compares two models on the same cells by a metric in which lower is
// better. Its interval is that of a paired bootstrap by percentiles (Efron &
// Tibshirani 1993, ch. 13): whole series are drawn with replacement, each with
// all its origins and days, since a series' errors hang together, and both
// models are scored on the same draw. The metric is computed anew on each draw;
// for EqualBiasWAPE so is each model's factor. A single series can only be drawn
// again and again, which says nothing about chance: its bounds are NaN unless
// origins are drawn too. Of few series, fewer than about 20, they are too narrow.
//
// It returns an error if a side has no cell, cells of two models or one that
// Check rejects, or if the sides differ in series, origins, days or actuals.
func Difference(a, b []Cell, metric Metric, o BootstrapOptions) (Interval, error) {
	if err := o.setDefaults(); err != nil {
		return Interval{}, err
	}
	if !slices.Contains(losses, metric) {
		return Interval{}, fmt.Errorf("score: cannot compare by %q, expected a metric in which lower is better: one of %v", metric, losses)
	}
	left, right, err := align(a, b)
	if err != nil {
		return Interval{}, err
	}
	units := newPool(left, right, o.OriginBlock > 0)
	values := func(weights []float64) (float64, float64) {
		return units.value(0, metric, weights), units.value(1, metric, weights)
	}
	out := Interval{Metric: metric, Confidence: o.Confidence}
	weights := slices.Repeat([]float64{1}, len(units.series))
	out.A, out.B = values(weights)
	out.Difference = out.A - out.B
	out.Lower, out.Upper = math.NaN(), math.NaN()
	if len(units.series) < 2 {
		return out, nil
	}
	out.Resamples = o.Resamples
	draws := rand.New(rand.NewPCG(o.Seed, 0))
	differences := make([]float64, 0, o.Resamples)
	for range o.Resamples {
		units.draw(draws, o.OriginBlock, weights)
		x, y := values(weights)
		if d := x - y; math.IsNaN(d) {
			out.Undefined++
		} else {
			differences = append(differences, d)
		}
	}
	slices.Sort(differences)
	out.Lower = quantile(differences, (1-o.Confidence)/2)
	out.Upper = quantile(differences, (1+o.Confidence)/2)
	return out, nil
}

func (o *BootstrapOptions) setDefaults() error {
	o.Resamples = cmp.Or(o.Resamples, 1000)
	o.Confidence = cmp.Or(o.Confidence, .90)
	switch {
	case o.Resamples < 1:
		return fmt.Errorf("score: %d bootstrap resamples, expected at least 1: use 1000", o.Resamples)
	case !(o.Confidence > 0 && o.Confidence < 1):
		return fmt.Errorf("score: a confidence of %v, expected a share between 0 and 1, such as .90", o.Confidence)
	case o.OriginBlock < 0:
		return fmt.Errorf("score: blocks of %d origins, expected 0 (origins are not drawn) or more", o.OriginBlock)
	}
	return nil
}

// align returns the cells of both sides in one order, the same forecast at the
// same place.
func align(a, b []Cell) (left, right []*Cell, err error) {
	for i, side := range [][]Cell{a, b} {
		if len(side) == 0 {
			return nil, nil, fmt.Errorf("score: the %s model has no cell, expected those of its backtest", [...]string{"first", "second"}[i])
		}
		if err := Check(side); err != nil {
			return nil, nil, err
		}
	}
	left, right = inOrder(a), inOrder(b)
	for _, side := range [][]*Cell{left, right} {
		if first, last := side[0].Model, side[len(side)-1].Model; first != last {
			return nil, nil, fmt.Errorf("score: one side has cells of %q and of %q, expected one model: pick its cells before", first, last)
		}
	}
	for i := range max(len(left), len(right)) {
		if i == len(right) || i < len(left) && compareForecasts(left[i], right[i]) < 0 {
			return nil, nil, unmatched(left[i], right[0].Model)
		}
		if i == len(left) || compareForecasts(left[i], right[i]) > 0 {
			return nil, nil, unmatched(right[i], left[0].Model)
		}
		if x, y := left[i], right[i]; x.Actual != y.Actual || x.Open != y.Open || x.Scale != y.Scale || x.ScaleSquared != y.ScaleSquared {
			return nil, nil, fmt.Errorf("score: %s: actual, open and scales are %v, %v, %v, %v, and %v, %v, %v, %v for model %q: score both against the same outcomes",
				x.where(), x.Actual, x.Open, x.Scale, x.ScaleSquared, y.Actual, y.Open, y.Scale, y.ScaleSquared, y.Model)
		}
	}
	return left, right, nil
}

func compareForecasts(a, b *Cell) int {
	return cmp.Or(strings.Compare(a.Series, b.Series), cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Day, b.Day))
}

func unmatched(c *Cell, other string) error {
	return fmt.Errorf("score: %s: model %q has no cell for it: compare both on the same series, origins and days", c.where(), other)
}

// pool is what resamples are drawn from: units that are drawn as a whole, each a
// series or, where origins are drawn too, a series at an origin.
type pool struct {
	series, origin      []int // of each unit, counted from 0
	nSeries, nOrigins   int
	totals              [2][]totals // of each model and unit
	starts              []int       // of each unit's cells in the three below, and the end
	actuals             []float64
	points              [2][]float64
	ofSeries, ofOrigins []float64 // how often the last draw has each
}

func newPool(left, right []*Cell, byOrigin bool) *pool {
	p := &pool{starts: []int{0}, nOrigins: 1}
	originIndex := map[int32]int{}
	if byOrigin {
		p.nOrigins = 0
		for _, c := range slices.SortedFunc(slices.Values(left), func(a, b *Cell) int { return cmp.Compare(a.Origin, b.Origin) }) {
			if _, ok := originIndex[c.Origin]; !ok {
				originIndex[c.Origin] = p.nOrigins
				p.nOrigins++
			}
		}
	}
	for start := 0; start < len(left); {
		end := start + 1
		for end < len(left) && left[end].Series == left[start].Series && (!byOrigin || left[end].Origin == left[start].Origin) {
			end++
		}
		if start == 0 || left[start].Series != left[start-1].Series {
			p.nSeries++
		}
		p.series = append(p.series, p.nSeries-1)
		p.origin = append(p.origin, originIndex[left[start].Origin])
		p.totals[0] = append(p.totals[0], totalsOf(left[start:end]))
		p.totals[1] = append(p.totals[1], totalsOf(right[start:end]))
		p.starts = append(p.starts, end)
		start = end
	}
	for i := range left {
		p.actuals = append(p.actuals, left[i].Actual)
		p.points[0] = append(p.points[0], left[i].Point)
		p.points[1] = append(p.points[1], right[i].Point)
	}
	p.ofSeries, p.ofOrigins = make([]float64, p.nSeries), make([]float64, p.nOrigins)
	return p
}

// draw sets how often each unit is in the next resample.
func (p *pool) draw(r *rand.Rand, block int, weights []float64) {
	clear(p.ofSeries)
	for range p.nSeries {
		p.ofSeries[r.IntN(p.nSeries)]++
	}
	clear(p.ofOrigins)
	if block == 0 {
		p.ofOrigins[0] = 1
	} else {
		for drawn := 0; drawn < p.nOrigins; {
			first := r.IntN(p.nOrigins)
			for i := 0; i < block && drawn < p.nOrigins; i++ {
				p.ofOrigins[(first+i)%p.nOrigins]++
				drawn++
			}
		}
	}
	for i := range weights {
		weights[i] = p.ofSeries[p.series[i]] * p.ofOrigins[p.origin[i]]
	}
}

// value returns a model's metric on the units, each as often as its weight says.
func (p *pool) value(model int, metric Metric, weights []float64) float64 {
	var t totals
	for i, w := range weights {
		if w > 0 {
			t.addWeighted(&p.totals[model][i], w)
		}
	}
	if metric == EqualBiasWAPE {
		return p.equalBiasWAPE(model, &t, weights)
	}
	value, _ := t.metrics().Value(metric)
	return value
}

func (p *pool) equalBiasWAPE(model int, t *totals, weights []float64) float64 {
	factor := equalBiasFactor(t)
	if math.IsNaN(factor) {
		return factor
	}
	total := 0.
	for i, w := range weights {
		if w == 0 {
			continue
		}
		from, to := p.starts[i], p.starts[i+1]
		actuals, errors := p.actuals[from:to], 0.
		for k, f := range p.points[model][from:to] {
			errors += math.Abs(factor*f - actuals[k])
		}
		total += w * errors
	}
	return total / t[actuals]
}

// quantile interpolates between order statistics (Hyndman & Fan 1996, type 7).
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
