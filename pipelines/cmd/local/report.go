package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/pipelines"
)

// topProducts is how many products the report lists.
const topProducts = 10

// report prints what is in the lake: counts with the identity, revenue, the
// best sellers, and how to go on.
func report(ctx context.Context, w io.Writer, o pipelines.StreamingOptions, totals lake.Totals) error {
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
	if err := sums.name(ctx, st, ledger); err != nil {
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
	for _, c := range slices.Sorted(maps.Keys(sums.shop)) {
		s := sums.shop[c]
		fmt.Fprintf(w, "Revenue: %s from %s order lines (%s units); cancelled: %s (%s lines).\n",
			money(c, s.revenue), number(s.lines), number(s.units), money(c, s.cancelled), number(s.cancelledLines))
	}
	sums.print(w)

	uri := st.URI()
	fmt.Fprintf(w, "\nThe lake is %s\n", uri)
	if !strings.HasPrefix(uri, "gs://") {
		files := filepath.ToSlash(filepath.Join(uri, "silver", "**", "*.parquet"))
		fmt.Fprintf(w, `Ask it with DuckDB (or pyarrow, Spark, BigQuery):
  duckdb -c "SELECT category, sum(quantity * unit_price) AS revenue
             FROM read_parquet('%s', hive_partitioning = true)
             WHERE event_type = 'order_created' GROUP BY ALL ORDER BY revenue DESC"
`, files)
	}
	return nil
}

// sums are what the metrics of the lake add up to. Currencies are never added
// up.
type sums struct {
	shop     map[string]*sum // by currency
	products map[productKey]*sum
	top      []productKey
	names    map[string]string // of the top products
}

type productKey struct{ product, category, currency string }

type sum struct {
	revenue, cancelled           shop.Money
	lines, units, cancelledLines int64
}

// sumMetrics adds up the hourly metrics that readers may see.
func sumMetrics(ctx context.Context, st lake.Store, ledger *lake.Ledger) (*sums, error) {
	out := &sums{shop: map[string]*sum{}, products: map[productKey]*sum{}, names: map[string]string{}}
	for _, row := range ledger.VisibleMetrics() {
		for _, f := range row.Files {
			if k, err := lake.ParseName(f.Name); err != nil || k.Kind != "1h" {
				continue
			}
			rows, err := lake.ReadAll[lake.MetricRow](ctx, st, f.Name)
			if err != nil {
				return nil, err
			}
			for i := range rows {
				out.add(&rows[i])
			}
		}
	}
	for k, s := range out.products {
		if s.lines > 0 {
			out.top = append(out.top, k)
		}
	}
	slices.SortFunc(out.top, func(a, b productKey) int {
		return cmp.Or(cmp.Compare(out.products[b].revenue, out.products[a].revenue),
			cmp.Compare(a.product, b.product), cmp.Compare(a.category, b.category), cmp.Compare(a.currency, b.currency))
	})
	out.top = out.top[:min(topProducts, len(out.top))]
	return out, nil
}

func (s *sums) add(r *lake.MetricRow) {
	if r.Currency == "" {
		return
	}
	var to *sum
	switch r.Level {
	case lake.LevelShop:
		to = at(s.shop, r.Currency)
	case lake.LevelProduct:
		to = at(s.products, productKey{r.ProductID, r.Category, r.Currency})
	default:
		return
	}
	to.revenue = plus(to.revenue, r.Revenue)
	to.cancelled = plus(to.cancelled, r.CancelledRevenue)
	to.lines += r.OrderLines
	to.units += r.Units
	to.cancelledLines += r.CancelledLines
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

func at[K comparable](m map[K]*sum, k K) *sum {
	s := m[k]
	if s == nil {
		s = &sum{}
		m[k] = s
	}
	return s
}

// name finds the names of the top products in silver, newest files first,
// reading no more of them than it needs.
func (s *sums) name(ctx context.Context, st lake.Store, ledger *lake.Ledger) error {
	missing := map[string]bool{}
	categories := map[string]bool{}
	for _, k := range s.top {
		missing[k.product] = true
		categories[k.category] = true
	}
	for _, row := range slices.Backward(ledger.Visible()) {
		for _, f := range row.Files {
			if len(missing) == 0 {
				return nil
			}
			if k, err := lake.ParseName(f.Name); err != nil || k.Lane != lake.Silver || !categories[k.Category] {
				continue
			}
			rows, err := lake.ReadAll[lake.SilverRow](ctx, st, f.Name)
			if err != nil {
				return err
			}
			for i := range rows {
				r := &rows[i]
				if missing[r.ProductID] && r.ProductName != "" {
					s.names[r.ProductID] = r.ProductName
					delete(missing, r.ProductID)
				}
			}
		}
	}
	return nil
}

func (s *sums) print(w io.Writer) {
	if len(s.top) == 0 {
		return
	}
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.SetTitle("Top products by revenue")
	t.AppendHeader(table.Row{"#", "product", "name", "category", "lines", "units", "revenue"})
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 3, WidthMax: 38, WidthMaxEnforcer: text.Trim},
		{Number: 5, Align: text.AlignRight},
		{Number: 6, Align: text.AlignRight},
		{Number: 7, Align: text.AlignRight},
	})
	for i, k := range s.top {
		p := s.products[k]
		t.AppendRow(table.Row{i + 1, k.product, s.names[k.product], k.category, number(p.lines), number(p.units), money(k.currency, p.revenue)})
	}
	fmt.Fprintln(w)
	t.Render()
}
