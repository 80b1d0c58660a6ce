package scoring

import (
	"errors"
	"fmt"
	"slices"

	"example.com/shopstream/ml/forecast"
)

// Axis is the days that all series of a shop share. Days are business days in
// the shop's time zone.
type Axis struct {
	Start   forecast.Day
	Open    []bool         // for each day from Start on, whether anything was sold in the shop
	Country string         // of the calendar; see forecast.NewCalendar
	Closed  []forecast.Day // days that the shop says it is, or was, closed
}

// maxDays bounds the axis: 200 years.
const maxDays = 200 * 366

// AxisOf returns the axis of a panel.
func AxisOf(p *forecast.Panel) Axis {
	return Axis{Start: p.Start, Open: slices.Clone(p.Sold), Country: p.Calendar.Country(), Closed: p.Calendar.Given()}
}

// End is the first day that is not known: the first that is forecast.
func (a Axis) End() forecast.Day {
	return a.Start + forecast.Day(len(a.Open)) //nolint:gosec // at most maxDays
}

// panel is a panel of the axis without series.
func (a Axis) panel() (*forecast.Panel, error) {
	if len(a.Open) == 0 {
		return nil, errors.New("the axis has no days: expected those from the shop's first sale on")
	}
	if len(a.Open) > maxDays {
		return nil, fmt.Errorf("the axis has %d days: more than %d, is a date wrong?", len(a.Open), maxDays)
	}
	calendar, err := forecast.NewCalendar(a.Country, a.Closed)
	if err != nil {
		return nil, err
	}
	return &forecast.Panel{Start: a.Start, End: a.End(), Calendar: calendar, Sold: a.Open}, nil
}
