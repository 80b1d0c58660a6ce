package forecast

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
)

// Sales are the rows of daily_sales that forecasts are made from.
type Sales struct {
	Rows     []Sale
	Currency string // of revenue
	// End is the first day that is not known: the one after the last complete day.
	End Day
	// TimeZone cuts the business days, "" where a file does not say.
	TimeZone string
}

const dailySales = "daily_sales"

// ReadSales reads the complete days of gold's daily_sales in the lake at the
// URI, or, if it names a file, the complete rows of a Parquet file. The currency is that
// of revenue; "" is the one with the largest revenue.
func ReadSales(ctx context.Context, uri, currency string) (*Sales, error) {
	if info, err := os.Stat(uri); err == nil && info.Mode().IsRegular() {
		data, err := os.ReadFile(uri) //nolint:gosec // the file that the user named
		if err != nil {
			return nil, err
		}
		rows, err := lake.DecodeRows[lake.DailySalesRow](data)
		if err != nil {
			return nil, fmt.Errorf("%s: expected a Parquet file of daily_sales, as `producer history` writes it: %w", uri, err)
		}
		return SalesOf(slices.DeleteFunc(rows, func(r lake.DailySalesRow) bool { return !r.Complete }), currency)
	}
	st, err := lake.OpenStore(ctx, uri)
	if err != nil {
		return nil, err
	}
	s, err := ReadLakeSales(ctx, st, currency)
	return s, errors.Join(err, st.Close())
}

// ReadLakeSales is ReadSales for an open lake.
func ReadLakeSales(ctx context.Context, st lake.Store, currency string) (*Sales, error) {
	settings, ok, err := lake.ReadGoldSettings(ctx, st)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%s holds no gold: make its tables with the program gold first", st.URI())
	}
	publications, err := lake.ReadPublications(ctx, st)
	if err != nil {
		return nil, err
	}
	var dates []civil.Date
	for date, p := range publications {
		if _, ok := p.Tables[dailySales]; ok && p.Complete {
			dates = append(dates, date)
		}
	}
	if len(dates) == 0 {
		return nil, fmt.Errorf("%s: no business day of gold is complete yet, so there is nothing to forecast from: wait for the first day to end, or import a history (config gold.history)", st.URI())
	}
	slices.SortFunc(dates, civil.Date.Compare)
	for date, p := range publications {
		if !p.Complete && date.Before(dates[len(dates)-1]) {
			return nil, fmt.Errorf("%s: the business day %v of gold is not complete, though %v is: make it again with the program gold", st.URI(), date, dates[len(dates)-1])
		}
	}
	days := make([][]lake.DailySalesRow, len(dates))
	err = lake.Parallel(len(dates), 16, func(i int) error {
		rows, err := lake.ReadGold[lake.DailySalesRow](ctx, st, dailySales, dates[i])
		days[i] = rows
		return err
	})
	if err != nil {
		return nil, err
	}
	s, err := SalesOf(slices.Concat(days...), currency)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", st.URI(), err)
	}
	s.TimeZone = settings.TimeZone
	s.End = DayOf(dates[len(dates)-1]) + 1
	return s, nil
}

// DayOf returns the day of a date.
func DayOf(d civil.Date) Day { return Day(d.DaysSince(civil.Date{Year: 1970, Month: 1, Day: 1})) } //nolint:gosec // civil dates are few

// SalesOf sums the rows of daily_sales by day, product and category.
func SalesOf(rows []lake.DailySalesRow, currency string) (*Sales, error) {
	revenue := map[string]float64{}
	for i := range rows {
		if c := rows[i].Currency; c != "" {
			revenue[c] += float64(rows[i].Revenue)
		}
	}
	switch {
	case currency == "":
		currency = largest(revenue)
	default:
		if _, ok := revenue[currency]; !ok {
			return nil, fmt.Errorf("nothing was sold in the currency %q: expected one of %v", currency, slices.Sorted(maps.Keys(revenue)))
		}
	}
	type key struct {
		day               Day
		product, category string
	}
	sums := map[key]*Sale{}
	s := &Sales{Currency: currency}
	for i := range rows {
		r := &rows[i]
		s.End = max(s.End, Day(r.Date)+1)
		if r.Currency == "" {
			continue // views and carts
		}
		k := key{Day(r.Date), r.ProductID, r.Category}
		sale := sums[k]
		if sale == nil {
			sale = &Sale{Day: k.day, Product: k.product, Category: k.category}
			sums[k] = sale
		}
		sale.Units += float64(r.Units)
		if r.Currency == currency {
			sale.Revenue += float64(r.Revenue) / 1e6
			sale.Paid += float64(r.Units)
		}
		orders := r.OrderLines
		if r.Orders != nil {
			orders = *r.Orders
		}
		sale.Orders += float64(orders)
	}
	for _, sale := range sums {
		s.Rows = append(s.Rows, *sale)
	}
	slices.SortFunc(s.Rows, func(a, b Sale) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Product, b.Product), cmp.Compare(a.Category, b.Category))
	})
	return s, nil
}

// Panel makes the panel of these sales.
func (s *Sales) Panel(level Level, target Target, calendar Calendar) (*Panel, error) {
	return NewPanel(s.Rows, PanelOptions{Level: level, Target: target, Currency: s.Currency, Calendar: calendar, End: s.End})
}
