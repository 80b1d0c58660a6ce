package forecast

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Fallback says why a simpler forecast stands in for the model's; "" is none.
type Fallback string

// The reasons.
const (
	NoModel    Fallback = "no_model"      // there is no model: moving average of 28 open days
	StaleModel Fallback = "stale_model"   // the model is too old: the same
	NewProduct Fallback = "new_product"   // sold for less than 12 open days: its mean so far, drawn to that of its category's products
	NoHistory  Fallback = "no_history"    // in the catalogue, and never sold: 0, without intervals
	ShortPast  Fallback = "short_history" // too few days for a category's or the shop's intervals
)

// Line is one row of an outlook: a forecast of a series for a day.
type Line struct {
	Day      Day
	Horizon  int // 1 for the origin itself
	Level    Level
	Series   string
	Category string // of a product; a category's own name
	Target   Target
	Prediction
	Fallback Fallback
}

// Outlook is the forecast of everything from an origin on.
type Outlook struct {
	Origin   Day
	Currency string // of revenue
	// UnitScale is what the means of a category's products in units were multiplied
	// by to add up, by category and day.
	UnitScale map[string][]float64
	// Lines are sorted by level (product, category, shop), series, target and day.
	// Mean adds up: products to their category and to the shop, each day.
	Lines []Line
}

// OutlookOptions say what to predict.
type OutlookOptions struct {
	Calendar Calendar
	Horizon  int        // days
	Model    Forecaster // of products in units; nil if there is none
	Trained  Day        // the first day that the model does not know
	MaxAge   int        // days from Trained to the origin after which the model is stale; 0 is never
	// Catalogue has the category of products that may not have been sold yet.
	Catalogue map[string]string
}

// NewOutlook predicts every product, every category and the shop, in units and
// in revenue, from the first day that the sales do not hold.
//
// Products in units are the model's, or, where it cannot say, a fallback that
// is named in the line. Categories and the shop are Index's, of the products that
// are in a category by now. Means of categories are scaled to the shop's, and
// those of products to their category's. A product's revenue is its units at the
// mean price of the last 48 open days. It is an error if the horizon is longer
// than the model's.
func NewOutlook(ctx context.Context, s *Sales, o OutlookOptions) (*Outlook, error) {
	if o.Horizon < 1 {
		return nil, fmt.Errorf("the horizon is %d days: expected at least 1", o.Horizon)
	}
	if m, ok := o.Model.(*treeFit); ok && o.Horizon > m.Model.Horizon {
		return nil, fmt.Errorf("the horizon is %d days, and the model has learnt %d: train one with --horizon=%d", o.Horizon, m.Model.Horizon, o.Horizon)
	}
	products, err := s.Panel(Product, Units, o.Calendar)
	if err != nil {
		return nil, err
	}
	b := &outlook{options: o, sales: s.inCategories(products), axis: newAxis(products, o.Horizon), out: &Outlook{Origin: products.End, Currency: s.Currency}}
	if err := b.forecastProducts(ctx, products); err != nil {
		return nil, err
	}
	shopUnits, err := b.forecastLevel(ctx, Shop, Units)
	if err != nil {
		return nil, err
	}
	shopRevenue, err := b.forecastLevel(ctx, Shop, Revenue)
	if err != nil {
		return nil, err
	}
	unitsByCategory, err := b.forecastLevel(ctx, Category, Units)
	if err != nil {
		return nil, err
	}
	revenueByCategory, err := b.forecastLevel(ctx, Category, Revenue)
	if err != nil {
		return nil, err
	}
	revenue := b.productRevenue()
	b.out.UnitScale = addUp(b.products, unitsByCategory, shopUnits)
	addUp(revenue, revenueByCategory, shopRevenue)
	for i := range b.products {
		b.add(b.products[i], Units)
		b.add(revenue[i], Revenue)
	}
	for i := range unitsByCategory {
		b.add(unitsByCategory[i], Units)
	}
	for i := range revenueByCategory {
		b.add(revenueByCategory[i], Revenue)
	}
	b.add(shopUnits[0], Units)
	b.add(shopRevenue[0], Revenue)
	b.sort()
	return b.out, nil
}

// outlook builds an Outlook.
type outlook struct {
	options  OutlookOptions
	sales    *Sales
	axis     *axis
	out      *Outlook
	products []path
	prices   []float64 // by product of the panel
}

// path is the forecast of one series.
type path struct {
	level        Level
	id, category string
	row          []Prediction
	fallback     Fallback
}

// forecastProducts fills the paths of products in units.
func (b *outlook) forecastProducts(ctx context.Context, p *Panel) error {
	model, all := b.options.Model, Fallback("")
	switch {
	case model == nil:
		all = NoModel
	case b.options.MaxAge > 0 && int(p.End-b.options.Trained) > b.options.MaxAge:
		all = StaleModel
	}
	if all != "" {
		model = baseline{"moving_average", movingAverage}
	}
	f, err := model.Forecast(ctx, p, b.options.Horizon)
	if err != nil {
		return err
	}
	young := b.youngProducts(p)
	for i := range p.Series {
		s := &p.Series[i]
		next := path{level: Product, id: s.ID, category: s.Category, row: f.Rows[i], fallback: all}
		if values := b.axis.values(s); len(values) < minAge {
			next.row, next.fallback = young.forecast(s.Category, values, b.axis.open), NewProduct
		}
		b.products = append(b.products, next)
		b.prices = append(b.prices, price(b.axis, s))
	}
	for id, category := range b.options.Catalogue {
		if _, sold := slices.BinarySearchFunc(p.Series, id, func(s Series, id string) int { return strings.Compare(s.ID, id) }); sold {
			continue
		}
		row := make([]Prediction, b.options.Horizon)
		for h, open := range b.axis.open {
			if open {
				row[h] = none(0)
			}
		}
		b.products = append(b.products, path{level: Product, id: id, category: category, row: row, fallback: NoHistory})
		b.prices = append(b.prices, 0)
	}
	return nil
}

// price is the mean price of the last 48 open days, or of all; 0 without one.
func price(a *axis, s *Series) float64 {
	var all []float64
	for _, t := range a.days {
		all = append(all, s.Price[t])
	}
	for _, vs := range [][]float64{last(all, 48), all} {
		if m := meanOfKnown(vs); !math.IsNaN(m) {
			return m
		}
	}
	return 0
}

// young forecasts products that are too new for the model.
type young map[string][]float64 // the last 48 open days of all products of a category, sorted

func (b *outlook) youngProducts(p *Panel) young {
	y := young{}
	for i := range p.Series {
		s := &p.Series[i]
		y[s.Category] = append(y[s.Category], last(b.axis.values(s), 48)...)
	}
	for c := range y {
		slices.Sort(y[c])
	}
	return y
}

// categoryWeight is how many days of its own a new product's mean needs to
// count as much as that of its category.
const categoryWeight = 6

func (y young) forecast(category string, values []float64, open []bool) []Prediction {
	usual := y[category]
	n := float64(len(values))
	m := (sum(values) + categoryWeight*mean(usual)) / (n + categoryWeight)
	row := make([]Prediction, len(open))
	for h := range row {
		if open[h] {
			row[h] = none(m).within(bounds{quantile(usual, 0.1), quantile(usual, 0.9), quantile(usual, 0.025), quantile(usual, 0.975)}.around(m))
		}
	}
	return row
}

// forecastLevel asks Index for the categories or the shop.
func (b *outlook) forecastLevel(ctx context.Context, level Level, target Target) ([]path, error) {
	p, err := b.sales.Panel(level, target, b.options.Calendar)
	if err != nil {
		return nil, err
	}
	f, err := Index{}.Forecast(ctx, p, b.options.Horizon)
	if err != nil {
		return nil, err
	}
	paths := make([]path, len(p.Series))
	for i := range p.Series {
		s := &p.Series[i]
		paths[i] = path{level: level, id: s.ID, category: s.Category, row: f.Rows[i]}
		if slices.ContainsFunc(f.Rows[i], func(p Prediction) bool { return math.IsNaN(p.Lower80) }) {
			paths[i].fallback = ShortPast
		}
	}
	return paths, nil
}

// productRevenue is units times price.
func (b *outlook) productRevenue() []path {
	out := slices.Clone(b.products)
	for i := range out {
		row := slices.Clone(out[i].row)
		for h := range row {
			row[h] = row[h].times(b.prices[i])
		}
		out[i].row = row
	}
	return out
}

// times returns the prediction in another unit.
func (p Prediction) times(v float64) Prediction {
	return Prediction{p.Point * v, p.Mean * v, p.Lower80 * v, p.Upper80 * v, p.Lower95 * v, p.Upper95 * v}
}

// addUp scales the means of categories to the shop's of each day, and those of
// products to their category's. A category whose products are not expected to sell
// has mean 0. It returns what products were scaled by, by category and day.
func addUp(products, categories, shop []path) (scale map[string][]float64) {
	scale = map[string][]float64{}
	for h := range shop[0].row {
		expected := map[string]float64{} // of the products of a category
		for i := range products {
			expected[products[i].category] += products[i].row[h].Mean
		}
		total := 0.0
		for i := range categories {
			if expected[categories[i].id] > 0 {
				total += categories[i].row[h].Mean
			}
		}
		for i := range categories {
			m, factor := &categories[i].row[h].Mean, 0.0
			if e := expected[categories[i].id]; e > 0 && total > 0 {
				factor = *m / total * shop[0].row[h].Mean / e
			}
			scale[categories[i].id] = append(scale[categories[i].id], factor)
			*m = 0
		}
		place := map[string]*float64{}
		for i := range categories {
			place[categories[i].id] = &categories[i].row[h].Mean
		}
		all := 0.0
		for i := range products {
			m, sum := &products[i].row[h].Mean, place[products[i].category]
			if sum == nil { // a category without a sale
				*m = 0
				continue
			}
			*m *= scale[products[i].category][h]
			*sum += *m
			all += *m
		}
		shop[0].row[h].Mean = all
	}
	return scale
}

// inCategories returns the sales as if each product had always been in the
// category that it is in now.
func (s *Sales) inCategories(products *Panel) *Sales {
	now := map[string]string{}
	for i := range products.Series {
		now[products.Series[i].ID] = products.Series[i].Category
	}
	out := *s
	out.Rows = slices.Clone(s.Rows)
	for i := range out.Rows {
		if c, ok := now[out.Rows[i].Product]; ok {
			out.Rows[i].Category = c
		}
	}
	return &out
}

func (b *outlook) add(p path, target Target) {
	for h, prediction := range p.row {
		b.out.Lines = append(b.out.Lines, Line{
			Day: b.out.Origin + Day(h), Horizon: h + 1, Level: p.level, Series: p.id, Category: p.category, Target: target,
			Prediction: prediction, Fallback: p.fallback,
		})
	}
}

func (b *outlook) sort() {
	slices.SortFunc(b.out.Lines, func(x, y Line) int {
		if c := slices.Index(levels, x.Level) - slices.Index(levels, y.Level); c != 0 {
			return c
		}
		if c := strings.Compare(x.Series, y.Series); c != 0 {
			return c
		}
		if c := -strings.Compare(string(x.Target), string(y.Target)); c != 0 { // units first
			return c
		}
		return int(x.Day - y.Day)
	})
}

var levels = []Level{Product, Category, Shop}
