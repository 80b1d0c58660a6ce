package score

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Cell is one forecast of one series for one day, compared with what happened.
type Cell struct {
	Model   string // name of the model
	Series  string // what was forecast: a product, a category, the shop
	Segment string // group of the series, for example by its demand

	Origin  int32 // first day that was forecast, as days since 1970-01-01; only data before it was known
	Day     int32 // the day of the forecast, likewise; not before Origin
	Horizon int   // place of Day in the forecast: 1 is Origin itself

	Actual float64 // what happened, in the target's unit a day
	Point  float64 // the forecast that errors are taken of, usually a quantile
	Mean   float64 // the forecast of the expected value; NaN: none

	// Bounds of the 80 % and the 95 % interval, inclusive; NaN: none. They are
	// the quantiles .1 and .9, .025 and .975 of the forecast.
	Lower80, Upper80, Lower95, Upper95 float64

	// Open says that the shop was open on Day. Closed days count in errors, not
	// in coverage, interval score and pinball loss.
	Open bool

	// Scale and ScaleSquared are the mean absolute and the mean squared error of
	// the seasonal naive forecast y(t−7) on the series' own days before Origin,
	// the divisors of MASE and RMSSE. 0: none.
	Scale, ScaleSquared float64
}

// DateOf returns a day since 1970-01-01 as "2006-01-02".
func DateOf(day int32) string {
	return time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly)
}

// Check returns an error for the first cell that would spoil a score: an actual
// or point that is no finite number, a mean or bound that is infinite, bounds
// that cross, half an interval, a negative scale, a day before its origin, or
// two cells for the same model, series, origin and day. Scale and segment must
// be the same for all days of a series and origin.
func Check(cells []Cell) error {
	sorted := inOrder(cells)
	for i, c := range sorted {
		if problem := problemOf(c); problem != "" {
			return fmt.Errorf("score: %s: %s", c.where(), problem)
		}
		if i == 0 {
			continue
		}
		p := sorted[i-1]
		if !sameRun(p, c) {
			continue
		}
		switch {
		case p.Day == c.Day:
			return fmt.Errorf("score: %s: there are two cells for it, expected one: score each forecast once", c.where())
		case p.Scale != c.Scale || p.ScaleSquared != c.ScaleSquared:
			return fmt.Errorf("score: %s: the scale is %v (squared %v), the day before it in the same forecast has %v (%v): compute it once a series and origin",
				c.where(), c.Scale, c.ScaleSquared, p.Scale, p.ScaleSquared)
		case p.Segment != c.Segment:
			return fmt.Errorf("score: %s: the segment is %q, the day before it in the same forecast has %q: choose it once a series and origin", c.where(), c.Segment, p.Segment)
		}
	}
	return nil
}

func problemOf(c *Cell) string {
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	half := func(a, b float64) bool { return math.IsNaN(a) != math.IsNaN(b) }
	switch {
	case !finite(c.Actual):
		return fmt.Sprintf("the actual is %v, expected a finite number: leave days out whose actual is unknown", c.Actual)
	case !finite(c.Point):
		return fmt.Sprintf("the point forecast is %v, expected a finite number: a model must give one for each day", c.Point)
	case slices.ContainsFunc([]float64{c.Mean, c.Lower80, c.Upper80, c.Lower95, c.Upper95}, func(v float64) bool { return math.IsInf(v, 0) }):
		return fmt.Sprintf("mean %v, 80 %% interval [%v, %v] or 95 %% interval [%v, %v] is infinite: use NaN for none",
			c.Mean, c.Lower80, c.Upper80, c.Lower95, c.Upper95)
	case half(c.Lower80, c.Upper80) || half(c.Lower95, c.Upper95):
		return fmt.Sprintf("an interval has one bound only, 80 %%: [%v, %v], 95 %%: [%v, %v]: give both or neither", c.Lower80, c.Upper80, c.Lower95, c.Upper95)
	case c.Lower80 > c.Upper80 || c.Lower95 > c.Upper95 || c.Lower95 > c.Lower80 || c.Upper80 > c.Upper95:
		return fmt.Sprintf("the bounds cross, 80 %%: [%v, %v], 95 %%: [%v, %v]: order them before scoring", c.Lower80, c.Upper80, c.Lower95, c.Upper95)
	case !finite(c.Scale) || !finite(c.ScaleSquared) || c.Scale < 0 || c.ScaleSquared < 0:
		return fmt.Sprintf("the scale is %v (squared %v), expected a number from 0 on: use 0 where there is none", c.Scale, c.ScaleSquared)
	case c.Day < c.Origin:
		return "the day is before the origin: that day was known when the forecast was made"
	}
	return ""
}

func (c *Cell) where() string {
	return fmt.Sprintf("model %q, series %q, origin %s, day %s", c.Model, c.Series, DateOf(c.Origin), DateOf(c.Day))
}

// sameRun says whether two cells belong to one forecast: a model's for a series
// from an origin. MASE and RMSSE are means over these.
func sameRun(a, b *Cell) bool {
	return a.Origin == b.Origin && a.Series == b.Series && a.Model == b.Model
}

// inOrder returns the cells sorted by model, series, origin and day. Cells that
// are the same in these go by their values, so that the order of the argument
// cannot change a sum.
func inOrder(cells []Cell) []*Cell {
	sorted := make([]*Cell, len(cells))
	for i := range cells {
		sorted[i] = &cells[i]
	}
	slices.SortFunc(sorted, func(a, b *Cell) int {
		if n := compareRuns(a, b); n != 0 {
			return n
		}
		if n := cmp.Compare(a.Day, b.Day); n != 0 {
			return n
		}
		return compareValues(a, b)
	})
	return sorted
}

func compareRuns(a, b *Cell) int {
	if n := strings.Compare(a.Model, b.Model); n != 0 {
		return n
	}
	if n := strings.Compare(a.Series, b.Series); n != 0 {
		return n
	}
	return cmp.Compare(a.Origin, b.Origin)
}

func compareValues(a, b *Cell) int {
	left, right := a.values(), b.values()
	return slices.Compare(left[:], right[:]) // NaN is below all numbers
}

func (c *Cell) values() [9]float64 {
	return [...]float64{c.Actual, c.Point, c.Mean, c.Lower80, c.Upper80, c.Lower95, c.Upper95, c.Scale, c.ScaleSquared}
}
