package forecast

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// WhatIf is a product's forecast if its price were another one.
type WhatIf struct {
	Category string
	Price    float64      // that stands: the last one
	Base     []Prediction // with it, by day
	Changed  []Prediction // with the other price
	LowPrice float64      // the lowest and the highest price that the product was sold at:
	TopPrice float64      // beyond them the model extrapolates
}

// Pricer is a Forecaster that has learnt from prices.
type Pricer interface {
	// Prices prepares questions about the panel's series.
	Prices(ctx context.Context, p *Panel, horizon int) (*Prices, error)
}

// Prices answers what would be sold at other prices. It is safe for concurrent
// use.
type Prices struct {
	fit    *treeFit
	axis   *axis
	cells  *cells
	groups []standing
	member []int // group of each series
}

// standing is where the forecasts of a group stand.
type standing struct {
	*group
	taus  taus
	scale []float64
}

// Prices implements Pricer.
func (f *treeFit) Prices(ctx context.Context, p *Panel, horizon int) (*Prices, error) {
	q := &Prices{fit: f, axis: newAxis(p, horizon), member: make([]int, len(p.Series))}
	var err error
	if q.cells, err = f.cells(ctx, q.axis, nil); err != nil {
		return nil, err
	}
	for _, members := range groups(p) {
		g := newGroup(f.Model, q.axis, members, q.cells)
		for _, i := range members {
			q.member[i] = len(q.groups)
		}
		q.groups = append(q.groups, standing{g, g.taus(), g.scale()})
	}
	return q, nil
}

// WhatIf forecasts one product with another price from the end of the panel on,
// all else equal: the quantiles that its group's forecasts stand at stay. It is
// an error if the panel does not hold the series, or the price is not above 0.
func (q *Prices) WhatIf(ctx context.Context, id string, price float64) (*WhatIf, error) {
	if !(price > 0) || math.IsInf(price, 0) {
		return nil, fmt.Errorf("the price is %v: expected a number above 0", price)
	}
	p := q.axis.panel
	place, found := slices.BinarySearchFunc(p.Series, id, func(s Series, id string) int { return strings.Compare(s.ID, id) })
	if !found {
		return nil, fmt.Errorf("the product %q has never been sold: there is nothing to forecast it from", id)
	}
	known := slices.DeleteFunc(slices.Clone(p.Series[place].Price), math.IsNaN)
	if len(known) == 0 {
		return nil, fmt.Errorf("the product %q has never been sold in %s: it has no price", id, p.Currency)
	}
	alone, axis := *p, *q.axis
	alone.Series = p.Series[place : place+1]
	axis.panel = &alone
	cells, err := q.fit.cells(ctx, &axis, map[string]float64{id: price})
	if err != nil {
		return nil, err
	}
	at := q.groups[q.member[place]]
	return &WhatIf{
		Category: p.Series[place].Category, Price: known[len(known)-1], LowPrice: slices.Min(known), TopPrice: slices.Max(known),
		Base: at.row(place, at.taus, at.scale), Changed: newGroup(q.fit.Model, &axis, []int{0}, cells).row(0, at.taus, at.scale),
	}, nil
}
