package sql_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/internal/warehouse/duck"
	"example.com/shopstream/sql"
	"example.com/shopstream/sql/sqltest"
)

func openLake(t *testing.T, texts map[string]string) *duck.Duck {
	t.Helper()
	folder := t.TempDir()
	if err := sqltest.WriteLake(t.Context(), folder, texts); err != nil {
		t.Fatal(err)
	}
	return openAt(t, folder)
}

func openAt(t *testing.T, folder string) *duck.Duck {
	t.Helper()
	d, err := duck.Open(t.Context(), folder, duck.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// TestQueries runs the cases beside the queries.
func TestQueries(t *testing.T) {
	t.Parallel()
	cases, err := sqltest.Cases(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{}
	for _, c := range cases {
		tested[c.Query] = true
		t.Run(c.Query+"/"+c.Name, func(t *testing.T) {
			t.Parallel()
			rows, err := sql.Run(t.Context(), openLake(t, c.Tables), c.Query, c.Params)
			var refused *sql.Usage
			if c.Refused != "" {
				if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.Refused) {
					t.Errorf("%s: %v, expected a refusal with %q", c.About, err, c.Refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			header, want, err := sqltest.ParseCSV(c.Want)
			if err != nil {
				t.Fatal(err)
			}
			if header == nil {
				t.Fatal("the case expects no columns")
			}
			if diff := cmp.Diff(lines(header, want), lines(sqltest.Texts(rows))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.About, diff)
			}
		})
	}
	for _, q := range sql.Queries() {
		if !tested[q.Name] {
			t.Errorf("query %s has no test", q.Name)
		}
	}
}

func lines(header []string, rows [][]string) []string {
	out := []string{strings.Join(header, ", ")}
	for _, row := range rows {
		out = append(out, strings.Join(row, ", "))
	}
	return out
}

// TestColumns wants each query to have the columns that its metadata describes,
// also over a lake without a file.
func TestColumns(t *testing.T) {
	t.Parallel()
	d := openLake(t, nil)
	for _, q := range sql.Queries() {
		rows, err := sql.Run(t.Context(), d, q.Name, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		var want []warehouse.ResultColumn
		for _, c := range q.Columns {
			want = append(want, warehouse.ResultColumn{Name: c.Name, Type: c.Type})
		}
		if diff := cmp.Diff(want, rows.Columns); diff != "" {
			t.Errorf("%s: columns (-metadata +query):\n%s", q.Name, diff)
		}
		if len(rows.Rows) > 0 {
			t.Errorf("%s: %d rows over an empty lake", q.Name, len(rows.Rows))
		}
		for _, s := range q.Sources {
			if !strings.Contains(q.Text, "FROM "+s+"\n") && !strings.Contains(q.Text, "JOIN "+s+"\n") {
				t.Errorf("%s: the source %s is not in the text", q.Name, s)
			}
		}
	}
}

// TestChecks wants every check to hold over an empty lake.
func TestChecks(t *testing.T) {
	t.Parallel()
	d := openLake(t, nil)
	checks := sql.Checks()
	if len(checks) < 6 {
		t.Errorf("%d checks, expected 6 or more", len(checks))
	}
	for _, c := range checks {
		rows, err := c.Run(t.Context(), d, nil)
		if c.Severity != "fail" && c.Severity != "warn" {
			t.Errorf("check %s of %s: severity %q", c.Name, c.Table, c.Severity)
		}
		if err != nil {
			t.Error(err)
		} else if len(rows.Rows) > 0 {
			t.Errorf("check %s of %s: %d rows over an empty lake", c.Name, c.Table, len(rows.Rows))
		}
	}
}

// TestChecksFind wants each check to find what it is for.
func TestChecksFind(t *testing.T) {
	t.Parallel()
	d := openLake(t, map[string]string{
		"order_lines": `
date,       event_id, product_id, currency, quantity, unit_price, amount, cancelled
2026-03-01, 1,        A,          GBP,      2,        1.5,        3,      false
2026-03-01, 2,        A,          GBP,      2,        1.5,        3.1,    false
2026-03-02, 3,        A,          GBP,      1,        1,          1,      true
2026-02-01, twice,    B,          GBP,      1,        1,          1,      false
2026-03-05, twice,    B,          GBP,      1,        2,          2,      false
`,
		"daily_sales": `
date,       product_id, currency, order_lines, units, revenue, cancelled_lines, cancelled_revenue, net_revenue, source
2026-03-01, A,          GBP,      2,           4,     6.1,     0,               0,                 6.1,         events
2026-03-02, A,          GBP,      0,           0,     0,       1,               1,                 0,           events
2026-03-02, B,          GBP,      1,           1,     1,       0,               0,                 1,           events
2026-02-01, B,          GBP,      1,           1,     1,       0,               0,                 1,           history
2026-03-05, B,          GBP,      1,           1,     2,       0,               0,                 2,           events
`,
		"category_revenue": `
date,       currency, order_lines, units, revenue, cancelled_revenue, views, source
2026-03-01, GBP,      2,           4,     6.1,     0,                 0,     events
2026-03-01, NULL,     0,           0,     0,       0,                 5,     events
2026-03-02, GBP,      1,           1,     1,       1,                 0,     events
2026-02-01, GBP,      1,           1,     1,       0,                 0,     history
2026-03-05, GBP,      1,           1,     2,       0,                 0,     events
`,
		"hourly_sales": `
date,       hour_start,           currency, order_lines, units, revenue, cancelled_revenue
2026-03-01, 2026-03-01T00:00:00Z, GBP,      1,           2,     3,       0
2026-03-01, 2026-03-01T01:00:00Z, GBP,      1,           2,     3.1,     0
2026-03-02, 2026-03-02T01:00:00Z, GBP,      1,           1,     1,       0
2026-03-05, 2026-03-05T01:00:00Z, GBP,      1,           1,     2,       0
`,
		"product_catalogue": `
date,       product_id, lowest_price, price, highest_price
2026-03-01, A,          1,            1.5,   1.5
2026-03-02, A,          1,            1.5,   1.4
`,
		"demand_predictions": `
date,       origin,     horizon, level,    series, category, target,  currency, mean, lower_95, lower_80, upper_80, upper_95
2026-03-01, 2026-03-01, 1,       product,  A,      toys,     units,   NULL,     2,    0,        1,        2,        3
2026-03-02, 2026-03-01, 1,       product,  A,      toys,     units,   NULL,     2,    NULL,     NULL,     NULL,     NULL
2026-03-03, 2026-03-01, 3,       product,  A,      toys,     units,   NULL,     2,    2,        1,        2,        3
2026-03-01, 2026-03-01, 1,       product,  B,      toys,     units,   NULL,     3,    NULL,     NULL,     NULL,     NULL
2026-03-01, 2026-03-01, 1,       category, toys,   toys,     units,   NULL,     5,    NULL,     NULL,     NULL,     NULL
2026-03-01, 2026-03-01, 1,       shop,     shop,   NULL,     units,   NULL,     5.5,  NULL,     NULL,     NULL,     NULL
2026-03-04, 2026-03-04, 1,       shop,     shop,   NULL,     units,   GBP,      1,    NULL,     NULL,     NULL,     NULL
2026-03-04, 2026-03-04, 1,       shop,     shop,   NULL,     revenue, GBP,      1,    NULL,     NULL,     NULL,     NULL
`,
	})
	want := map[string][]string{
		"category_revenue.sums_are_those_of_daily_sales":    {"2026-03-01, toys, , 0, NULL, 0, NULL, 0, NULL, 5, NULL"},
		"daily_sales.net_revenue_is_the_difference":         {"2026-03-02, A, toys, GBP, 0, 1, 0"},
		"daily_sales.sums_are_those_of_order_lines":         {"2026-03-02, B, toys, GBP, 1, NULL, 1, NULL, 0, NULL"},
		"demand_predictions.horizon_counts_from_the_origin": {"2026-03-02, 2026-03-01, 1, product, A, units, NULL, m, 1"},
		"demand_predictions.intervals_lie_in_each_other":    {"2026-03-03, 2026-03-01, product, A, units, NULL, m, 1, 2, 1, 2, 3"},
		"demand_predictions.columns_fit_level_and_target":   {"2026-03-04, 2026-03-04, shop, shop, NULL, units, GBP, m, 1"},
		"demand_predictions.means_add_up":                   {"2026-03-01, 2026-03-01, shop, shop, units, , m, 1, 5.5, 5"},
		"demand_predictions.forecast_drift":                 {}, // TestForecastDrift
		"hourly_sales.sums_are_those_of_category_revenue": {
			"2026-03-01, toys, , NULL, 0, NULL, 0, NULL, 0, NULL, 5",
			"2026-03-02, toys, GBP, 1, 1, 1, 1, 0, 1, 0, 0",
		},
		"order_lines.event_id_is_unique":              {"twice, 2, 2026-02-01, 2026-03-05, 1, 2"},
		"order_lines.amount_is_quantity_times_price":  {"2026-03-01, 2, 2, 1.5, 3.1"},
		"product_catalogue.price_is_within_its_range": {"2026-03-02, A, NULL, 1, 1.5, 1.4"},
	}
	day := civil.Date{Year: 2026, Month: 2, Day: 28}
	for _, c := range sql.Checks() {
		rows, err := c.Run(t.Context(), d, nil)
		if err != nil {
			t.Fatal(err)
		}
		name := c.Table + "." + c.Name
		if diff := cmp.Diff(want[name], lines(sqltest.Texts(rows))[1:]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		delete(want, name)
		// On another day it holds.
		if rows, err := c.Run(t.Context(), d, &day); err != nil || len(rows.Rows) > 0 {
			t.Errorf("%s: %v on a day without rows, error %v", name, rows, err)
		}
	}
	for name := range want {
		t.Errorf("there is no check %s", name)
	}
}
