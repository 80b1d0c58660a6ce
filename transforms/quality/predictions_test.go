package quality

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/sql/tables"
)

// TestRulesOfPredictions: sound predictions of every level pass, and each fault is
// found by the rules that are about it.
func TestRulesOfPredictions(t *testing.T) {
	rules, err := Load(tables.Files, tables.Must("demand_predictions"))
	if err != nil {
		t.Fatal(err)
	}
	bound := func(v float64) *float64 { return &v }
	sound := func() []lake.DemandPredictionRow {
		product := lake.DemandPredictionRow{
			Date: 101, Origin: 100, Horizon: 2, Level: lake.LevelProduct, Series: "A", Category: "toys", Target: lake.TargetUnits, Model: "m", ModelVersion: "1",
			Point: 3, Mean: 3.5, Lower80: bound(1), Upper80: bound(6), Lower95: bound(0), Upper95: bound(9), Fallback: "new_product",
		}
		shop := lake.DemandPredictionRow{
			Date: 101, Origin: 100, Horizon: 2, Level: lake.LevelShop, Series: lake.SeriesShop, Target: lake.TargetRevenue, Currency: "GBP", Model: "m", ModelVersion: "1",
			Point: 300_000, Mean: 350_000,
		}
		other := product
		other.Series = "B"
		return []lake.DemandPredictionRow{product, other, shop}
	}
	for name, c := range map[string]struct {
		change func(product, shop *lake.DemandPredictionRow)
		want   []string
	}{
		"sound":                 {func(_, _ *lake.DemandPredictionRow) {}, nil},
		"twice":                 {func(p, _ *lake.DemandPredictionRow) { p.Series = "B" }, []string{"grain"}},
		"no series":             {func(p, _ *lake.DemandPredictionRow) { p.Series = "" }, []string{"present"}},
		"another level":         {func(p, _ *lake.DemandPredictionRow) { p.Level = "total" }, []string{"level_known"}},
		"another target":        {func(p, _ *lake.DemandPredictionRow) { p.Target = "lines" }, []string{"target_known"}},
		"two shops":             {func(_, s *lake.DemandPredictionRow) { s.Series = "london" }, []string{"shop_is_one_series"}},
		"no category":           {func(p, _ *lake.DemandPredictionRow) { p.Category = "" }, []string{"products_have_a_category"}},
		"no currency":           {func(_, s *lake.DemandPredictionRow) { s.Currency = "" }, []string{"revenue_has_a_currency"}},
		"no currency's code":    {func(_, s *lake.DemandPredictionRow) { s.Currency = "pound" }, []string{"currency_code"}},
		"no reason's name":      {func(p, _ *lake.DemandPredictionRow) { p.Fallback = "It is new." }, []string{"fallback_reason"}},
		"horizon 0":             {func(p, _ *lake.DemandPredictionRow) { p.Horizon = 0 }, []string{"horizon_positive"}},
		"after the day":         {func(p, _ *lake.DemandPredictionRow) { p.Origin = 102 }, []string{"origin_before_the_day"}},
		"negative":              {func(p, _ *lake.DemandPredictionRow) { p.Mean = -1 }, []string{"not_negative"}},
		"no number":             {func(_, s *lake.DemandPredictionRow) { s.Point = math.NaN() }, []string{"not_negative"}},
		"a negative bound":      {func(p, _ *lake.DemandPredictionRow) { p.Lower95 = bound(-1) }, []string{"not_negative"}},
		"a million units":       {func(p, _ *lake.DemandPredictionRow) { p.Mean = 1e6 }, []string{"units_plausible"}},
		"80 % wider than 95 %":  {func(p, _ *lake.DemandPredictionRow) { p.Upper80 = bound(10) }, []string{"intervals_nested"}},
		"crossing":              {func(p, _ *lake.DemandPredictionRow) { p.Lower80, p.Upper80 = bound(5), bound(4) }, []string{"intervals_nested"}},
		"the point outside":     {func(p, _ *lake.DemandPredictionRow) { p.Point = 9.5 }, []string{"point_within_95"}},
		"intervals of 80 alone": {func(p, _ *lake.DemandPredictionRow) { p.Lower95, p.Upper95 = nil, nil }, nil},
	} {
		rows := sound()
		c.change(&rows[0], &rows[2])
		var found []string
		for _, r := range rules.Evaluate(RowsOf(rows), Context{Complete: true}).Results {
			if !r.Passed {
				found = append(found, r.Rule)
			}
		}
		if diff := cmp.Diff(c.want, slices.Compact(found), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
