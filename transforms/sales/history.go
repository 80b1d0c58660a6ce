package sales

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// What a shop brings along: past daily sales and a catalogue, as CSV with a
// header or as Parquet in the form of gold's own tables.

// ParseHistory reads past daily sales. CSV has the columns date, product_id,
// currency, units and revenue, and may have category, order_lines, orders,
// customers, cancelled_lines, cancelled_units, cancelled_revenue, views and
// carts; an empty field is 0, and of orders and customers "not known". Views and
// carts of a row with a currency move to the product's row without one. The
// result is sorted by date and grain.
func ParseHistory(data []byte) ([]lake.DailySalesRow, error) {
	rows, err := parseFile(data, historyColumns, historyRow)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	return normalize(rows)
}

// ParseCatalogue reads a catalogue: CSV with product_id and product_name,
// category or both.
func ParseCatalogue(data []byte) (map[string]CatalogueProduct, error) {
	rows, err := parseFile(data, catalogueColumns, catalogueRow)
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	out := map[string]CatalogueProduct{}
	for i := range rows {
		r := &rows[i]
		if err := checkTexts(r.ProductID, r.Category); err != nil {
			return nil, fmt.Errorf("catalogue: product %q: %w", r.ProductID, err)
		}
		if !utf8.ValidString(r.ProductName) {
			return nil, fmt.Errorf("catalogue: product %q: expected UTF-8, found %q: save the file as UTF-8", r.ProductID, r.ProductName)
		}
		if _, twice := out[r.ProductID]; twice && r.Date == 0 {
			return nil, fmt.Errorf("catalogue: product %q is there twice: keep one of its rows", r.ProductID)
		}
		out[r.ProductID] = CatalogueProduct{Name: r.ProductName, Category: r.Category}
	}
	return out, nil
}

func checkTexts(product, category string) error {
	switch {
	case !utf8.ValidString(product) || !utf8.ValidString(category):
		return fmt.Errorf("expected UTF-8, found %q, %q: save the file as UTF-8", product, category)
	case product == "":
		return errors.New("expected a product_id, found none")
	case len(category) > shop.MaxCategory:
		return fmt.Errorf("category %q: expected at most %d bytes", category, shop.MaxCategory)
	}
	return nil
}

var (
	historyColumns = []string{
		"date", "product_id", "currency", "units", "revenue", // needed
		"category", "order_lines", "orders", "customers", "cancelled_lines", "cancelled_units", "cancelled_revenue", "views", "carts",
	}
	catalogueColumns = []string{"product_id", "product_name", "category"}
)

const (
	historyNeeds   = 5
	catalogueNeeds = 1
)

// record is a line of a CSV file by its columns. The first error sticks.
type record struct {
	columns map[string]int
	fields  []string
	err     error
}

func (r *record) text(column string) string {
	i, ok := r.columns[column]
	if !ok {
		return ""
	}
	return strings.TrimSpace(r.fields[i])
}

func (r *record) fail(column, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("column %s: expected %s, found %q", column, want, r.text(column))
	}
}

// count reads a number that is not negative; nil where the field is empty.
func (r *record) count(column string) *int64 {
	s := r.text(column)
	if s == "" {
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		r.fail(column, "a whole number of 0 or more")
	}
	return &n
}

func (r *record) number(column string) int64 {
	if n := r.count(column); n != nil {
		return *n
	}
	return 0
}

func (r *record) money(column string) shop.Money {
	s := r.text(column)
	if s == "" {
		return 0
	}
	m, err := shop.ParseMoney(s)
	if err != nil || m < 0 {
		r.fail(column, "an exact decimal of 0 or more, with at most 6 decimals")
	}
	return m
}

func (r *record) date(column string) int32 {
	d, err := civil.ParseDate(r.text(column))
	if err != nil {
		r.fail(column, "a date such as 2026-03-01")
		return 0
	}
	return DayOf(d)
}

func historyRow(r *record) lake.DailySalesRow {
	row := lake.DailySalesRow{
		Date: r.date("date"), ProductID: r.text("product_id"), Category: cmp.Or(r.text("category"), uncategorized), Currency: r.text("currency"),
		OrderLines: r.number("order_lines"), Orders: r.count("orders"), Customers: r.count("customers"), Units: r.number("units"), Revenue: r.money("revenue"),
		CancelledLines: r.number("cancelled_lines"), CancelledUnits: r.number("cancelled_units"), CancelledRevenue: r.money("cancelled_revenue"),
		Views: r.number("views"), Carts: r.number("carts"),
	}
	return row
}

func catalogueRow(r *record) lake.CatalogueRow {
	return lake.CatalogueRow{ProductID: r.text("product_id"), ProductName: r.text("product_name"), Category: r.text("category")}
}

// parseFile reads Parquet or CSV.
func parseFile[T any](data []byte, columns []string, row func(*record) T) ([]T, error) {
	if bytes.HasPrefix(data, []byte("PAR1")) {
		return lake.DecodeRows[T](data)
	}
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	header, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("expected a CSV file whose first line names the columns, or a Parquet file: %w", err)
	}
	r := record{columns: map[string]int{}}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := r.columns[name]; twice || !slices.Contains(columns, name) {
			return nil, fmt.Errorf("column %q: expected each of %s at most once", name, strings.Join(columns, ", "))
		}
		r.columns[name] = i
	}
	needs := historyNeeds
	if len(columns) == len(catalogueColumns) {
		needs = catalogueNeeds
	}
	for _, name := range columns[:needs] {
		if _, ok := r.columns[name]; !ok {
			return nil, fmt.Errorf("expected a column %s, found %s", name, strings.Join(header, ", "))
		}
	}
	var out []T
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		r.fields = fields
		out = append(out, row(&r))
		if r.err != nil {
			line, _ := in.FieldPos(0)
			return nil, fmt.Errorf("line %d: %w", line, r.err)
		}
	}
}

// The days that a history may have: from 1900 to 2200.
const (
	firstHistoryDay = -25567
	lastHistoryDay  = 84005
)

// normalize brings imported rows into the form of daily_sales.
func normalize(rows []lake.DailySalesRow) ([]lake.DailySalesRow, error) {
	type key struct {
		date              int32
		product, category string
	}
	seen := map[key]map[string]bool{}
	looked := map[key]looks{}
	lines := map[key]int64{}
	out := []lake.DailySalesRow{} // not nil: a history without rows is one
	for _, r := range rows {
		k := key{r.Date, r.ProductID, r.Category}
		if err := checkTexts(r.ProductID, r.Category); err != nil {
			return nil, fmt.Errorf("history: %s: %w", DateOf(r.Date), err)
		}
		switch {
		case r.Date < firstHistoryDay || r.Date > lastHistoryDay:
			return nil, fmt.Errorf("history: product %q: expected a date from %s to %s, found day %d since 1970", r.ProductID, DateOf(firstHistoryDay), DateOf(lastHistoryDay), r.Date)
		case r.Category == "":
			return nil, fmt.Errorf("history: %s, product %q: expected a category, found none", DateOf(r.Date), r.ProductID)
		case r.Currency != "" && !shop.IsCurrency(r.Currency):
			return nil, fmt.Errorf("history: %s, product %q: expected a currency of ISO 4217 such as GBP, found %q", DateOf(r.Date), r.ProductID, r.Currency)
		case r.Currency == "" && (r.OrderLines|r.Units|int64(r.Revenue)|r.CancelledLines|r.CancelledUnits|int64(r.CancelledRevenue)) != 0:
			return nil, fmt.Errorf("history: %s, product %q: expected a currency, since the row has sales, found none", DateOf(r.Date), r.ProductID)
		case r.Orders != nil && *r.Orders < 0 || r.Customers != nil && *r.Customers < 0:
			return nil, fmt.Errorf("history: %s, product %q: expected orders and customers of 0 or more", DateOf(r.Date), r.ProductID)
		}
		if seen[k][r.Currency] {
			return nil, fmt.Errorf("history: two rows of %s, product %q, category %q, currency %q: add them up first", DateOf(r.Date), r.ProductID, r.Category, r.Currency)
		}
		if seen[k] == nil {
			seen[k] = map[string]bool{}
		}
		seen[k][r.Currency] = true
		for _, n := range [...]int64{r.OrderLines, r.Units, int64(r.Revenue), r.CancelledLines, r.CancelledUnits, int64(r.CancelledRevenue), r.Views, r.Carts} {
			if n < 0 || n > math.MaxInt64/4 {
				return nil, fmt.Errorf("history: %s, product %q: expected numbers of 0 or more, found %d", DateOf(r.Date), r.ProductID, n)
			}
		}
		l := looked[k]
		looked[k] = looks{l.views + r.Views, l.carts + r.Carts}
		lines[k] += r.OrderLines
		if r.Currency == "" {
			continue // made below
		}
		m := money{Lines: r.OrderLines, Units: r.Units, Revenue: r.Revenue, CancelledRevenue: r.CancelledRevenue}
		r.AveragePrice, r.NetRevenue = m.average(), m.net()
		r.Views, r.Carts, r.Conversion, r.Complete, r.Source = 0, 0, nil, true, SourceHistory
		out = append(out, r)
	}
	for k, l := range looked {
		if l.views+l.carts > 0 {
			out = append(out, lake.DailySalesRow{
				Date: k.date, ProductID: k.product, Category: k.category, Views: l.views, Carts: l.carts,
				Conversion: conversion(lines[k], l.views), Complete: true, Source: SourceHistory,
			})
		}
	}
	slices.SortFunc(out, func(a, b lake.DailySalesRow) int {
		return cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(a.ProductID, b.ProductID), cmp.Compare(a.Category, b.Category), cmp.Compare(a.Currency, b.Currency))
	})
	return out, nil
}
