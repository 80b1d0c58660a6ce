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
	"example.com/shopstream/pipelines"
)

// tell prints what is in the lake: counts with the identity, and revenue.
func tell(ctx context.Context, w io.Writer, o pipelines.StreamingOptions, totals lake.Totals) error {
	st, err := lake.Shared(ctx, o.Lake)
	if err != nil {
		return err
	}
	ledger, err := lake.ReadLedger(ctx, st)
	if err != nil {
		return err
	}
	sums, err := sumMetrics(ctx, st, ledger)
	if err != nil {
		return err
	}

	fmt.Fprintf(w, "\nThe ledger: %s records read = %s silver + %s duplicates + %s dead letters + %s late. The identity holds.\n",
		number(totals.Read), number(totals.Silver), number(totals.Duplicates), number(totals.DeadCount()), number(totals.Late))
	if len(totals.Dead) > 0 {
		var reasons []string
		for _, r := range slices.Sorted(maps.Keys(totals.Dead)) {
			reasons = append(reasons, fmt.Sprintf("%s %s", r, number(totals.Dead[r])))
		}
		fmt.Fprintf(w, "Dead letters by reason: %s.\n", strings.Join(reasons, ", "))
	}
	for _, c := range slices.Sorted(maps.Keys(sums)) {
		s := sums[c]
		fmt.Fprintf(w, "Revenue: %s from %s order lines (%s units); cancelled: %s (%s lines).\n",
			money(c, s.revenue), number(s.lines), number(s.units), money(c, s.cancelled), number(s.cancelledLines))
	}
	return nil
}

// sum is what the metrics of the lake add up to in one currency.
type sum struct {
	revenue, cancelled           shop.Money
	lines, units, cancelledLines int64
}

// sumMetrics adds up the hourly metrics of the shop that readers may see, by
// currency.
func sumMetrics(ctx context.Context, st lake.Store, ledger *lake.Ledger) (map[string]*sum, error) {
	sums := map[string]*sum{}
	for _, row := range ledger.VisibleMetrics() {
		for _, f := range row.Files {
			if k, err := lake.ParseName(f.Name); err != nil || k.Kind != "1h" {
				continue
			}
			rows, err := lake.ReadFile[lake.MetricRow](ctx, st, f)
			if err != nil {
				return nil, err
			}
			for i := range rows {
				r := &rows[i]
				if r.Level != lake.LevelShop || r.Currency == "" {
					continue
				}
				s := sums[r.Currency]
				if s == nil {
					s = &sum{}
					sums[r.Currency] = s
				}
				s.revenue = plus(s.revenue, r.Revenue)
				s.cancelled = plus(s.cancelled, r.CancelledRevenue)
				s.lines += r.OrderLines
				s.units += r.Units
				s.cancelledLines += r.CancelledLines
			}
		}
	}
	return sums, nil
}

// plus adds up for display: what does not fit (nil) is shown as the largest
// amount.
func plus(sum shop.Money, m *shop.Money) shop.Money {
	if m != nil {
		if total, ok := sum.Add(*m); ok {
			return total
		}
	}
	return shop.MaxMoney
}
