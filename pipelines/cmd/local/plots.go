package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/ml/demand"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/report"
)

// writePlots writes the report with the forecast into the data folder,
// and returns its address.
func writePlots(ctx context.Context, st lake.Store, folder string, r report.Report, made *demand.Predicted) (string, error) {
	var err error
	if r.Next, err = nextDays(ctx, st, made); err != nil {
		return "", err
	}
	var page bytes.Buffer
	if err := report.HTML(&page, r); err != nil {
		return "", err
	}
	name, err := filepath.Abs(filepath.Join(folder, "forecast.html"))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return "", err
	}
	if err := demand.WriteFile(name, page.Bytes()); err != nil {
		return "", err
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(name)}).String(), nil
}

// nextDays plots the forecast of the shop and of the three products that most is
// expected of, in units, after what was sold in the four weeks before.
func nextDays(ctx context.Context, st lake.Store, made *demand.Predicted) ([]report.Plot, error) {
	const before, best = 28, 3
	lines := map[string][]forecast.Line{} // of products, by id
	var shop []forecast.Line
	for _, l := range made.Outlooks[made.Versions[0]].Lines {
		switch {
		case l.Target != forecast.Units:
		case l.Level == forecast.Shop:
			shop = append(shop, l)
		case l.Level == forecast.Product:
			lines[l.Series] = append(lines[l.Series], l)
		}
	}
	expected := func(id string) (sum float64) {
		for _, l := range lines[id] {
			sum += l.Mean
		}
		return sum
	}
	products := make([]string, 0, len(lines))
	for id := range lines {
		products = append(products, id)
	}
	slices.SortFunc(products, func(a, b string) int { return cmp.Or(cmp.Compare(expected(b), expected(a)), cmp.Compare(a, b)) })

	sold, err := soldBefore(ctx, st, made.Origin, before)
	if err != nil {
		return nil, err
	}
	plots := []report.Plot{plot("The shop", made.Origin, sold.shop, shop)}
	for _, id := range products[:min(best, len(products))] {
		plots = append(plots, plot(id+", "+lines[id][0].Category, made.Origin, sold.products[id], lines[id]))
	}
	return plots, nil
}

// sold is what was sold on some days, in units a day.
type sold struct {
	shop     []float64
	products map[string][]float64
}

// soldBefore reads what was sold in so many days before the origin.
func soldBefore(ctx context.Context, st lake.Store, origin forecast.Day, days int) (sold, error) {
	s := sold{make([]float64, days), map[string][]float64{}}
	for i := range days {
		day := origin - forecast.Day(days-i)
		rows, err := lake.ReadGold[lake.DailySalesRow](ctx, st, "daily_sales", day.Date())
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a day without sales
			return s, err
		}
		for _, r := range rows {
			if s.products[r.ProductID] == nil {
				s.products[r.ProductID] = make([]float64, days)
			}
			s.products[r.ProductID][i] += float64(r.Units)
			s.shop[i] += float64(r.Units)
		}
	}
	return s, nil
}

// plot draws a series' days before the origin, and its expected days from it on.
func plot(title string, origin forecast.Day, before []float64, lines []forecast.Line) report.Plot {
	p := report.Plot{Title: title}
	for i, units := range before {
		p.Days, p.Actual = append(p.Days, report.Date(origin-forecast.Day(len(before)-i))), append(p.Actual, units)
	}
	f := report.Forecast{Model: "forecast"}
	for _, l := range lines {
		f.Days, f.Point = append(f.Days, report.Date(l.Day)), append(f.Point, l.Mean)
		f.Lower80, f.Upper80 = append(f.Lower80, l.Lower80), append(f.Upper80, l.Upper80)
		f.Lower95, f.Upper95 = append(f.Lower95, l.Lower95), append(f.Upper95, l.Upper95)
	}
	p.Forecasts = []report.Forecast{f}
	return p
}
