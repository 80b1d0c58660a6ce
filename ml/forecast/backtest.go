package forecast

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"example.com/shopstream/ml/score"
)

// Backtest says which forecasts to make as if their days were not known yet.
type Backtest struct {
	// Origins are the first days of the forecasts (rolling origins), in order. A
	// model sees the days before its origin only.
	Origins []Day
	Horizon int
	Models  []Model
	// Refit fits each model at every origin. Without it the models are fitted at
	// the first one, and forecast from all.
	Refit bool
	// Report, if not nil, is told of each forecast that is about to be made.
	Report func(done, total int, model string, origin Day)
}

// Result is what a backtest gives.
type Result struct {
	Cells []score.Cell // all models, origins, series and days
	// Fitted are the models as they were fitted last.
	Fitted map[string]Forecaster
}

// LastOrigins returns n origins a horizon apart, the last of which ends with the
// panel.
func LastOrigins(p *Panel, n, horizon int) []Day {
	origins := make([]Day, n)
	for i := range origins {
		origins[i] = p.End - Day((n-i)*horizon)
	}
	return origins
}

// minHistory is the least number of days before an origin.
const minHistory = 28

// Run makes the forecasts. Series that had not sold before an origin are left
// out of it.
func (b Backtest) Run(ctx context.Context, p *Panel) (*Result, error) {
	if len(b.Origins) == 0 || b.Horizon < 1 || len(b.Models) == 0 {
		return nil, fmt.Errorf("a backtest needs at least one origin, one day of horizon and one model, but has %d, %d and %d", len(b.Origins), b.Horizon, len(b.Models))
	}
	for i, o := range b.Origins {
		switch {
		case i > 0 && o <= b.Origins[i-1]:
			return nil, fmt.Errorf("the origin %v does not come after %v", o, b.Origins[i-1])
		case o-p.Start < minHistory:
			return nil, tooLittle("there are %d days before the origin %v, and a backtest needs %d: use fewer origins, or import more history", max(0, o-p.Start), o, minHistory)
		case o+Day(b.Horizon) > p.End:
			return nil, fmt.Errorf("the forecast from %v ends after %v, the last day that is known: use an earlier origin", o, p.End-1)
		}
	}
	r := &Result{Fitted: map[string]Forecaster{}}
	fitted := make([]Forecaster, len(b.Models))
	for i, origin := range b.Origins {
		seen := p.Before(origin)
		truth := newTruth(p, seen, b.Horizon)
		for m, model := range b.Models {
			if b.Report != nil {
				b.Report(i*len(b.Models)+m, len(b.Origins)*len(b.Models), model.Name(), origin)
			}
			if fitted[m] == nil || b.Refit {
				var err error
				if fitted[m], err = model.Fit(ctx, seen); err != nil {
					return nil, fmt.Errorf("fit %s before %v: %w", model.Name(), origin, err)
				}
			}
			f, err := fitted[m].Forecast(ctx, seen, b.Horizon)
			if err != nil {
				return nil, fmt.Errorf("forecast %s from %v: %w", model.Name(), origin, err)
			}
			r.Fitted[model.Name()] = fitted[m]
			r.Cells = truth.compare(r.Cells, model.Name(), f)
		}
	}
	return r, nil
}

// truth is what happened in the horizon of one origin.
type truth struct {
	seen     *Panel
	actual   [][]float64 // by series of seen, and day
	open     []bool      // by day
	segments []string
	scales   []scale
}

type scale struct{ absolute, squared float64 }

func newTruth(p, seen *Panel, horizon int) *truth {
	t := &truth{seen: seen, open: make([]bool, horizon), segments: Segments(seen), scales: make([]scale, len(seen.Series))}
	from := int(seen.End - p.Start)
	for h := range t.open {
		t.open[h] = p.Sold[from+h]
	}
	all := map[string]*Series{}
	for i := range p.Series {
		all[p.Series[i].ID] = &p.Series[i]
	}
	for i := range seen.Series {
		s := &seen.Series[i]
		t.actual = append(t.actual, all[s.ID].Y[from:from+horizon])
		t.scales[i] = naiveErrors(s)
	}
	return t
}

// naiveErrors are the mean absolute and squared errors of the seasonal naive
// forecast with lag 7 over the series' own days, the scales of MASE and RMSSE.
func naiveErrors(s *Series) scale {
	y := s.Y[s.First:]
	var absolute, squared float64
	for t := 7; t < len(y); t++ {
		e := y[t] - y[t-7]
		absolute += math.Abs(e)
		squared += e * e
	}
	n := float64(max(1, len(y)-7))
	return scale{absolute / n, squared / n}
}

func (t *truth) compare(cells []score.Cell, model string, f *Forecast) []score.Cell {
	for i := range t.seen.Series {
		for h, p := range f.Rows[i] {
			cells = append(cells, score.Cell{
				Model: model, Series: t.seen.Series[i].ID, Segment: t.segments[i],
				Origin: int32(f.Origin), Day: int32(f.Origin) + int32(h), Horizon: h + 1, //nolint:gosec // a horizon is short
				Actual: t.actual[i][h], Point: p.Point, Mean: p.Mean,
				Lower80: p.Lower80, Upper80: p.Upper80, Lower95: p.Lower95, Upper95: p.Upper95,
				Open: t.open[h], Scale: t.scales[i].absolute, ScaleSquared: t.scales[i].squared,
			})
		}
	}
	return cells
}

// The segments of demand.
const (
	Low    = "low"
	Middle = "middle"
	High   = "high"
)

// segmentDays are the open days over which demand is measured to tell segments.
const segmentDays = 48

// Segments returns, for each series, the third that it is in by its mean over
// the last 48 open days: low, middle or high demand. Equal ones go by name.
func Segments(p *Panel) []string {
	a := newAxis(p, 0)
	means := make([]float64, len(p.Series))
	order := make([]int, len(p.Series))
	for i := range p.Series {
		order[i], means[i] = i, mean(last(a.values(&p.Series[i]), segmentDays))
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(means[i], means[j]) })
	segments := make([]string, len(order))
	for place, i := range order {
		segments[i] = [...]string{Low, Middle, High}[place*3/len(order)]
	}
	return segments
}
