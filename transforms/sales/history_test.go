package sales

import (
	"strings"
	"testing"

	"cloud.google.com/go/civil"
	gocmp "github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

func TestParseHistory(t *testing.T) {
	average, half := shop.Money(2_000_000), 0.5
	orders := int64(3)
	got, err := ParseHistory([]byte("\ufeffDate, product_id,currency,units,revenue,orders,order_lines,cancelled_revenue,views,category\r\n" +
		"2025-01-02,b,GBP,2,4.00,,1,1.5,2,\"toys, other\"\r\n2025-01-01,a,EUR,,,3,,,,\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []lake.DailySalesRow{
		{Date: 20089, ProductID: "a", Category: "uncategorized", Currency: "EUR", Orders: &orders, Complete: true, Source: "history"},
		{Date: 20090, ProductID: "b", Category: "toys, other", Views: 2, Conversion: &half, Complete: true, Source: "history"},
		{
			Date: 20090, ProductID: "b", Category: "toys, other", Currency: "GBP", OrderLines: 1, Units: 2, Revenue: 4_000_000, AveragePrice: &average,
			CancelledRevenue: 1_500_000, NetRevenue: 2_500_000, Complete: true, Source: "history",
		},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// What was read can be written as Parquet and read again.
	data, err := lake.EncodeGold(nil, got)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseHistory(data)
	if diff := gocmp.Diff(got, again); diff != "" || err != nil {
		t.Errorf("from Parquet: %v\n%s", err, diff)
	}
}

func TestBadHistory(t *testing.T) {
	const header = "date,product_id,currency,units,revenue\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "first line names the columns"},
		"unknown column":    {"date,product_id,currency,units,revenue,colour\n", `line 1: column "colour"`},
		"column twice":      {"date,product_id,currency,units,revenue,date\n", `column "date"`},
		"missing column":    {"date,product_id,currency,units\n", "expected a column revenue"},
		"no date":           {header + "1 March,a,GBP,1,1\n", "line 2: column date"},
		"negative units":    {header + "2025-01-01,a,GBP,-1,1\n", "line 2: column units"},
		"float":             {header + "2025-01-01,a,GBP,1,1.0000001\n", "line 2: column revenue"},
		"no revenue":        {header + "2025-01-01,a,GBP,1,\n", "line 2: column revenue: expected an amount, since units were sold"},
		"currency":          {header + "2025-01-01,a,pounds,1,1\n", "expected a currency of ISO 4217"},
		"sales without one": {header + "2025-01-01,a,,1,1\n", "since the row has sales"},
		"too few fields":    {header + "2025-01-01,a,GBP\n", "wrong number of fields"},
		"no product":        {header + "2025-01-01,,GBP,1,1\n", "expected a product_id"},
		"twice":             {header + "2025-01-01,a,GBP,1,1\n2025-01-01,a,GBP,2,2\n", "line 3: two rows of 2025-01-01"},
		"semicolons":        {"date;product_id;currency;units;revenue\n", "separated by \";\": save the file with commas"},
		"not UTF-8":         {header + "2025-01-01,Caf\xe9,GBP,1,1\n", "save the file as UTF-8"},
		"a date far away":   {header + "9999-01-01,a,GBP,1,1\n", "expected a date from"},
		"half a file":       {"PAR1 and so on", "expected a whole Parquet file"},
	} {
		if _, err := ParseHistory([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: expected an error with %q, found %v", name, c.want, err)
		}
	}
}

// TestHistoryDays: dates that are likely mistyped are refused with their line.
func TestHistoryDays(t *testing.T) {
	const header = "date,product_id,currency,units,revenue\n"
	today := DayOf(civil.Date{Year: 2026, Month: 3, Day: 1})
	row := func(date string) string { return date + ",a,GBP,1,1\n" }
	week := row("2026-02-20") + row("2026-02-21") + row("2026-02-22")
	for name, c := range map[string]struct{ text, want string }{
		"today":                     {row("2026-03-01"), ""},
		"tomorrow":                  {week + row("2026-03-02"), "history: line 5: 2026-03-02 is after today, 2026-03-01"},
		"a year too late":           {row("2027-02-19") + week, "history: line 2: 2027-02-19 is after today"},
		"a year too early":          {week + row("2016-02-23"), "history: line 5: 2016-02-23 is more than 180 days from all other days of the file (2016-02-23 to 2026-02-22)"},
		"between others":            {row("2024-01-01") + row("2024-01-02") + row("2025-01-01") + week, "line 4: 2025-01-01 is more than 180 days"},
		"180 days away":             {row("2025-08-24") + week, ""},
		"181 days away":             {row("2025-08-23") + week, "line 2: 2025-08-23 is more than 180 days"},
		"a bridge":                  {row("2025-03-01") + row("2025-08-25") + week, ""},
		"a day alone":               {row("2016-02-23"), ""},
		"a market a year":           {row("2023-07-01") + row("2024-07-01") + row("2025-07-01"), ""},
		"two seasons":               {row("2024-07-01") + row("2024-07-02") + row("2025-07-01") + row("2025-07-02"), ""},
		"no day":                    {"", ""},
		"before a history can be":   {week + row("0001-01-01"), "line 5: 0001-01-01 is more than"},
		"after one can be, of two":  {row("9999-01-01") + row("2026-02-20"), "line 2: product \"a\": expected a date from 1900-01-01"},
		"the first of several lost": {week + row("2026-02-23") + row("2001-01-01") + row("1999-01-01"), "line 7: 1999-01-01 is more than"},
	} {
		_, err := ParseHistoryUntil(today)([]byte(header + c.text))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: expected an error with %q, found %v", name, c.want, err)
		}
	}
}

func TestParseCatalogue(t *testing.T) {
	got, err := ParseCatalogue([]byte("product_id,category,product_name\na,toys,A bear\nb,,\"Two, of them\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(map[string]CatalogueProduct{"a": {Name: "A bear", Category: "toys"}, "b": {Name: "Two, of them"}}, got); diff != "" {
		t.Error(diff)
	}
	for name, c := range map[string]struct{ text, want string }{
		"twice":          {"product_id\na\na\n", "there twice"},
		"no id":          {"product_id,category\n,toys\n", "expected a product_id"},
		"no column":      {"category\ntoys\n", "expected a column product_id"},
		"long category":  {"product_id,category\na," + strings.Repeat("x", 81) + "\n", "at most 80 bytes"},
		"unknown column": {"product_id,price\na,1\n", `column "price"`},
	} {
		if _, err := ParseCatalogue([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: expected an error with %q, found %v", name, c.want, err)
		}
	}
}

// What is taken as a history is in the form of daily_sales.
func FuzzParseHistory(f *testing.F) {
	f.Add([]byte("date,product_id,currency,units,revenue,views\n2025-01-01,a,GBP,1,1.5,3\n"))
	f.Add([]byte("date,product_id,currency,units,revenue\n2025-01-01,\"a\nb\",,0,0\n"))
	f.Add([]byte("PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := ParseHistory(data)
		if err != nil {
			return
		}
		for i, r := range rows {
			if r.ProductID == "" || r.Category == "" || r.Source != "history" || r.Revenue < 0 || r.NetRevenue != r.Revenue-r.CancelledRevenue {
				t.Fatalf("%+v", r)
			}
			if r.Currency == "" && (r.Units != 0 || r.Revenue != 0) || r.Currency != "" && r.Views != 0 {
				t.Fatalf("%+v", r)
			}
			if i > 0 && rows[i-1].Date == r.Date && rows[i-1].ProductID == r.ProductID && rows[i-1].Category == r.Category && rows[i-1].Currency >= r.Currency {
				t.Fatalf("%+v is not before %+v", rows[i-1], r)
			}
		}
	})
}

func FuzzParseCatalogue(f *testing.F) {
	f.Add([]byte("product_id,category\na,toys\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		products, err := ParseCatalogue(data)
		if _, ok := products[""]; err == nil && ok {
			t.Fatal("a product without an id")
		}
	})
}

func FuzzMerge(f *testing.F) {
	p := newPartial()
	p.add(&event{ID: "x", Type: ordered, ProductID: "p", Category: "c", OrderID: "o", Currency: "GBP", Quantity: 1, UnitPrice: 5}, 1, Hour{})
	p.add(&event{ID: "y", Type: viewed, ProductID: "p", Category: "c"}, 2, Hour{})
	f.Add(p.pack())
	f.Fuzz(func(t *testing.T, data []byte) {
		p := newPartial()
		if p.merge(data) != nil {
			return
		}
		if _, err := p.build(0, true, mustCalendar(t), nil); err == nil {
			_ = p.pack()
		}
	})
}

func mustCalendar(t *testing.T) *Calendar {
	t.Helper()
	c, err := NewCalendar("UTC")
	if err != nil {
		t.Fatal(err)
	}
	return c
}
