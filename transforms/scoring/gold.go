package scoring

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"

	"cloud.google.com/go/civil"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/cespare/xxhash/v2"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/ml/forecast"
)

func init() {
	beam.RegisterDoFn(&salesFn{})
	beam.RegisterDoFn(&seriesFn{})
}

const (
	dailySales      = "daily_sales"
	categoryRevenue = "category_revenue"
)

// Gold is the part of a lake's gold that series are made from.
type Gold struct {
	Lake     string         // URI, as workers see it
	Currency string         // of prices
	Axis     Axis           // of the shop
	Days     []forecast.Day // those with a file of daily_sales
	Shards   int            // how many parts the products are divided into; 0 is 256
}

// PlanGold finds out which complete days gold has, and on which of them the shop
// was open. It reads category_revenue, a few rows a day, however many products
// there are. The currency is that of prices; "" is the one with the largest
// revenue.
func PlanGold(ctx context.Context, st lake.Store, currency string, calendar forecast.Calendar) (Gold, error) {
	g := Gold{Lake: st.URI(), Currency: currency}
	publications, err := lake.ReadPublications(ctx, st)
	if err != nil {
		return g, err
	}
	var dates []civil.Date
	for date, p := range publications {
		if _, ok := p.Tables[dailySales]; ok && p.Complete {
			dates = append(dates, date)
		}
	}
	slices.SortFunc(dates, civil.Date.Compare)
	totals := make([]dayTotals, len(dates))
	err = lake.Parallel(len(dates), 16, func(i int) (err error) {
		totals[i], err = readTotals(ctx, st, dates[i])
		return err
	})
	if err != nil {
		return g, err
	}
	first := slices.IndexFunc(totals, func(t dayTotals) bool { return t.sold })
	if first < 0 {
		return g, fmt.Errorf("%s: no complete business day of gold has a sale: there is nothing to forecast from", st.URI())
	}
	g.Axis = Axis{Start: forecast.DayOf(dates[first]), Country: calendar.Country(), Closed: calendar.Given()}
	days := int(forecast.DayOf(dates[len(dates)-1])-g.Axis.Start) + 1
	if days > maxDays {
		return g, fmt.Errorf("%s: gold's days go from %v to %v: is a date wrong?", st.URI(), dates[first], dates[len(dates)-1])
	}
	g.Axis.Open = make([]bool, days)
	revenue := map[string]float64{}
	for i, t := range totals[first:] {
		day := forecast.DayOf(dates[first+i])
		g.Axis.Open[day-g.Axis.Start] = t.units
		g.Days = append(g.Days, day)
		for c, r := range t.revenue {
			revenue[c] += float64(r)
		}
	}
	if _, ok := revenue[currency]; !ok && currency != "" {
		return g, fmt.Errorf("%s: nothing was sold in the currency %q", st.URI(), currency)
	}
	if currency == "" {
		for c, r := range revenue {
			if g.Currency == "" || r > revenue[g.Currency] || r == revenue[g.Currency] && c < g.Currency {
				g.Currency = c
			}
		}
	}
	return g, nil
}

// dayTotals is what the shop sold on a day.
type dayTotals struct {
	units, sold bool // pieces; or anything, also for nothing
	revenue     map[string]shop.Money
}

func readTotals(ctx context.Context, st lake.Store, date civil.Date) (dayTotals, error) {
	t := dayTotals{revenue: map[string]shop.Money{}}
	rows, err := lake.ReadGold[lake.CategoryRevenueRow](ctx, st, categoryRevenue, date)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a day without sales has no file
		return t, err
	}
	for i := range rows {
		r := &rows[i]
		if r.Currency == "" { // views and carts
			continue
		}
		t.units = t.units || r.Units > 0
		t.sold = t.sold || r.Units > 0 || r.Revenue > 0
		t.revenue[r.Currency] += r.Revenue
	}
	return t, nil
}

// ReadSeries makes the series of all products, in units, of gold's daily sales:
// elements for Score, the same as in a panel of one process. A shard's rows of
// all days are held in memory, about 100 bytes each.
func ReadSeries(s beam.Scope, g Gold) beam.PCollection {
	s = s.Scope("scoring.ReadSeries")
	if g.Shards == 0 {
		g.Shards = defaultShards
	}
	days := make([]int64, len(g.Days))
	for i, d := range g.Days {
		days[i] = int64(d)
	}
	files := beam.Reshuffle(s, beam.CreateList(s, days))
	sales := beam.ParDo(s, &salesFn{Lake: g.Lake, Shards: g.Shards}, files)
	return beam.ParDo(s, &seriesFn{Axis: g.Axis, Currency: g.Currency}, beam.GroupByKey(s, sales))
}

// salesFn reads the sales of a day, and packs them by the shard of the product.
type salesFn struct {
	Lake   string
	Shards int
}

func (fn *salesFn) ProcessElement(ctx context.Context, day int64, emit func(int64, []byte)) error {
	st, err := lake.Shared(ctx, fn.Lake)
	if err != nil {
		return err
	}
	date := forecast.Day(day).Date() //nolint:gosec // it was one
	rows, err := lake.ReadGold[lake.DailySalesRow](ctx, st, dailySales, date)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a day without sales
	}
	if err != nil {
		return err
	}
	shards := map[int64][]byte{}
	for i := range rows {
		if r := &rows[i]; r.Currency != "" {
			shard := int64(xxhash.Sum64String(r.ProductID) % uint64(fn.Shards)) //nolint:gosec // fewer than maxShards
			shards[shard] = appendSale(shards[shard], r)
		}
	}
	for shard, packed := range shards {
		emit(shard, packed)
	}
	return nil
}

// appendSale packs what a series needs of a row.
func appendSale(b []byte, r *lake.DailySalesRow) []byte {
	b = binary.AppendVarint(b, int64(r.Date))
	b = appendText(appendText(appendText(b, r.ProductID), r.Category), r.Currency)
	orders := r.OrderLines
	if r.Orders != nil {
		orders = *r.Orders
	}
	for _, v := range []int64{orders, r.Units, int64(r.Revenue)} {
		b = binary.AppendVarint(b, v)
	}
	return b
}

func (u *unpacker) sale() lake.DailySalesRow {
	r := lake.DailySalesRow{Date: int32(u.day()), ProductID: u.text(), Category: u.text(), Currency: u.text()}
	r.OrderLines, r.Units, r.Revenue = u.varint(), u.varint(), shop.Money(u.varint())
	return r
}

// seriesFn makes the series of a shard's products.
type seriesFn struct {
	Axis     Axis
	Currency string
}

func (fn *seriesFn) ProcessElement(_ int64, packed func(*[]byte) bool, emit func([]byte)) error {
	// The currency is known, though the shard may have no sale in it.
	rows := []lake.DailySalesRow{{Date: int32(fn.Axis.Start), Currency: fn.Currency}}
	sold := false
	for b := []byte(nil); packed(&b); {
		for u := (&unpacker{in: b}); u.more(); {
			r := u.sale()
			if u.err != nil {
				return u.err
			}
			rows = append(rows, r)
			sold = sold || r.Units > 0 || r.Revenue > 0
		}
	}
	if !sold {
		return nil
	}
	sales, err := forecast.SalesOf(rows, fn.Currency)
	if err != nil {
		return err
	}
	sales.End = fn.Axis.End()
	p, err := sales.Panel(forecast.Product, forecast.Units, forecast.Calendar{})
	if err != nil {
		return err
	}
	if p.Start < fn.Axis.Start {
		return fmt.Errorf("a sale on %v is before the shop's first on %v: category_revenue and daily_sales of gold differ, so build gold again", p.Start, fn.Axis.Start)
	}
	before := int(p.Start - fn.Axis.Start)
	for i := range p.Series {
		element, err := EncodeSeries(later(&p.Series[i], before))
		if err != nil {
			return err
		}
		emit(element)
	}
	return nil
}

// later returns the series with days before its first.
func later(s *forecast.Series, days int) *forecast.Series {
	out := *s
	out.First += days
	nothing := make([]float64, days)
	unknown := slices.Repeat([]float64{math.NaN()}, days)
	out.Y, out.Orders, out.Price = slices.Concat(nothing, s.Y), slices.Concat(nothing, s.Orders), slices.Concat(unknown, s.Price)
	return &out
}
