package sales

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// randomDaily are daily sales of one day, as a history gives them.
func randomDaily(t *testing.T, r *rand.Rand, n int) []lake.DailySalesRow {
	t.Helper()
	seen := map[dailyKey]bool{}
	var rows []lake.DailySalesRow
	for range n {
		k := dailyKey{fmt.Sprint("p", r.IntN(5)), []string{"toys", "books", uncategorized}[r.IntN(3)], []string{"GBP", "EUR"}[r.IntN(2)]}
		if seen[k] {
			continue
		}
		seen[k] = true
		row := lake.DailySalesRow{Date: 7, ProductID: k.product, Category: k.category, Currency: k.currency}
		if r.IntN(4) > 0 {
			row.OrderLines, row.Units, row.Revenue = 1+r.Int64N(3), 1+r.Int64N(9), shop.Money(1_000_000*r.Int64N(20))
		}
		if r.IntN(3) == 0 {
			row.CancelledLines, row.CancelledUnits, row.CancelledRevenue = 1, 1+r.Int64N(3), shop.Money(500_000*(1+r.Int64N(9)))
		}
		if r.IntN(3) == 0 {
			row.Views, row.Carts = r.Int64N(9), r.Int64N(4)
		}
		rows = append(rows, row)
	}
	rows, err := normalize(rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// eventsDay makes daily sales look as those of events, with their categories.
func eventsDay(daily []lake.DailySalesRow) *Day {
	d := &Day{Daily: slices.Clone(daily)}
	if len(daily) > 0 {
		d.Category = categoriesOf(daily)
	}
	for i := range d.Daily {
		d.Daily[i].Source, d.Daily[i].Orders, d.Daily[i].Customers = sourceEvents, known(d.Daily[i].OrderLines), known[int64](1)
	}
	for i := range d.Category {
		d.Category[i].Source, d.Category[i].Orders, d.Category[i].Customers = sourceEvents, known(d.Category[i].OrderLines), known[int64](1)
	}
	return d
}

// Of random histories and events: each part of a series is the larger one of
// both, whole; no other row is there, and the tables and the totals that they are
// held to agree.
func TestMergeIsTheFloorOfHistoryAndEvents(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 12))
		history, events := randomDaily(t, r, r.IntN(12)), eventsDay(randomDaily(t, r, r.IntN(12)))
		if len(history) == 0 {
			continue
		}
		m := merge(7, false, history, events)
		got, h, e := amountsOf(m.daily), amountsOf(history), amountsOf(events.Daily)
		keys := map[series]bool{}
		for _, of := range []map[series]*amounts{got, h, e} {
			for k := range of {
				keys[k] = true
			}
		}
		for k := range keys {
			have, ofHistory, ofEvents := of(got, k), of(h, k), of(e, k)
			sales := func(a amounts) [3]int64 { return [3]int64{int64(a.Revenue), a.Units, a.Lines} }
			gone := func(a amounts) [3]int64 {
				return [3]int64{int64(a.CancelledRevenue), a.CancelledUnits, a.CancelledLines}
			}
			for name, part := range map[string]func(amounts) [3]int64{"sales": sales, "cancellations": gone} {
				if want := larger(part(ofHistory), part(ofEvents)); part(have) != want {
					t.Fatalf("seed %d: %s of %v: %v, expected %v, the larger of %v and %v", seed, name, k, part(have), want, part(ofHistory), part(ofEvents))
				}
			}
			if have.views != max(ofHistory.views, ofEvents.views) || have.carts != max(ofHistory.carts, ofEvents.carts) {
				t.Fatalf("seed %d: views and carts of %v: %+v, history %+v, events %+v", seed, k, have.looks, ofHistory.looks, ofEvents.looks)
			}
		}
		want := newHeader()
		for k, a := range got {
			want.floor(k, choice{}, a, nil)
		}
		if diff := gocmp.Diff(want.control(), m.header.control()); diff != "" {
			t.Fatalf("seed %d: (-tables +control):\n%s", seed, diff)
		}
		if diff := gocmp.Diff(sumsOf(categoriesOf(m.daily)), sumsOf(m.category), gocmp.AllowUnexported(categorySum{}, categoryKey{}, money{}, looks{})); diff != "" {
			t.Fatalf("seed %d: (-daily_sales +category_revenue):\n%s", seed, diff)
		}
		for i, row := range m.daily {
			if row.Complete || row.NetRevenue != row.Revenue-row.CancelledRevenue {
				t.Fatalf("seed %d: %+v", seed, row)
			}
			if i > 0 && cmp.Or(cmp.Compare(m.daily[i-1].ProductID, row.ProductID), cmp.Compare(m.daily[i-1].Category, row.Category), cmp.Compare(m.daily[i-1].Currency, row.Currency)) >= 0 {
				t.Fatalf("seed %d: rows are not in the order of the grain: %+v", seed, m.daily)
			}
			if row.Source == sourceEvents && !slices.ContainsFunc(events.Daily, func(e lake.DailySalesRow) bool {
				e.Complete, e.Conversion = row.Complete, row.Conversion
				return gocmp.Equal(e, row)
			}) {
				t.Fatalf("seed %d: a row of events that they do not have: %+v", seed, row)
			}
		}
		again := merge(7, false, history, events)
		if gocmp.Diff(m.daily, again.daily) != "" || gocmp.Diff(m.category, again.category) != "" {
			t.Fatalf("seed %d: another time, other rows", seed)
		}
	}
}

func of(m map[series]*amounts, k series) amounts {
	if a := m[k]; a != nil {
		return *a
	}
	return amounts{}
}

func larger(a, b [3]int64) [3]int64 {
	if slices.Compare(a[:], b[:]) > 0 {
		return a
	}
	return b
}

type categorySum struct {
	categoryKey
	money
	looks
	products int64
}

func sumsOf(rows []lake.CategoryRevenueRow) (out []categorySum) {
	for _, r := range rows {
		out = append(out, categorySum{
			categoryKey{r.Category, r.Currency}, money{r.OrderLines, r.Units, r.Revenue, r.CancelledLines, r.CancelledUnits, r.CancelledRevenue}, looks{r.Views, r.Carts}, r.Products,
		})
	}
	return out
}
