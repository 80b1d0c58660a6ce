package forecast

import (
	"context"
	"fmt"
	"slices"
)

// Batch forecasts the series of a shop in steps, for series that are too many
// for one process. Each step sees a part of them, and hands on little:
//
//  1. Drafts says of each series what does not depend on others.
//  2. The caller ranks the series by their sums into groups (see GroupRanks), and
//     adds up each group's GroupTotals.
//  3. Solve finds where a group's forecasts stand.
//  4. Finish turns a series' draft into its forecast.
//
// No step needs the cells of a group in one place. A cell's quantile is linear in
// τ between the fitted quantiles, and so is the sum over cells, with the same
// knots: the τ of a group follows from its sums at the knots alone.
//
// The forecasts are those of the model's Forecast. Where the totals are exact,
// they do not depend on how the series were divided; Forecast rounds its sums
// term by term, so that means may differ in the last digits.
//
// A Batch is safe for concurrent use.
type Batch struct {
	fit  *treeFit
	axis *axis
}

// NewBatch prepares forecasts for the horizon days from the panel's end. Of the
// panel, Start, End, Calendar and Sold are used: which days were open. It is an
// error if the model is not fitted by Trees, or has features that look at other
// series.
func NewBatch(f Forecaster, shop *Panel, horizon int) (*Batch, error) {
	if horizon < 1 {
		return nil, fmt.Errorf("the horizon is %d days: expected at least 1", horizon)
	}
	if len(shop.Sold) != shop.Days() {
		return nil, fmt.Errorf("the shop has %d days of which it is known whether it sold: expected one for each of the %d days from %v to %v", len(shop.Sold), shop.Days(), shop.Start, shop.End)
	}
	fit, ok := f.(*treeFit)
	if !ok {
		return nil, fmt.Errorf("a model of type %T has no steps to forecast in: expected one of the kind %s", f, Trees{}.Name())
	}
	for _, feature := range fit.Model.Features {
		if feature.name == "category_mean" {
			return nil, fmt.Errorf("the model has the feature %s, which looks at other series: forecast all series at once, or train a model without it", feature)
		}
	}
	alone := *shop
	alone.Series = nil
	return &Batch{fit: fit, axis: newAxis(&alone, horizon)}, nil
}

// Origin is the first day that is forecast.
func (b *Batch) Origin() Day { return b.axis.panel.End }

// Open says of each day of the horizon whether the shop is open.
func (b *Batch) Open() []bool { return slices.Clone(b.axis.open) }

// OpenDays returns the indices of the past open days, in order.
func (b *Batch) OpenDays() []int { return slices.Clone(b.axis.days) }

// Knots is how many quantiles the point is solved between.
const Knots = pointTo - pointFrom

// Draft is the forecast of a series as far as it does not depend on others.
type Draft struct {
	// Short tells that the series has been sold for less than 12 open days, of
	// which the model has learnt nothing.
	Short bool
	Days  []DraftDay // of the horizon; zero on closed days
}

// DraftDay is a day of a Draft.
type DraftDay struct {
	Points [Knots]float64 // at the quantiles that the point lies between, increasing
	Mean   float64        // before it is scaled to the group's total
	// The ends of the intervals, before they are widened to hold the point.
	Lower80, Upper80, Lower95, Upper95 float64
}

// Drafts returns the drafts of some series. It is an error if one has not a value
// for each day, or was first sold after the last one.
func (b *Batch) Drafts(ctx context.Context, series []Series) ([]Draft, error) {
	days := b.axis.panel.Days()
	for i := range series {
		s := &series[i]
		if len(s.Y) != days || len(s.Orders) != days || len(s.Price) != days || s.First < 0 || s.First >= days {
			return nil, fmt.Errorf("the series %q has %d values, %d orders and %d prices from its day %d on: expected %d of each, and a sale", s.ID, len(s.Y), len(s.Orders), len(s.Price), s.First, days)
		}
	}
	a := b.axis.with(series)
	cells, err := b.fit.cells(ctx, a, nil)
	if err != nil {
		return nil, err
	}
	all := make([]int, len(series))
	for i := range all {
		all[i] = i
	}
	g := newGroup(b.fit.Model, a, all, cells)
	horizon := len(a.ahead)
	drafts, flat := make([]Draft, len(series)), make([]DraftDay, len(series)*horizon)
	for i := range drafts {
		drafts[i] = Draft{Short: len(a.values(&series[i])) < minAge, Days: flat[i*horizon : (i+1)*horizon]}
		for h, open := range a.open {
			if !open {
				continue
			}
			c, d := i*horizon+h, &drafts[i].Days[h]
			for q := range g.points {
				d.Points[q] = g.points[q][c]
			}
			d.Mean = cells.mean(c)
			e := cells.bounds(i, c)
			d.Lower80, d.Upper80, d.Lower95, d.Upper95 = e.lower80, e.upper80, e.lower95, e.upper95
		}
	}
	return drafts, nil
}

// with returns the axis for other series of the same shop.
func (a *axis) with(series []Series) *axis {
	panel, other := *a.panel, *a
	panel.Series = series
	other.panel = &panel
	return &other
}

// GroupRanks are the first ranks, counted from 0, of each group but the first.
// Series rank by falling sum of Y over all days, equal ones by ID.
func GroupRanks() []int { return slices.Clone(groupRanks) }

// GroupTotals are the sums over the series of a group.
type GroupTotals struct {
	Past   []float64        // of Y, by past open day
	Points [][Knots]float64 // of DraftDay.Points, by day of the horizon
	Means  []float64        // of DraftDay.Mean, likewise
}

// Solution is where the forecasts of a group stand.
type Solution struct {
	Tau   float64   // the quantile of the point at which the horizon has its total
	Taus  []float64 // likewise of each day; 0 on closed ones
	Scale []float64 // of the means, by day
}

// Solve finds where the forecasts of a group stand.
func (b *Batch) Solve(t GroupTotals) (Solution, error) {
	horizon := len(b.axis.ahead)
	if len(t.Past) != len(b.axis.days) || len(t.Points) != horizon || len(t.Means) != horizon {
		return Solution{}, fmt.Errorf("the totals of a group are of %d past days and %d, %d ahead: expected %d and %d", len(t.Past), len(t.Points), len(t.Means), len(b.axis.days), horizon)
	}
	// The group is one series to the total's forecast.
	whole := Series{Y: make([]float64, b.axis.panel.Days())}
	for k, day := range b.axis.days {
		whole.Y[day] = t.Past[k]
	}
	level := totalAhead(b.axis.with([]Series{whole}), []int{0})
	s := Solution{Taus: make([]float64, horizon), Scale: make([]float64, horizon)}
	share := b.fit.Model.LevelShare
	var week [Knots]float64
	for h, open := range b.axis.open {
		if !open {
			continue
		}
		s.Taus[h] = solve(cellOf(t.Points[h]), []int{0}, share*level[h])
		if t.Means[h] > 0 {
			s.Scale[h] = level[h] / t.Means[h]
		}
		for q, sum := range t.Points[h] {
			week[q] += sum
		}
	}
	s.Tau = solve(cellOf(week), []int{0}, share*sum(level))
	return s, nil
}

// cellOf is a single cell, by quantile, as between looks at it.
func cellOf(points [Knots]float64) [][]float64 {
	cell := make([][]float64, Knots)
	for q := range cell {
		cell[q] = points[q : q+1]
	}
	return cell
}

// Finish returns the forecast of a series, by day of the horizon. The draft and
// the solution are of this Batch.
func (b *Batch) Finish(d Draft, s Solution) ([]Prediction, error) {
	horizon := len(b.axis.ahead)
	if len(d.Days) != horizon || len(s.Taus) != horizon || len(s.Scale) != horizon {
		return nil, fmt.Errorf("a draft of %d days, and a solution of %d and %d: expected %d of each", len(d.Days), len(s.Taus), len(s.Scale), horizon)
	}
	row := make([]Prediction, horizon)
	for h, open := range b.axis.open {
		if !open {
			continue
		}
		day := &d.Days[h]
		cell := cellOf(day.Points)
		point := (between(cell, 0, s.Tau) + between(cell, 0, s.Taus[h])) / 2
		ends := bounds{day.Lower80, day.Upper80, day.Lower95, day.Upper95}
		row[h] = Prediction{Point: point, Mean: day.Mean * s.Scale[h]}.within(ends.around(point))
	}
	return row, nil
}
