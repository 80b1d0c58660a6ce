package quality

import (
	"fmt"
	"testing"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/sql/tables"
)

// BenchmarkOrderLines holds a million order lines to the rules of their table.
func BenchmarkOrderLines(b *testing.B) {
	const n, products = 1_000_000, 4000
	rules, err := Load(tables.Files, tables.Must("order_lines"))
	if err != nil {
		b.Fatal(err)
	}
	rows := make([]lake.OrderLineRow, n)
	catalogue := make([]lake.CatalogueRow, products)
	for i := range catalogue {
		catalogue[i] = lake.CatalogueRow{ProductID: fmt.Sprintf("product-%d", i)}
	}
	c := Context{Date: day, Complete: true, Control: map[string]int64{}, Tables: map[string]Rows{"product_catalogue": RowsOf(catalogue)}}
	for i := range rows {
		r := lake.OrderLineRow{
			Date: dayNumber, EventID: fmt.Sprintf("01956f1c-0000-7000-8000-%012x", i), OrderID: fmt.Sprintf("order-%d", i/7), Cancelled: i%50 == 0,
			ProductID: catalogue[i*31%products].ProductID, Category: "home", Quantity: int64(i%9 + 1), UnitPrice: shop.Money(i%1000+1) * 10_000, Currency: []string{"GBP", "EUR"}[i%2],
		}
		r.Amount, _ = r.UnitPrice.Mul(r.Quantity)
		rows[i] = r
		prefix := ""
		if r.Cancelled {
			prefix = "cancelled_"
			c.Control["cancelled_lines"]++
		} else {
			c.Control["order_lines"]++
		}
		c.Control[prefix+"units"] += r.Quantity
		c.Control[prefix+"revenue/"+r.Currency] += int64(r.Amount)
	}
	b.ReportAllocs()
	for b.Loop() {
		if out := rules.Evaluate(RowsOf(rows), c); out.Failed || out.Quarantined != nil {
			b.Fatalf("%+v", out)
		}
	}
}
