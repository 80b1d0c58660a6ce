package pipelines

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/warehouse/duck"
	"example.com/shopstream/sql"
	"example.com/shopstream/transforms/sales"
)

func TestHistoryAndCatalogue(t *testing.T) {
	l := newSmallLake(t, t.TempDir())
	day := civil.DateOf(firstDay)
	l.day(day)
	_, err := lake.Close(t.Context(), l.st)
	l.must(err)
	history, err := sales.ParseHistory(fmt.Appendf(nil, "date,product_id,category,currency,units,revenue,order_lines,views\n%s,p1,toys,GBP,3,10.50,2,7\n%s,p2,toys,EUR,1,2,1,\n%s,p1,toys,GBP,9,9,9,\n",
		day.AddDays(-2), day.AddDays(-2), day))
	l.must(err)
	r := l.gold(GoldOptions{History: history, Catalogue: map[string]sales.CatalogueProduct{"p1": {Name: "One"}}})
	if r.Days != 3 || r.Overlap != 1 || len(r.Notes) != 1 {
		t.Errorf("a day of history, an empty one and a day of events: %s", r.brief())
	}
	rows, err := lake.ReadAll[lake.DailySalesRow](t.Context(), l.st, lake.GoldName("daily_sales", day.AddDays(-2)))
	l.must(err)
	average, two, conversion := shop.Money(3_500_000), shop.Money(2_000_000), 2.0/7
	date := sales.DayOf(day.AddDays(-2))
	want := []lake.DailySalesRow{
		{Date: date, ProductID: "p1", Category: "toys", Views: 7, Conversion: &conversion, Complete: true, Source: "history"},
		{Date: date, ProductID: "p1", Category: "toys", Currency: "GBP", OrderLines: 2, Units: 3, Revenue: 10_500_000, NetRevenue: 10_500_000, AveragePrice: &average, Complete: true, Source: "history"},
		{Date: date, ProductID: "p2", Category: "toys", Currency: "EUR", OrderLines: 1, Units: 1, Revenue: 2_000_000, NetRevenue: 2_000_000, AveragePrice: &two, Complete: true, Source: "history"},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	empty, err := lake.ReadAll[lake.DailySalesRow](t.Context(), l.st, lake.GoldName("daily_sales", day.AddDays(-1)))
	if err != nil || len(empty) != 0 {
		t.Errorf("a day without events: %v, %v", empty, err)
	}
	products, err := lake.ReadAll[lake.CatalogueRow](t.Context(), l.st, lake.GoldName("product_catalogue", day))
	l.must(err)
	i := slices.IndexFunc(products, func(r lake.CatalogueRow) bool { return r.ProductID == "p1" })
	if i < 0 || products[i].ProductName != "One" || products[i].Source != "catalogue" {
		t.Errorf("p1 in the catalogue: %+v", products)
	}
}

// A late event makes two business days of another zone dirty, of which only one
// has it: the other keeps its history.
func TestHistoryBesideLateEvents(t *testing.T) {
	l := newSmallLake(t, t.TempDir())
	day := civil.DateOf(firstDay)
	history, err := sales.ParseHistory(fmt.Appendf(nil, "date,product_id,currency,units,revenue\n%s,p1,GBP,3,1000\n%s,of the history,GBP,3,1000\n", day, day.AddDays(1)))
	l.must(err)
	late := l.order(day.In(time.UTC).Add(20 * time.Hour)) // 5 o'clock of the next day in Tokyo
	l.hour(day.AddDays(3).In(time.UTC), nil, []lake.SilverRow{late})
	_, err = lake.Close(t.Context(), l.st)
	l.must(err)
	r := l.gold(GoldOptions{TimeZone: "Asia/Tokyo", History: history})
	if r.Overlap != 2 || r.Published != 3 { // the day after them is over, and empty
		t.Errorf("%s", r.brief())
	}
	first, err := lake.ReadAll[lake.DailySalesRow](t.Context(), l.st, lake.GoldName("daily_sales", day))
	if err != nil || len(first) != 1 || first[0].Revenue != 1_000_000_000 || first[0].Source != "history" {
		t.Errorf("the day without an event: %+v, %v", first, err)
	}
	second, err := lake.ReadAll[lake.DailySalesRow](t.Context(), l.st, lake.GoldName("daily_sales", day.AddDays(1)))
	if err != nil || len(second) != 2 || revenue(second) != 1_000_000_000+late.UnitPrice*shop.Money(late.Quantity) {
		t.Errorf("the day with an order of another product: %+v, %v", second, err)
	}
}

func revenue(rows []lake.DailySalesRow) (sum shop.Money) {
	for _, r := range rows {
		sum += r.Revenue
	}
	return sum
}

// daily are the rows of daily_sales of a day.
func (l *smallLake) daily(date civil.Date) []lake.DailySalesRow {
	l.t.Helper()
	rows, err := lake.ReadAll[lake.DailySalesRow](l.t.Context(), l.st, lake.GoldName("daily_sales", date))
	l.must(err)
	return rows
}

// parsed is a history as its CSV lines say, after the header.
func (l *smallLake) parsed(lines ...string) []lake.DailySalesRow {
	l.t.Helper()
	rows, err := sales.ParseHistory([]byte("date,product_id,category,currency,units,revenue,order_lines\n" + strings.Join(lines, "\n") + "\n"))
	l.must(err)
	return rows
}

// checksHold runs the rules of the tables that are in SQL.
func (l *smallLake) checksHold() {
	l.t.Helper()
	ctx := l.t.Context()
	db, err := duck.Open(ctx, l.uri, duck.Options{})
	l.must(err)
	defer func() { l.must(db.Close()) }()
	for _, c := range sql.Checks() {
		rows, err := c.Run(ctx, db, nil)
		l.must(err)
		if len(rows.Rows) > 0 && c.Severity == "fail" {
			l.t.Errorf("%s.%s does not hold: %v", c.Table, c.Name, rows.Rows)
		}
	}
}

// Whatever comes late into a day that a history covers, the day keeps what the
// history says, and shows what the events add to it.
func TestLateEventsOfAnImportedDay(t *testing.T) {
	day := civil.DateOf(firstDay)
	at := day.In(time.UTC).Add(10 * time.Hour)
	order := func(kind, product string, price shop.Money) func(*lake.SilverRow) {
		return func(e *lake.SilverRow) {
			e.EventType, e.ProductID, e.Quantity, e.UnitPrice = kind, product, 1, price
			if kind == "product_viewed" {
				e.OrderID, e.Line, e.Quantity, e.UnitPrice, e.Currency = "", 0, 0, 0, ""
			}
		}
	}
	for _, tc := range []struct {
		name         string
		late         []func(*lake.SilverRow)
		revenue, net shop.Money
		views        int64
		differs      bool
	}{
		{"a view", []func(*lake.SilverRow){order("product_viewed", "p1", 0)}, 150_000_000, 150_000_000, 1, false},
		{"an order that may be in the history", []func(*lake.SilverRow){order("order_created", "p1", 10_000_000)}, 150_000_000, 150_000_000, 0, true},
		{"an order of a product that is not in it", []func(*lake.SilverRow){order("order_created", "p7", 10_000_000)}, 160_000_000, 160_000_000, 0, false},
		{"more than the history has", []func(*lake.SilverRow){order("order_created", "p1", 99_000_000), order("order_created", "p1", 52_000_000)}, 201_000_000, 201_000_000, 0, true},
		{"a cancellation", []func(*lake.SilverRow){order("order_cancelled", "p1", 30_000_000)}, 150_000_000, 120_000_000, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newSmallLake(t, t.TempDir())
			history := l.parsed(fmt.Sprint(day, ",p1,toys,GBP,10,100,2"), fmt.Sprint(day, ",p2,toys,GBP,5,50,1"))
			l.hour(day.AddDays(3).In(time.UTC), nil, nil)
			if r := l.gold(GoldOptions{History: history}); r.Published != 3 { // the two days after it are over, and empty
				t.Fatal(r.brief())
			}
			var late []lake.SilverRow
			for _, of := range tc.late {
				e := l.order(at)
				of(&e)
				late = append(late, e)
			}
			l.hour(day.AddDays(3).In(time.UTC).Add(time.Hour), nil, late)
			r := l.gold(GoldOptions{}) // without the history, which the lake keeps
			if r.Overlap != 1 || r.Published != 1 || r.Fresh != 2 || len(r.Failed) > 0 {
				t.Fatalf("%s: %v", r.brief(), r.Checks)
			}
			rows := l.daily(day)
			var net shop.Money
			var views int64
			for _, row := range rows {
				net += row.NetRevenue
				views += row.Views
			}
			if revenue(rows) != tc.revenue || net != tc.net || views != tc.views {
				t.Errorf("revenue %s, net %s, %d views: expected %s, %s and %d in %+v", revenue(rows), net, views, tc.revenue, tc.net, tc.views, rows)
			}
			i := slices.IndexFunc(r.Checks[day], func(q lake.QualityRow) bool { return q.Rule == "history_overlap" && !q.Passed })
			if (i >= 0) != tc.differs {
				t.Errorf("a warning of an overlap: expected %v in %+v", tc.differs, r.Checks[day])
			}
			l.checksHold()
			before := goldFiles(t, l.uri)
			if r := l.gold(GoldOptions{From: day, To: day}); r.Unchanged != 1 || !maps.Equal(before, goldFiles(t, l.uri)) {
				t.Errorf("made again, the day is another: %s", r.brief())
			}
		})
	}
}

// A lake keeps the history and the catalogue that it was given: runs without them
// change nothing; another history changes its own days alone.
func TestHistoryAndCatalogueAreKept(t *testing.T) {
	l := newSmallLake(t, t.TempDir())
	day := civil.DateOf(firstDay)
	l.day(day)
	first := l.parsed(fmt.Sprint(day.AddDays(-2), ",p1,toys,GBP,1,10,1"), fmt.Sprint(day.AddDays(-1), ",p1,toys,GBP,2,20,1"))
	l.gold(GoldOptions{History: first, Catalogue: map[string]sales.CatalogueProduct{"p1": {Name: "One"}, "p2": {Name: "Two"}}})
	before := goldFiles(t, l.uri)
	if r := l.gold(GoldOptions{}); r.Days != 0 || r.Fresh != 3 || len(r.Notes) != 0 {
		t.Errorf("without them: %s, %q", r.brief(), r.Notes)
	}
	if r := l.gold(GoldOptions{Rebuild: true}); r.Unchanged != 3 {
		t.Errorf("every day again, without them: %s", r.brief())
	}
	if diff := cmp.Diff(before, goldFiles(t, l.uri)); diff != "" {
		t.Error("other files without what was given once")
	}

	again := l.parsed(fmt.Sprint(day.AddDays(-3), ",p1,toys,GBP,3,30,1"), fmt.Sprint(day.AddDays(-1), ",p1,toys,GBP,2,25,1"))
	if r := l.gold(GoldOptions{History: again}); r.Published != 2 || r.Fresh != 2 || !strings.Contains(fmt.Sprint(r.Notes), "1 new, 1 in place") {
		t.Errorf("another history: %s, %q", r.brief(), r.Notes)
	}
	for back, want := range map[int]shop.Money{3: 30_000_000, 2: 10_000_000, 1: 25_000_000} {
		if got := revenue(l.daily(day.AddDays(-back))); got != want {
			t.Errorf("%d days before: %s, expected %s", back, got, want)
		}
	}
	if r := l.gold(GoldOptions{Catalogue: map[string]sales.CatalogueProduct{"p1": {Name: "Uno"}}}); r.Days != 4 || !strings.Contains(fmt.Sprint(r.Notes), "1 of those are not in it") {
		t.Errorf("another catalogue: %s, %q", r.brief(), r.Notes)
	}

	// A new generation has them too.
	fresh := mustStore(t, t.TempDir())
	l.must(lake.CarryGoldInputs(t.Context(), l.st, fresh))
	have, ok, err := lake.ReadGoldSettings(t.Context(), fresh)
	if err != nil || !ok || have.TimeZone != "" || len(have.History.Days) != 3 || have.Catalogue.Rows != 1 {
		t.Errorf("carried over: %+v, %v", have, err)
	}
	if _, err := fresh.Get(t.Context(), have.History.File); err != nil {
		t.Error(err)
	}

	r := l.gold(GoldOptions{DropHistory: true, DropCatalogue: true})
	if len(r.Gone) != 3 || r.Published == 0 || len(r.Notes) != 2 {
		t.Errorf("dropped: %s, %q", r.brief(), r.Notes)
	}
	if r := l.gold(GoldOptions{}); r.Days != 0 || r.Fresh != 1 {
		t.Errorf("after that: %s", r.brief())
	}
}

// What is kept is held to its hash, and a day of it is not made without it.
func TestKeptHistoryIsDamaged(t *testing.T) {
	for name, damage := range map[string]func(ctx context.Context, st lake.Store, name string) error{
		"gone":    func(ctx context.Context, st lake.Store, name string) error { return st.Delete(ctx, name) },
		"another": func(ctx context.Context, st lake.Store, name string) error { return st.Put(ctx, name, []byte("PAR1")) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newSmallLake(t, t.TempDir())
			day := civil.DateOf(firstDay)
			l.day(day)
			l.gold(GoldOptions{History: l.parsed(fmt.Sprint(day, ",p1,toys,GBP,1,10,1"))})
			before := goldFiles(t, l.uri)
			have, _, err := lake.ReadGoldSettings(t.Context(), l.st)
			l.must(err)
			l.must(damage(t.Context(), l.st, have.History.File))
			if _, err := l.tryGold(GoldOptions{Rebuild: true}); err == nil || !strings.Contains(err.Error(), "--drop-history --history=FILE") {
				t.Errorf("expected an error that says what to do, found %v", err)
			}
			if !maps.Equal(before, goldFiles(t, l.uri)) {
				t.Error("something was published after an error")
			}
		})
	}
}

// Days that an earlier version made of a history which it did not keep stay as
// they are, late events or not, until the history is given once more or dropped.
func TestHistoryThatIsNotKept(t *testing.T) {
	l := newSmallLake(t, t.TempDir())
	day := civil.DateOf(firstDay)
	history := l.parsed(fmt.Sprint(day, ",p1,toys,GBP,1,10,1"))
	l.hour(day.AddDays(2).In(time.UTC), nil, nil)
	l.gold(GoldOptions{History: history})
	l.must(lake.PutGoldSettings(t.Context(), l.st, lake.GoldSettings{TimeZone: "UTC"})) // as it was
	l.hour(day.AddDays(2).In(time.UTC).Add(time.Hour), nil, []lake.SilverRow{l.order(day.In(time.UTC))})
	before := goldFiles(t, l.uri)
	for _, o := range []GoldOptions{{}, {Rebuild: true}} {
		if r := l.gold(o); len(r.Unkept) != 1 || !maps.Equal(before, goldFiles(t, l.uri)) {
			t.Errorf("%s, not kept %v", r.brief(), r.Unkept)
		}
	}
	if _, err := l.tryGold(GoldOptions{From: day, To: day}); err == nil || !strings.Contains(err.Error(), "--history=FILE") {
		t.Errorf("asked by name: expected an error that says what to give, found %v", err)
	}
	if _, err := l.tryGold(GoldOptions{TimeZone: "Asia/Tokyo", Rebuild: true}); err == nil || !strings.Contains(err.Error(), "--drop-history") {
		t.Errorf("another time zone: expected an error that says what to give, found %v", err)
	}
	if r := l.gold(GoldOptions{History: history}); len(r.Unkept) != 0 || r.Overlap != 1 || revenue(l.daily(day)) < 10_000_000 {
		t.Errorf("given once more: %s", r.brief())
	}
	l.must(lake.PutGoldSettings(t.Context(), l.st, lake.GoldSettings{TimeZone: "UTC"}))
	if r := l.gold(GoldOptions{DropHistory: true}); r.Published == 0 || slices.ContainsFunc(l.daily(day), func(r lake.DailySalesRow) bool { return r.Source != "events" }) {
		t.Errorf("dropped: %s, %+v", r.brief(), l.daily(day))
	}
}
