package forecast

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// gold is a lake of complete days from the first on.
func gold(t *testing.T, days int) lake.Store {
	t.Helper()
	st, err := lake.OpenStore(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	if err := lake.PutGoldSettings(t.Context(), st, lake.GoldSettings{TimeZone: "Europe/London"}); err != nil {
		t.Fatal(err)
	}
	for i := range days {
		publish(t, st, 20000+Day(i), true)
	}
	return st
}

func publish(t *testing.T, st lake.Store, day Day, complete bool) {
	t.Helper()
	euro := func(product string, units int64) lake.DailySalesRow {
		return lake.DailySalesRow{Date: int32(day), ProductID: product, Category: "c", Currency: "EUR", OrderLines: units, Units: units, Revenue: shop.Money(units) * 2_000_000, Complete: complete, Source: "events"}
	}
	views := lake.DailySalesRow{Date: int32(day), ProductID: "a", Category: "c", Views: 99, Complete: complete, Source: "events"}
	pounds := euro("a", 1)
	pounds.Currency, pounds.Revenue = "GBP", 5_000_000
	rows := []lake.DailySalesRow{euro("a", 3), pounds, euro("b", 1), views}
	data, err := lake.EncodeGold(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	name := lake.GoldName(dailySales, day.Date())
	if err := st.Put(t.Context(), name, data); err != nil {
		t.Fatal(err)
	}
	p := lake.Publication{Date: day.Date(), Complete: complete, Source: "events", Tables: map[string]lake.PublishedFile{dailySales: {File: name, Rows: int64(len(rows)), Bytes: int64(len(data)), Hash: lake.Hash(data)}}}
	if err := lake.PutPublication(t.Context(), st, p); err != nil {
		t.Fatal(err)
	}
}

func TestReadSales(t *testing.T) {
	st := gold(t, 10)
	publish(t, st, 20010, false) // today
	s, err := ReadSales(t.Context(), st.URI(), "")
	if err != nil {
		t.Fatal(err)
	}
	if s.End != 20010 || s.Currency != "EUR" || s.TimeZone != "Europe/London" || len(s.Rows) != 20 {
		t.Errorf("read %d rows to %v in %s, %s", len(s.Rows), s.End, s.Currency, s.TimeZone)
	}
	if a := s.Rows[0]; a.Product != "a" || a.Units != 4 || a.Paid != 3 || a.Revenue != 6 || a.Orders != 4 {
		t.Errorf("the first row is %+v", a)
	}
	p, err := s.Panel(Product, Units, Calendar{})
	if err != nil || p.Series[0].Price[0] != 2 {
		t.Errorf("the price is %v: %v", p.Series[0].Price[0], err)
	}
	if s, err := ReadSales(t.Context(), st.URI(), "GBP"); err != nil || s.Rows[0].Revenue != 5 {
		t.Errorf("in pounds: %v", err)
	}
	if _, err := ReadSales(t.Context(), st.URI(), "USD"); err == nil || !strings.Contains(err.Error(), "EUR") {
		t.Errorf("in dollars: %v", err)
	}
	// The same rows in a file, without today.
	var rows []lake.DailySalesRow
	for d := Day(20000); d <= 20010; d++ {
		more, err := lake.ReadAll[lake.DailySalesRow](t.Context(), st, lake.GoldName(dailySales, d.Date()))
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, more...)
	}
	data, err := lake.EncodeGold(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "h.parquet")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := ReadSales(t.Context(), name, ""); err != nil || f.End != s.End || len(f.Rows) != len(s.Rows) {
		t.Errorf("from a file: %+v, %v", f, err)
	}
}

// TestSalesThatAreNotWhole: a day that is missing must not look closed.
func TestSalesThatAreNotWhole(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(ctx context.Context, st lake.Store) error
		want  string
	}{
		"a file is gone": {func(ctx context.Context, st lake.Store) error {
			return st.Delete(ctx, lake.GoldName(dailySales, Day(20005).Date()))
		}, "2024-10-09"},
		"the last file is gone": {func(ctx context.Context, st lake.Store) error {
			return st.Delete(ctx, lake.GoldName(dailySales, Day(20009).Date()))
		}, "2024-10-13"},
		"a day is not complete": {func(_ context.Context, st lake.Store) error {
			publish(t, st, 20005, false)
			return nil
		}, "not complete"},
		"there is no gold": {func(ctx context.Context, st lake.Store) error {
			for d := Day(20000); d < 20010; d++ {
				if err := lake.DeletePublication(ctx, st, d.Date()); err != nil {
					return err
				}
			}
			return nil
		}, "run gold"},
	} {
		st := gold(t, 10)
		if err := c.spoil(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadSales(t.Context(), st.URI(), ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

// TestOneCurrencyOnly: a day with sales in another currency is no closed day, and a
// product without any in this one is no series.
func TestOneCurrencyOnly(t *testing.T) {
	var sales []Sale
	for d := range Day(60) {
		sales = append(sales, Sale{Day: 20000 + d, Product: "a", Category: "c", Units: 2, Paid: 2 - float64(d%2)*2, Revenue: 4 - float64(d%2)*4, Orders: 1})
	}
	sales = append(sales, Sale{Day: 20050, Product: "b", Category: "c", Units: 2, Orders: 1}, Sale{Day: 20059, Product: "d", Category: "c", Units: 2, Orders: 1})
	for _, level := range []Level{Product, Category, Shop} {
		p, err := NewPanel(sales, PanelOptions{Level: level, Target: Revenue})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Series) != 1 || len(NewOpening(p).openDays()) != 60 {
			t.Errorf("%s: %d series on %d days", level, len(p.Series), len(NewOpening(p).openDays()))
		}
		if _, err := (Backtest{Origins: LastOrigins(p, 2, 7), Horizon: 7, Models: append(Baselines(), Index{})}).Run(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
}
