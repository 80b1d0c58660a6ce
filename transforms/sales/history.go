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
	return parseHistory(data, lastHistoryDay)
}

// ParseHistoryUntil is ParseHistory for a file of which no day may be after
// today, and none far from all others: such dates are mistyped.
func ParseHistoryUntil(today int32) func(data []byte) ([]lake.DailySalesRow, error) {
	return func(data []byte) ([]lake.DailySalesRow, error) { return parseHistory(data, today) }
}

func parseHistory(data []byte, today int32) ([]lake.DailySalesRow, error) {
	rows, lines, err := parseFile(data, historyColumns, historyRow)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	if err := plausibleDays(rows, lines, today); err != nil {
		return nil, err
	}
	return normalize(rows, lines)
}

// lonely is how far, in days, a day is from all others that is taken for a typo.
const lonely = 180

// plausibleDays returns an error for a day after today, and for one that is far
// from all others while most are not.
func plausibleDays(rows []lake.DailySalesRow, lines []int, today int32) error {
	for i := range rows {
		if day := rows[i].Date; day > today && day <= lastHistoryDay {
			return fmt.Errorf("history: %s: %s is after today, %s: expected past sales; is the date mistyped?", where(lines, i), DateOf(day), DateOf(today))
		}
	}
	var days []int32
	for i := range rows {
		days = append(days, rows[i].Date)
	}
	slices.Sort(days)
	days = slices.Compact(days)
	var alone []int32
	for i, day := range days {
		if (i == 0 || day-days[i-1] > lonely) && (i == len(days)-1 || days[i+1]-day > lonely) {
			alone = append(alone, day)
		}
	}
	if others := len(days) - len(alone); len(alone) == 0 || others <= len(alone) {
		return nil
	}
	i := slices.IndexFunc(rows, func(r lake.DailySalesRow) bool { return r.Date == alone[0] })
	return fmt.Errorf("history: %s: %s is more than %d days from all other days of the file (%s to %s): is its year mistyped? If it is right, give a day between them too, with units and revenue of 0",
		where(lines, i), DateOf(alone[0]), lonely, DateOf(days[0]), DateOf(days[len(days)-1]))
}

// where names a row of a file: by its line, or by its number where there are no
// lines.
func where(lines []int, i int) string {
	if lines == nil {
		return fmt.Sprintf("row %d", i+1)
	}
	return fmt.Sprintf("line %d", lines[i])
}

// ParseCatalogue reads a catalogue: CSV with product_id and product_name,
// category or both.
func ParseCatalogue(data []byte) (map[string]CatalogueProduct, error) {
	rows, lines, err := parseFile(data, catalogueColumns, catalogueRow)
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	out := map[string]CatalogueProduct{}
	for i := range rows {
		r := &rows[i]
		if err := checkTexts(r.ProductID, r.Category); err != nil {
			return nil, fmt.Errorf("catalogue: %s: product %q: %w", where(lines, i), r.ProductID, err)
		}
		if !utf8.ValidString(r.ProductName) {
			return nil, fmt.Errorf("catalogue: %s: product %q: expected UTF-8, found %q: save the file as UTF-8", where(lines, i), r.ProductID, r.ProductName)
		}
		if _, twice := out[r.ProductID]; twice && r.Date == 0 {
			return nil, fmt.Errorf("catalogue: %s: product %q is there twice: keep one of its rows", where(lines, i), r.ProductID)
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
	if row.Units > 0 && r.text("revenue") == "" {
		r.fail("revenue", "an amount, since units were sold (0 if nothing was paid)")
	}
	return row
}

func catalogueRow(r *record) lake.CatalogueRow {
	return lake.CatalogueRow{ProductID: r.text("product_id"), ProductName: r.text("product_name"), Category: r.text("category")}
}

// parseFile reads Parquet or CSV. Of CSV it returns each row's line, too.
func parseFile[T any](data []byte, columns []string, row func(*record) T) (out []T, lines []int, err error) {
	if bytes.HasPrefix(data, []byte("PAR1")) {
		out, err = lake.DecodeRows[T](data)
		return out, nil, err
	}
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	header, err := in.Read()
	if err != nil {
		return nil, nil, fmt.Errorf("expected a CSV file whose first line names the columns, or a Parquet file: %w", err)
	}
	r := record{columns: map[string]int{}}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := r.columns[name]; twice || !slices.Contains(columns, name) {
			return nil, nil, fmt.Errorf("line 1: column %q: expected each of %s at most once: rename or remove it%s", name, strings.Join(columns, ", "), separated(name))
		}
		r.columns[name] = i
	}
	needs := historyNeeds
	if len(columns) == len(catalogueColumns) {
		needs = catalogueNeeds
	}
	for _, name := range columns[:needs] {
		if _, ok := r.columns[name]; !ok {
			return nil, nil, fmt.Errorf("line 1: expected a column %s, found %s", name, strings.Join(header, ", "))
		}
	}
	lines = []int{}
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return out, lines, nil
		}
		if err != nil {
			return nil, nil, err
		}
		r.fields = fields
		line, _ := in.FieldPos(0)
		out, lines = append(out, row(&r)), append(lines, line)
		if r.err != nil {
			return nil, nil, fmt.Errorf("line %d: %w", line, r.err)
		}
	}
}

// separated says what a header of one long column means.
func separated(name string) string {
	for _, by := range []string{";", "\t"} {
		if strings.Contains(name, by) {
			return fmt.Sprintf(". The columns are separated by %q: save the file with commas, and with a point in its decimals", by)
		}
	}
	return ""
}

// The days that a history may have: from 1900 to 2200.
const (
	firstHistoryDay = -25567
	lastHistoryDay  = 84005
)

// normalize brings imported rows into the form of daily_sales.
func normalize(rows []lake.DailySalesRow, at []int) ([]lake.DailySalesRow, error) {
	type key struct {
		date              int32
		product, category string
	}
	seen := map[key]map[string]bool{}
	looked := map[key]looks{}
	lines := map[key]int64{}
	out := []lake.DailySalesRow{} // not nil: a history without rows is one
	for i, r := range rows {
		fail := func(format string, args ...any) ([]lake.DailySalesRow, error) {
			return nil, fmt.Errorf("history: "+where(at, i)+": "+format, args...)
		}
		k := key{r.Date, r.ProductID, r.Category}
		if err := checkTexts(r.ProductID, r.Category); err != nil {
			return fail("%s: %w", DateOf(r.Date), err)
		}
		switch {
		case r.Date < firstHistoryDay || r.Date > lastHistoryDay:
			return fail("product %q: expected a date from %s to %s, found %s", r.ProductID, DateOf(firstHistoryDay), DateOf(lastHistoryDay), DateOf(r.Date))
		case r.Category == "":
			return fail("%s, product %q: expected a category, found none", DateOf(r.Date), r.ProductID)
		case r.Currency != "" && !shop.IsCurrency(r.Currency):
			return fail("%s, product %q: expected a currency of ISO 4217 such as GBP, found %q", DateOf(r.Date), r.ProductID, r.Currency)
		case r.Currency == "" && (r.OrderLines|r.Units|int64(r.Revenue)|r.CancelledLines|r.CancelledUnits|int64(r.CancelledRevenue)) != 0:
			return fail("%s, product %q: expected a currency, since the row has sales, found none", DateOf(r.Date), r.ProductID)
		case r.Orders != nil && *r.Orders < 0 || r.Customers != nil && *r.Customers < 0:
			return fail("%s, product %q: expected orders and customers of 0 or more", DateOf(r.Date), r.ProductID)
		}
		if seen[k][r.Currency] {
			return fail("two rows of %s, product %q, category %q, currency %q: add them up first", DateOf(r.Date), r.ProductID, r.Category, r.Currency)
		}
		if seen[k] == nil {
			seen[k] = map[string]bool{}
		}
		seen[k][r.Currency] = true
		for _, n := range [...]int64{r.OrderLines, r.Units, int64(r.Revenue), r.CancelledLines, r.CancelledUnits, int64(r.CancelledRevenue), r.Views, r.Carts} {
			if n < 0 || n > math.MaxInt64/4 {
				return fail("%s, product %q: expected numbers of 0 or more, found %d", DateOf(r.Date), r.ProductID, n)
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
