package quality

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/sql/tables"
)

// retailDays reads Online Retail's sales and cancellations as order lines, by day.
func retailDays(t *testing.T) map[civil.Date][]lake.OrderLineRow {
	t.Helper()
	dir := os.Getenv("SHOPSTREAM_DATA")
	if dir == "" {
		dir = "../../../shared/data"
	}
	f, err := os.Open(filepath.Join(dir, "online_retail.csv.gz"))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the data set is missing: set SHOPSTREAM_DATA to its folder: %v", err)
		}
		t.Skipf("the data set is missing (set SHOPSTREAM_DATA): %v", err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	in := csv.NewReader(unzipped)
	in.ReuseRecord = true
	if _, err := in.Read(); err != nil {
		t.Fatal(err)
	}
	days := map[civil.Date][]lake.OrderLineRow{}
	for line := int64(1); ; line++ {
		r, err := in.Read()
		if errors.Is(err, io.EOF) {
			return days
		}
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.DateTime, r[4])
		if err != nil {
			t.Fatal(err)
		}
		quantity, err := strconv.ParseInt(r[3], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		price, err := shop.ParseMoney(r[5])
		if err != nil {
			t.Fatal(err)
		}
		cancelled := strings.HasPrefix(r[0], "C")
		if cancelled {
			quantity = -quantity
		}
		if quantity <= 0 || price <= 0 {
			continue
		}
		l := lake.OrderLineRow{
			EventID: fmt.Sprint(line), EventTime: at.UnixMicro(), Cancelled: cancelled, OrderID: strings.Clone(r[0]), Line: line, ProductID: strings.Clone(r[1]),
			Category: "uncategorized", UserID: strings.Clone(r[6]), Quantity: quantity, UnitPrice: price, Currency: "GBP", Complete: true,
		}
		l.Amount, _ = price.Mul(quantity)
		date := civil.DateOf(at)
		days[date] = append(days[date], l)
	}
}

// retailDay makes daily_sales and product_catalogue, and the totals.
func retailDay(lines []lake.OrderLineRow) ([]lake.DailySalesRow, []lake.CatalogueRow, map[string]int64) {
	control := map[string]int64{}
	rows := map[string]*lake.DailySalesRow{}
	orders := map[[2]string]bool{}
	prices := map[string]*lake.CatalogueRow{}
	for i := range lines {
		l := &lines[i]
		r := rows[l.ProductID]
		if r == nil {
			r = &lake.DailySalesRow{ProductID: l.ProductID, Category: l.Category, Currency: l.Currency, Orders: new(int64), Customers: new(int64), Complete: true, Source: "events"}
			rows[l.ProductID] = r
			prices[l.ProductID] = &lake.CatalogueRow{ProductID: l.ProductID, ProductName: "x", Category: l.Category, Source: "events"}
		}
		if l.Cancelled {
			r.CancelledLines++
			r.CancelledUnits += l.Quantity
			r.CancelledRevenue += l.Amount
			control["cancelled_lines"]++
			control["cancelled_units"] += l.Quantity
			control["cancelled_revenue/GBP"] += int64(l.Amount)
		} else {
			r.OrderLines++
			r.Units += l.Quantity
			r.Revenue += l.Amount
			if k := [2]string{l.ProductID, l.OrderID}; !orders[k] {
				orders[k] = true
				*r.Orders++
			}
			control["order_lines"]++
			control["units"] += l.Quantity
			control["revenue/GBP"] += int64(l.Amount)
			c := prices[l.ProductID]
			if c.Price == nil {
				c.Currency, c.LowestPrice, c.HighestPrice = l.Currency, ptr(l.UnitPrice), ptr(l.UnitPrice)
			}
			c.Price = ptr(l.UnitPrice)
			*c.LowestPrice, *c.HighestPrice = min(*c.LowestPrice, l.UnitPrice), max(*c.HighestPrice, l.UnitPrice)
		}
		r.NetRevenue = r.Revenue - r.CancelledRevenue
	}
	var daily []lake.DailySalesRow
	var catalogue []lake.CatalogueRow
	for _, id := range sortedKeys(rows) {
		r := rows[id]
		if price, ok := r.Revenue.Div(r.Units); ok {
			r.AveragePrice = &price
		}
		daily, catalogue = append(daily, *r), append(catalogue, *prices[id])
	}
	return daily, catalogue, control
}

// TestOnlineRetail holds the rules of the tables to real days: none of severity
// fail or quarantine may object to what is legal there, such as cancellations
// beyond the day's sales, prices of 38,970 and lines that are there twice.
func TestOnlineRetail(t *testing.T) {
	days := retailDays(t)
	if len(days) != 305 {
		t.Fatalf("%d days, expected 305", len(days))
	}
	rules := map[string]Rules{}
	for _, name := range []string{"order_lines", "daily_sales", "product_catalogue"} {
		r, err := Load(tables.Files, tables.Must(name))
		if err != nil {
			t.Fatal(err)
		}
		rules[name] = r
	}
	measures := map[civil.Date]map[string]float64{}
	warnings, measured := map[string]int{}, map[string]int{}
	dates := make([]civil.Date, 0, len(days))
	for date := range days {
		dates = append(dates, date)
	}
	slices.SortFunc(dates, civil.Date.Compare)
	for _, date := range dates {
		lines := days[date]
		daily, catalogue, control := retailDay(lines)
		measures[date] = map[string]float64{"order_lines": float64(control["order_lines"]), "revenue/GBP": float64(control["revenue/GBP"]) / 1e6}
		c := Context{
			Date: date, Complete: true, Control: control, NewestEvent: time.UnixMicro(lines[len(lines)-1].EventTime), Now: date.AddDays(1).In(time.UTC),
			Tables: map[string]Rows{"order_lines": RowsOf(lines), "daily_sales": RowsOf(daily), "product_catalogue": RowsOf(catalogue)},
			History: func(_, measure string, weeks int) (values []float64) {
				for week := 1; week <= weeks; week++ {
					if m := measures[date.AddDays(-7*week)]; m != nil {
						values = append(values, m[measure])
					}
				}
				return values
			},
		}
		for name, r := range rules {
			out := r.Evaluate(c.Tables[name], c)
			for _, q := range out.Results {
				if Measured(q) {
					measured[q.Rule]++
				}
				switch {
				case q.Passed:
				case q.Severity == string(Warn):
					warnings[name+"."+q.Rule]++
				default:
					t.Errorf("%s %s.%s %s: %s", date, name, q.Rule, q.ColumnName, q.Detail)
				}
			}
			if out.Failed || out.Quarantined != nil {
				t.Fatalf("%s %s: failed %v, quarantined %v", date, name, out.Failed, out.Quarantined)
			}
		}
	}
	// The first four weeks have no history.
	for rule, least := range map[string]int{"freshness": 305, "volume_lines": 250, "volume_revenue": 250, "control_revenue": 610, "known_product": 610} {
		if measured[rule] < least {
			t.Errorf("%s was measured %d times, expected %d or more", rule, measured[rule], least)
		}
	}
	for _, name := range sortedKeys(warnings) {
		t.Logf("%s warns on %d of %d days", name, warnings[name], len(days))
		if warnings[name] > len(days)/10 {
			t.Errorf("%s warns too often to be read", name)
		}
	}
}
