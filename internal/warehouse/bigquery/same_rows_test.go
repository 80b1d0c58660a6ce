//go:build integration

package bigquery

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/internal/warehouse/duck"
	"example.com/shopstream/sql"
	"example.com/shopstream/sql/sqltest"
	"example.com/shopstream/sql/tables"
)

// TestSameRows asks both engines every query of the catalogue, over the same
// files of random gold.
func TestSameRows(t *testing.T) {
	endpoint := emulated(t)
	w := emulatedWarehouse(t, endpoint)
	folder, uri := t.TempDir(), "gs://lake/"+uuid.NewString()
	for _, at := range []string{folder, uri} {
		writeGold(t, at, 40)
	}
	st, err := lake.OpenStore(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	all := tables.Published()
	var names []string
	for _, table := range all {
		names = append(names, table.Name)
	}
	content, err := GoldContent(t.Context(), st, names...)
	if err != nil {
		t.Fatal(err)
	}
	report, err := Publisher{Warehouse: w, Store: st}.Publish(t.Context(), all, content)
	if err != nil {
		t.Fatal(err)
	}
	if report.Published != 7*40 {
		t.Fatalf("published %d partitions, expected 280", report.Published)
	}
	again, err := Publisher{Warehouse: w, Store: st}.Publish(t.Context(), all, content)
	if err != nil || again.Published != 0 || again.Unchanged != report.Published {
		t.Fatalf("again: %+v, %v", again, err)
	}
	d, err := duck.Open(t.Context(), folder, duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	sameAnswers(t, d, w)
	for _, table := range all {
		if table.Name == "metrics_5m" || table.Name == "quality_results" || table.Name == lake.AttemptsTable {
			continue // not in this lake
		}
		text := "SELECT * FROM " + table.Name + " ORDER BY " + strings.Join(table.Grain, ", ")
		want, err := d.Query(t.Context(), text, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.Query(t.Context(), text, nil)
		if err != nil {
			t.Fatal(err)
		}
		got.Bytes, want.Bytes = 0, 0
		if diff := cmp.Diff(want, got, exactly); diff != "" {
			t.Errorf("%s: %s", table.Name, diff)
		}
	}
}

// ofLake reports whether a query is about a table that is never published.
func ofLake(q sql.Query) bool {
	return slices.ContainsFunc(q.Sources, func(name string) bool { return tables.Must(name).LakeOnly })
}

// sameAnswers asks both engines every query, with its defaults.
func sameAnswers(t *testing.T, d *duck.Duck, w *Warehouse) {
	for _, q := range sql.Queries() {
		if ofLake(q) {
			continue
		}
		t.Run(q.Name, func(t *testing.T) {
			want, err := sql.Run(t.Context(), d, q.Name, nil)
			if err != nil {
				t.Fatal(err)
			}
			// Not every lake has predictions, or a rule that does not hold.
			if len(want.Rows) == 0 && q.Name != "demand_vs_actual" && q.Name != "quality_report" {
				t.Errorf("DuckDB has no rows")
			}
			got, err := sql.Run(t.Context(), w, q.Name, nil)
			if err != nil {
				t.Fatal(err)
			}
			want.Bytes, got.Bytes = 0, 0
			t.Logf("%d rows", len(want.Rows))
			if diff := cmp.Diff(want, got, exactly); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLake does the same with the gold of the lake in SHOPSTREAM_TEST_LAKE, such
// as that of a replayed data set, and compares the shop's net revenue with
// SHOPSTREAM_TEST_NET.
func TestLake(t *testing.T) {
	folder := os.Getenv("SHOPSTREAM_TEST_LAKE")
	if folder == "" {
		t.Skip("SHOPSTREAM_TEST_LAKE is not set: a folder with a lake that has gold")
	}
	w := emulatedWarehouse(t, emulated(t))
	st, err := lake.OpenStore(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	content, err := GoldContent(t.Context(), st, "demand_predictions")
	if err != nil {
		t.Fatal(err)
	}
	report, err := Publisher{Warehouse: w, Store: st}.Publish(t.Context(), tables.Published(), content)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d partitions, %d rows", report.Published, report.Rows)
	d, err := duck.Open(t.Context(), folder, duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	sameAnswers(t, d, w)
	rows, err := w.Query(t.Context(), "SELECT SUM(net_revenue) AS net FROM daily_sales WHERE currency IS NOT NULL", nil)
	if err != nil {
		t.Fatal(err)
	}
	want, ok := new(big.Rat).SetString(os.Getenv("SHOPSTREAM_TEST_NET"))
	if net := rows.Rows[0][0].(*big.Rat); ok && net.Cmp(want) != 0 {
		t.Errorf("net revenue %s, expected %s", net.FloatString(6), want.FloatString(6))
	}
}

// TestCases asks both engines what the tests beside each query ask.
func TestCases(t *testing.T) {
	endpoint := emulated(t)
	cases, err := sqltest.Cases(os.DirFS("../../../sql"))
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < len(sql.Queries()) {
		t.Fatalf("found %d cases of %d queries", len(cases), len(sql.Queries()))
	}
	for _, c := range cases {
		t.Run(c.Query+"/"+c.Name, func(t *testing.T) {
			folder := t.TempDir()
			if err := sqltest.WriteLake(t.Context(), folder, c.Tables); err != nil {
				t.Fatal(err)
			}
			d, err := duck.Open(t.Context(), folder, duck.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			st, err := lake.OpenStore(t.Context(), folder)
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			w := emulatedWarehouse(t, endpoint)
			q, err := sql.Lookup(c.Query)
			if err != nil {
				t.Fatal(err)
			}
			if ofLake(q) {
				return
			}
			var sources []warehouse.Table
			for _, name := range q.Sources {
				sources = append(sources, tables.Must(name))
			}
			content, err := GoldContent(t.Context(), st, q.Sources...)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := (Publisher{Warehouse: w, Store: st}).Publish(t.Context(), sources, content); err != nil {
				t.Fatal(err)
			}
			want, err := sql.Run(t.Context(), d, c.Query, c.Params)
			if c.Refused != "" {
				if _, other := sql.Run(t.Context(), w, c.Query, c.Params); other == nil || err == nil || other.Error() != err.Error() {
					t.Errorf("refused with %v and %v, expected the same error", err, other)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := sql.Run(t.Context(), w, c.Query, c.Params)
			if err != nil {
				t.Fatal(err)
			}
			want.Bytes, got.Bytes = 0, 0
			if diff := cmp.Diff(want, got, exactly); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// writeGold writes days of gold, the same ones whenever it is called.
func writeGold(t *testing.T, uri string, days int) {
	t.Helper()
	st, err := lake.OpenStore(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	rnd := rand.New(rand.NewPCG(7, 7))
	put := func(table string, date civil.Date, data []byte, err error) {
		t.Helper()
		if err == nil {
			err = sqltest.Publish(t.Context(), st, table, date, data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	price := func() shop.Money { return shop.Money(1+rnd.Int64N(200_000)) * 1000 }
	count := func(n int64) *int64 { return &n }
	for i := range days {
		date := day.AddDays(i)
		number := int32(date.DaysSince(civil.Date{Year: 1970, Month: 1, Day: 1}))
		var (
			sales    []lake.DailySalesRow
			hourly   []lake.HourlySalesRow
			lines    []lake.OrderLineRow
			known    []lake.CatalogueRow
			forecast []lake.DemandPredictionRow
			byKind   = map[string]*lake.CategoryRevenueRow{}
			kinds    []string
		)
		for p := range 12 {
			product, category := fmt.Sprintf("p%02d", p), []string{"home & garden", "toys", "books"}[p%3]
			units, revenue := int64(0), shop.Money(0)
			for range rnd.IntN(4) {
				line := lake.OrderLineRow{
					Date: number, EventID: fmt.Sprintf("%08x-%08x", rnd.Uint32(), rnd.Uint32()), EventTime: int64(number)*86_400_000_000 + rnd.Int64N(86_400_000_000),
					Cancelled: rnd.IntN(8) == 0, OrderID: fmt.Sprintf("o%d-%d", i, rnd.IntN(8)), Line: int64(p + 1), ProductID: product, Category: category,
					UserID: []string{"", "u1", "u2", "u3", "u4", "u5"}[rnd.IntN(6)], Country: []string{"", "GB", "FR"}[rnd.IntN(3)],
					Quantity: 1 + rnd.Int64N(9), UnitPrice: price(), Currency: "GBP", Complete: true,
				}
				line.Amount = line.UnitPrice * shop.Money(line.Quantity)
				lines = append(lines, line)
				if !line.Cancelled {
					units += line.Quantity
					revenue += line.Amount
				}
			}
			row := lake.DailySalesRow{Date: number, ProductID: product, Category: category, Complete: true, Source: "events"}
			if units > 0 {
				average := revenue / shop.Money(units)
				one := row
				one.Currency, one.OrderLines, one.Orders, one.Customers, one.Units = "GBP", units, count(1+units/2), count(units/2), units
				one.CancelledLines, one.CancelledUnits = units/3, units/3
				one.CancelledRevenue = average * shop.Money(units/3)
				one.Revenue, one.NetRevenue, one.AveragePrice = revenue, revenue-one.CancelledRevenue, &average
				sales = append(sales, one)
				k := byKind[category]
				if k == nil {
					k = &lake.CategoryRevenueRow{Date: number, Category: category, Currency: "GBP", Orders: count(3), Customers: count(2), Complete: true, Source: "events"}
					byKind[category] = k
					kinds = append(kinds, category)
				}
				k.Units += units
				k.OrderLines += units
				k.Products++
				k.Revenue += revenue
				k.NetRevenue += revenue
				at := rnd.Int64N(24)
				hourly = append(hourly, lake.HourlySalesRow{
					Date: number, Hour: at, HourStart: (int64(number)*24 + at) * 3_600_000_000, Category: category, Currency: fmt.Sprintf("G%02d", p), OrderLines: units,
					Orders: 1, Customers: 1, Units: units, Revenue: revenue, NetRevenue: revenue, Complete: true, Source: "events",
				})
			}
			views := 1 + rnd.Int64N(50)
			conversion := float64(units) / float64(views)
			row.Views, row.Carts, row.Conversion = views, rnd.Int64N(views), &conversion
			sales = append(sales, row)
			unit := price()
			known = append(known, lake.CatalogueRow{Date: number, ProductID: product, ProductName: "Product " + product, Category: category, Currency: "GBP", Price: &unit, LowestPrice: &unit, HighestPrice: &unit, Source: "events"})
			point := float64(rnd.IntN(400)) / 16
			low, high := point/2, point*2
			for horizon := range 2 {
				forecast = append(forecast, lake.DemandPredictionRow{
					Date: number, Origin: number - int32(horizon), Horizon: int64(horizon + 1), Level: lake.LevelProduct, Series: product, Category: category,
					Target: lake.TargetUnits, Model: "trees", ModelVersion: "1",
					Point: point, Mean: point + 0.25, Lower80: &low, Upper80: &high,
				})
			}
		}
		var categories []lake.CategoryRevenueRow
		funnel := []lake.FunnelRow{{Date: number, SessionsViewed: 200, SessionsCarted: 20, SessionsViewedOrdered: 3, Complete: true}}
		for _, kind := range kinds {
			categories = append(categories, *byKind[kind])
			views := 50 + rnd.Int64N(50)
			conversion := float64(byKind[kind].OrderLines) / float64(views)
			funnel = append(funnel, lake.FunnelRow{Date: number, Category: kind, SessionsViewed: views, SessionsCarted: 9, SessionsViewedCarted: 7, SessionsCartedOrdered: 3, SessionsViewedOrdered: 2, UsersViewed: 8, UsersViewedOrdered: 1, Complete: true})
			categories = append(categories, lake.CategoryRevenueRow{Date: number, Category: kind, Views: views, Carts: 9, Conversion: &conversion, Complete: true, Source: "events"})
		}
		data, err := lake.EncodeGold(nil, sales)
		put("daily_sales", date, data, err)
		data, err = lake.EncodeGold(nil, categories)
		put("category_revenue", date, data, err)
		data, err = lake.EncodeGold(nil, hourly)
		put("hourly_sales", date, data, err)
		data, err = lake.EncodeGold(nil, funnel)
		put("funnel_daily", date, data, err)
		data, err = lake.EncodeGold(nil, lines)
		put("order_lines", date, data, err)
		data, err = lake.EncodeGold(nil, known)
		put("product_catalogue", date, data, err)
		data, err = lake.EncodeGold(nil, forecast)
		put("demand_predictions", date, data, err)
	}
}
