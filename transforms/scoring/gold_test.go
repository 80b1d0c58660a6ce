package scoring

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/ml/forecast"
)

// newGold writes gold of n products over days: in two currencies, products that
// change their category, gifts, views, closed days, and days that are not
// published or not complete.
func newGold(t testing.TB, st lake.Store, n, days int) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(lake.PutGoldSettings(t.Context(), st, lake.GoldSettings{TimeZone: "UTC"}))
	start := forecast.Day(18262)
	for i := range days {
		day := start + forecast.Day(i)
		if i == 17 {
			continue
		}
		random := rand.New(rand.NewPCG(3, uint64(i)))
		var rows []lake.DailySalesRow
		categories := map[[2]string]*lake.CategoryRevenueRow{}
		for p := range n {
			for _, currency := range []string{"EUR", "GBP", ""} {
				if day.Weekday() == 0 || i < p%7 || p == 11 && currency == "EUR" || random.IntN(3) > 0 {
					continue
				}
				r := lake.DailySalesRow{Date: int32(day), ProductID: fmt.Sprintf("p%02d", p), Category: fmt.Sprint("c", (p+i/30)%3), Currency: currency, Complete: true, Source: "events"}
				if currency == "" {
					r.Views = 3
				} else {
					r.OrderLines, r.Units = 1+random.Int64N(4), random.Int64N(20)
					if random.IntN(2) == 0 {
						orders := r.OrderLines - 1
						r.Orders = &orders
					}
					if p != 4 || i > 9 {
						r.Revenue = shop.Money(r.Units * (1_230_000 + random.Int64N(1000)))
					}
				}
				rows = append(rows, r)
				key := [2]string{r.Category, currency}
				if categories[key] == nil {
					categories[key] = &lake.CategoryRevenueRow{Date: r.Date, Category: r.Category, Currency: currency, Complete: true, Source: "events"}
				}
				c := categories[key]
				c.OrderLines, c.Units, c.Revenue, c.Views = c.OrderLines+r.OrderLines, c.Units+r.Units, c.Revenue+r.Revenue, c.Views+r.Views
			}
		}
		var sums []lake.CategoryRevenueRow
		for _, c := range categories {
			sums = append(sums, *c)
		}
		p := lake.Publication{Date: day.Date(), Complete: i != days-1, TimeZone: "UTC", Source: "events"}
		must(lake.PutPublication(t.Context(), st, p))
		data, err := lake.EncodeGold(nil, rows)
		must(err)
		must(lake.PublishTable(t.Context(), st, dailySales, p.Date, data, int64(len(rows))))
		data, err = lake.EncodeGold(nil, sums)
		must(err)
		must(lake.PublishTable(t.Context(), st, categoryRevenue, p.Date, data, int64(len(sums))))
	}
}

// TestSeriesOfGold: the same elements as of a panel in one process, and an axis
// that was found without reading products.
func TestSeriesOfGold(t *testing.T) {
	dir := t.TempDir()
	st, err := lake.OpenStore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	newGold(t, st, 25, 120)
	calendar, err := forecast.NewCalendar("GB", []forecast.Day{18300})
	if err != nil {
		t.Fatal(err)
	}
	for i, currency := range []string{"", "GBP", "EUR"} {
		if testing.Short() && currency == "EUR" {
			continue
		}
		for _, runner := range []string{"direct", "prism"} {
			t.Run(currency+runner, func(t *testing.T) {
				sales, err := forecast.ReadLakeSales(t.Context(), st, currency)
				if err != nil {
					t.Fatal(err)
				}
				panel, err := sales.Panel(forecast.Product, forecast.Units, calendar)
				if err != nil {
					t.Fatal(err)
				}
				g, err := PlanGold(t.Context(), st, currency, calendar)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(AxisOf(panel), g.Axis); diff != "" || g.Currency != sales.Currency {
					t.Fatalf("the currency is %q, expected %q; the axis %s", g.Currency, sales.Currency, diff)
				}
				g.Shards = []int{1, 4, 500}[i]
				p, s := beam.NewPipelineWithRoot()
				collect(s, t.Name(), ReadSeries(s, g))
				if _, err := beam.Run(context.WithoutCancel(t.Context()), runner, p); err != nil {
					t.Fatal(err)
				}
				got, want := collected(t.Name()), encoded(t, panel)
				slices.SortFunc(got, slices.Compare)
				slices.SortFunc(want, slices.Compare)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
				for _, e := range got {
					if _, err := decodeSeries(e, g.Axis.Open); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	if _, err := PlanGold(t.Context(), st, "USD", calendar); err == nil || !strings.Contains(err.Error(), `"USD"`) {
		t.Errorf("got %v", err)
	}
}

// TestGoldToForecasts runs the whole graph from gold on.
func TestGoldToForecasts(t *testing.T) {
	f, dir := testShop(t), t.TempDir()
	st, err := lake.OpenStore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	newGold(t, st, 25, 120)
	g, err := PlanGold(t.Context(), st, "", forecast.Calendar{})
	if err != nil {
		t.Fatal(err)
	}
	sales, err := forecast.ReadLakeSales(t.Context(), st, "")
	if err != nil {
		t.Fatal(err)
	}
	panel, err := sales.Panel(forecast.Product, forecast.Units, forecast.Calendar{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := f.fit.Forecast(t.Context(), panel, 7)
	if err != nil {
		t.Fatal(err)
	}
	o := f.options
	o.Axis = g.Axis
	got, dead := runScore(t, "prism", o, func(s beam.Scope) beam.PCollection { return ReadSeries(s, g) })
	if len(dead) > 0 {
		t.Errorf("dead letters: %+v", dead)
	}
	sameForecast(t, panel, want, got)
}

func TestGoldWithoutSales(t *testing.T) {
	st, err := lake.OpenStore(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := PlanGold(t.Context(), st, "", forecast.Calendar{}); err == nil || !strings.Contains(err.Error(), "no complete business day") {
		t.Errorf("got %v", err)
	}
}
