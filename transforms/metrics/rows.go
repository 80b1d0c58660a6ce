package metrics

import (
	"cmp"
	"slices"

	"example.com/shopstream/internal/lake"
)

// Rows are the rows of one window [start, end), ms, at every level, in order:
// level, product, category, currency.
//
// All columns but conversion are additive within a level. A row without a
// currency carries views, carts and the conversion: order lines of all
// currencies divided by views, NULL where there were no views.
func (t Table) Rows(start, end int64) []lake.MetricRow {
	byCategory, byShop := Table{}, Table{}
	for k, s := range t {
		byCategory.at(Key{Category: k.Category, Currency: k.Currency}).add(s)
		byShop.at(Key{Currency: k.Currency}).add(s)
	}
	var out []lake.MetricRow
	for _, level := range []struct {
		name  string
		table Table
	}{{lake.LevelProduct, t}, {lake.LevelCategory, byCategory}, {lake.LevelShop, byShop}} {
		out = level.table.appendRows(out, level.name, start, end)
	}
	return out
}

func (t Table) appendRows(out []lake.MetricRow, level string, start, end int64) []lake.MetricRow {
	keys := t.Sorted()
	for i := 0; i < len(keys); {
		// The keys of one product and category are neighbours, the one without a currency first.
		j := i
		var lines int64
		for j < len(keys) && keys[j].Product == keys[i].Product && keys[j].Category == keys[i].Category {
			lines += t[keys[j]].Lines
			j++
		}
		for _, k := range keys[i:j] {
			s := t[k]
			r := lake.MetricRow{
				WindowStart: start * 1000, WindowEnd: end * 1000, Level: level,
				ProductID: k.Product, Category: k.Category, Currency: k.Currency,
				OrderLines: s.Lines, Units: s.Units, Revenue: s.Revenue,
				CancelledLines: s.CancelledLines, CancelledUnits: s.CancelledUnits, CancelledRevenue: s.CancelledRevenue,
				Views: s.Views, Carts: s.Carts,
			}
			if s.Views > 0 {
				c := float64(lines) / float64(s.Views)
				r.Conversion = &c
			}
			out = append(out, r)
		}
		i = j
	}
	return out
}

// Sort orders rows of several windows by window; the order within a window
// stays.
func Sort(rows []lake.MetricRow) {
	slices.SortStableFunc(rows, func(a, b lake.MetricRow) int {
		return cmp.Or(cmp.Compare(a.WindowStart, b.WindowStart), cmp.Compare(a.WindowEnd, b.WindowEnd))
	})
}
