package sql_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/sql"
	"example.com/shopstream/sql/sqltest"
)

// TestForecastDrift judges models over three weeks in which product A sells 10 on
// weekdays and 0 on weekends, but 12 and 2 in odd weeks: the seasonal naive is
// wrong by 2 each day.
func TestForecastDrift(t *testing.T) {
	t.Parallel()
	first := civil.Date{Year: 2026, Month: 3, Day: 2} // a Monday
	sold := func(day int) int {                       // on the n-th day
		n := 10
		if day%7 >= 5 {
			n = 0
		}
		return n + day/7%2*2
	}
	forecasts := map[string]struct {
		point, mean func(day int) float64
		days        int // how many of the newest days it has
	}{
		"good":  {func(d int) float64 { return float64(sold(d)) + 1 }, func(d int) float64 { return float64(sold(d)) }, 14},
		"worse": {func(d int) float64 { return float64(sold(d)) + 2.5 }, func(d int) float64 { return float64(sold(d)) }, 14},
		"low":   {func(d int) float64 { return float64(sold(d)) }, func(d int) float64 { return 0.7 * float64(sold(d)) }, 14},
		"young": {func(int) float64 { return 500 }, func(int) float64 { return 500 }, 9},
	}
	sales := "date, product_id, currency, units, complete\n"
	for day := range 22 {
		sales += fmt.Sprintf("%s, A, GBP, %d, %t\n", first.AddDays(day), sold(day), day < 21)
	}
	predictions := "date, origin, horizon, series, model, model_version, point, mean\n"
	for model, f := range forecasts {
		for day := 22 - f.days - 1; day < 22; day++ {
			at := first.AddDays(day)
			predictions += fmt.Sprintf("%s, %s, 2, A, %s, 1, %g, %g\n", at, at.AddDays(-1), model, f.point(day), f.mean(day))
			// What is not judged: an older origin, a newer version (a challenger), no model, more than a week ahead.
			predictions += fmt.Sprintf("%s, %s, 3, A, %s, 1, 900, 900\n", at, at.AddDays(-2), model)
			predictions += fmt.Sprintf("%s, %s, 2, A, %s, 2, 900, 900\n", at, at.AddDays(-1), model)
			predictions += fmt.Sprintf("%s, %s, 2, A, %s, none, 900, 900\n", at, at.AddDays(-1), model)
			predictions += fmt.Sprintf("%s, %s, 8, A, far, 1, 900, 900\n", at, at.AddDays(-7))
		}
	}
	d := openLake(t, map[string]string{"daily_sales": sales, "demand_predictions": predictions})
	checks := sql.Checks()
	check := checks[slices.IndexFunc(checks, func(c sql.Check) bool { return c.Name == "forecast_drift" })]
	if check.Severity != "warn" {
		t.Errorf("severity %q, expected warn", check.Severity)
	}
	// 14 days from the 8th on: 5 weekdays of 12, a weekend of 2, 5 of 10, a weekend of 0, 114 in all.
	for name, c := range map[string]struct {
		date *civil.Date
		want []string
	}{
		"newest complete day": {nil, []string{
			"units, , low, 14, 1, 0, 0.2456, -0.3",
			"units, , worse, 14, 1, 0.307, 0.2456, 0",
		}},
		"too few days": {new(first.AddDays(15)), nil},
		"no forecasts": {new(first.AddDays(6)), nil},
	} {
		rows, err := check.Run(t.Context(), d, c.date)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, lines(sqltest.Texts(rows))[1:], cmp.Transformer("nil", func(s []string) string { return strings.Join(s, "\n") })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestPredictionsOfVersion1: files of the first version of the table, which had
// products only, are refused by name.
func TestPredictionsOfVersion1(t *testing.T) {
	t.Parallel()
	type row struct {
		Date         int32    `parquet:"date,date"`
		Origin       int32    `parquet:"origin,date"`
		Horizon      int64    `parquet:"horizon"`
		ProductID    string   `parquet:"product_id"`
		Model        string   `parquet:"model"`
		ModelVersion string   `parquet:"model_version"`
		Point        float64  `parquet:"point"`
		Mean         float64  `parquet:"mean"`
		Lower80      *float64 `parquet:"lower_80"`
		Upper80      *float64 `parquet:"upper_80"`
		Lower95      *float64 `parquet:"lower_95"`
		Upper95      *float64 `parquet:"upper_95"`
	}
	folder := t.TempDir()
	if err := sqltest.WriteLake(t.Context(), folder, nil); err != nil {
		t.Fatal(err)
	}
	st, err := lake.OpenStore(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := parquet.Write(&file, []row{{Horizon: 1, ProductID: "A", Model: "m", ModelVersion: "1"}}); err != nil {
		t.Fatal(err)
	}
	if err := sqltest.Publish(t.Context(), st, "demand_predictions", civil.Date{Year: 2026, Month: 3, Day: 1}, file.Bytes()); err != nil {
		t.Fatal(err)
	}
	_, err = sql.Run(t.Context(), openAt(t, folder), "demand_vs_actual", nil)
	if err == nil {
		t.Fatal("a file of version 1 was read")
	}
	for _, want := range []string{"demand_predictions/2026-03-01.parquet", "version 2", "product_id"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q in the error: %v", want, err)
		}
	}
}

// TestPredictionRows: what the lake writes has the columns of the table, and is
// scored.
func TestPredictionRows(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	sales := map[string]string{"daily_sales": "date, product_id, currency, units\n2026-03-01, A, GBP, 4"}
	if err := sqltest.WriteLake(t.Context(), folder, sales); err != nil {
		t.Fatal(err)
	}
	date := civil.Date{Year: 2026, Month: 3, Day: 1}
	number := int32(date.DaysSince(civil.Date{Year: 1970, Month: 1, Day: 1}))
	low, high := 3.0, 6.0
	data, err := lake.EncodeGold(nil, []lake.DemandPredictionRow{{
		Date: number, Origin: number - 1, Horizon: 2, Level: lake.LevelProduct, Series: "A", Category: "toys", Target: lake.TargetUnits,
		Model: "m", ModelVersion: "1", Point: 5, Mean: 4.5, Lower80: &low, Upper80: &high, Fallback: "new_product",
	}})
	if err != nil {
		t.Fatal(err)
	}
	st, err := lake.OpenStore(t.Context(), folder)
	if err == nil {
		err = lake.PublishTable(t.Context(), st, "demand_predictions", date, data, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	rows, err := sql.Run(t.Context(), openAt(t, folder), "demand_vs_actual", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"model, NULL, m, 1, NULL, NULL, 1, 1, 1, 4, 4.5, 1, 0.25, 0.125, 1, NULL",
		"horizon, NULL, m, 1, 2, NULL, 1, 1, 1, 4, 4.5, 1, 0.25, 0.125, 1, NULL",
		"series, NULL, m, 1, NULL, A, 1, 1, 1, 4, 4.5, 1, 0.25, 0.125, 1, NULL",
	}
	if diff := cmp.Diff(want, lines(sqltest.Texts(rows))[1:]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
