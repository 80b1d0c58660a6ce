package quality

import (
	"testing"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/sql/tables"
)

// TestRulesOfTheTables loads the rules that stand beside the tables.
func TestRulesOfTheTables(t *testing.T) {
	without := map[string]bool{"quality_results": true, "quality_attempts": true, "metrics_5m": true, "dead_letters": true}
	for _, table := range tables.All() {
		r, err := Load(tables.Files, table)
		if err != nil {
			t.Errorf("%s: %v", table.Name, err)
			continue
		}
		if (len(r.Rules) == 0) != without[table.Name] {
			t.Errorf("%s has %d rules", table.Name, len(r.Rules))
		}
	}
}

// TestRowTypes: the rows of the lake have the columns that the schemas say, so
// that no rule fails for want of one.
func TestRowTypes(t *testing.T) {
	for name, rows := range map[string]Rows{
		"daily_sales": RowsOf([]lake.DailySalesRow{}), "category_revenue": RowsOf([]lake.CategoryRevenueRow{}), "hourly_sales": RowsOf([]lake.HourlySalesRow{}),
		"order_lines": RowsOf([]lake.OrderLineRow{}), "funnel_daily": RowsOf([]lake.FunnelRow{}), "product_catalogue": RowsOf([]lake.CatalogueRow{}), "quality_results": RowsOf([]lake.QualityRow{}),
		"demand_predictions": RowsOf([]lake.DemandPredictionRow{}),
	} {
		for _, want := range tables.Must(name).Columns {
			if c, ok := rows.column(want.Name); !ok || c.typ != want.Type {
				t.Errorf("%s.%s: %v, expected %s, found %s", name, want.Name, ok, want.Type, c.typ)
			}
		}
	}
}
