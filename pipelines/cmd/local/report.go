package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/warehouse/duck"
)

// tell prints what is in the lake: counts with the identity.
func tell(w io.Writer, totals lake.Totals) {
	fmt.Fprintf(w, "\nThe ledger: %s records read = %s silver + %s duplicates + %s dead letters + %s late. The identity holds.\n",
		number(totals.Read), number(totals.Silver), number(totals.Duplicates), number(totals.DeadCount()), number(totals.Late))
	if len(totals.Dead) > 0 {
		var reasons []string
		for _, r := range slices.Sorted(maps.Keys(totals.Dead)) {
			reasons = append(reasons, fmt.Sprintf("%s %s", r, number(totals.Dead[r])))
		}
		fmt.Fprintf(w, "Dead letters by reason: %s.\n", strings.Join(reasons, ", "))
	}
}

// revenueText sums up gold by currency: what was imported apart from the lake's
// own events, and of those what was sold on days that are not over.
const revenueText = `SELECT
  currency,
  source = 'history' AS imported,
  CAST(SUM(revenue) AS STRING) AS revenue,
  SUM(order_lines) AS order_lines,
  SUM(units) AS units,
  CAST(SUM(cancelled_revenue) AS STRING) AS cancelled_revenue,
  SUM(cancelled_lines) AS cancelled_lines,
  CAST(SUM(CASE WHEN complete THEN 0 ELSE revenue END) AS STRING) AS open_revenue,
  CAST(MIN(date) AS STRING) AS first_date,
  CAST(MAX(date) AS STRING) AS last_date,
  CAST(MIN(CASE WHEN complete THEN NULL ELSE date END) AS STRING) AS open_date
FROM daily_sales
WHERE currency IS NOT NULL
GROUP BY currency, source = 'history'
ORDER BY imported, currency`

// tellRevenue prints what gold's tables add up to: each event once, late ones
// included.
func tellRevenue(ctx context.Context, w io.Writer, db *duck.Duck) error {
	rows, err := db.Query(ctx, revenueText, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(w)
	if len(rows.Rows) == 0 {
		fmt.Fprintln(w, "Revenue: none, nothing was ordered.")
	}
	for _, r := range rows.Rows {
		sum := revenueOf(r)
		if sum.imported {
			fmt.Fprintf(w, "Imported history: %s, %s to %s.\n", money(sum.currency, sum.revenue), sum.first, sum.last)
			continue
		}
		fmt.Fprintf(w, "Revenue: %s from %s order lines (%s units); cancelled: %s (%s lines).\n",
			money(sum.currency, sum.revenue), number(sum.lines), number(sum.units), money(sum.currency, sum.cancelled), number(sum.cancelledLines))
		fmt.Fprintf(w, "That is the table daily_sales from %s to %s, late events included", sum.first, sum.last)
		if sum.open != "" {
			fmt.Fprintf(w, "; %s of it are of %s, which is not over", money(sum.currency, sum.openRevenue), sum.open)
		}
		fmt.Fprintln(w, ".")
	}
	return nil
}

// revenue is a row of revenueText.
type revenue struct {
	currency                        string
	imported                        bool
	revenue, cancelled, openRevenue shop.Money
	lines, units, cancelledLines    int64
	first, last, open               string // dates; open: the first that is not over
}

func revenueOf(r []any) (sum revenue) {
	text := func(i int) string { s, _ := r[i].(string); return s }
	count := func(i int) int64 { n, _ := r[i].(int64); return n }
	amount := func(i int) shop.Money {
		whole, fraction, _ := strings.Cut(text(i), ".")
		m, err := shop.ParseMoney(strings.TrimSuffix(whole+"."+strings.TrimRight(fraction, "0"), "."))
		if err != nil { // of a sum: it is more than an amount can be
			return shop.MaxMoney
		}
		return m
	}
	imported, _ := r[1].(bool)
	return revenue{
		currency: text(0), imported: imported, revenue: amount(2), lines: count(3), units: count(4), cancelled: amount(5), cancelledLines: count(6),
		openRevenue: amount(7), first: text(8), last: text(9), open: text(10),
	}
}
