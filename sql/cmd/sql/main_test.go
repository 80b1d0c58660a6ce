package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/sql"
	"example.com/shopstream/sql/sqltest"
)

// call runs the program.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return callWith(t, "", args...)
}

func callWith(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

const sales = `
date,       product_id, currency, order_lines, units, revenue, net_revenue
2026-03-01, A,          GBP,      1,           2,     10.10,   10.10
2026-03-02, A,          GBP,      1,           2,     20,      20
2026-03-02, =B,         EUR,      1,           1,     0.000001, 0.000001
`

func testLake(t *testing.T, texts map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	if err := sqltest.WriteLake(t.Context(), folder, texts); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestRun(t *testing.T) {
	t.Parallel()
	lake := testLake(t, map[string]string{"daily_sales": sales})
	for name, c := range map[string]struct {
		args []string
		want string // in stdout
		errs string // is stderr
	}{
		"table": {[]string{"run", "daily_revenue"}, "date        currency", ""},
		"csv": {
			[]string{"run", "top_selling_products", "--format", "csv", "--param", "limit=1", "--escape-formulas"},
			"place,currency,product_id,product_name,category,order_lines,units,revenue,net_revenue,share,complete\r\n1,EUR,'=B,,toys,1,1,0.000001,0.000001,1,true\r\n1,GBP,A,,toys,2,4,30.1,30.1,1,true\r\n", "",
		},
		"json":    {[]string{"run", "daily_revenue", "--format", "json", "--param", "currency=GBP", "--param", "from=2026-03-02"}, `"net_revenue": 20, "growth": 0.9802,`, ""},
		"chart":   {[]string{"run", "daily_revenue", "--format", "chart"}, "net_revenue by date, 2026-03-01 to 2026-03-02, currency GBP", ""},
		"query":   {[]string{"query", "SELECT SUM(revenue) AS r FROM daily_sales WHERE date = @d", "--param", "d:date=2026-03-01", "--format", "csv"}, "r\r\n10.1\r\n", ""},
		"explain": {[]string{"explain", "daily_revenue"}, "PROJECTION", ""},
		"several": {
			[]string{"run", "funnel", "returns"},
			"\n# returns\n",
			"sql: funnel has no rows: it is made of category_revenue, which has no rows; funnel_daily, which has no rows\n" +
				"sql: returns has no rows: it is made of daily_sales, which has 2026-03-01 to 2026-03-02; product_catalogue, which has no rows\n",
		},
	} {
		code, stdout, stderr := call(t, append(c.args, "--lake", lake)...)
		if code != 0 || stderr != c.errs || !strings.Contains(stdout, c.want) {
			t.Errorf("%s: exit code %d, expected %q in\n%s\n%s", name, code, c.want, stdout, stderr)
		}
	}
	code, stdout, _ := callWith(t, "SELECT 1 AS a", "query", "-", "--lake", lake, "--format", "csv")
	if code != 0 || stdout != "a\r\n1\r\n" {
		t.Errorf("query from standard input: exit code %d, %q", code, stdout)
	}
}

func TestRunAll(t *testing.T) {
	t.Parallel()
	lake, out := testLake(t, map[string]string{"daily_sales": sales}), filepath.Join(t.TempDir(), "reports")
	for _, format := range sql.Formats {
		code, stdout, stderr := call(t, "run", "all", "--lake", lake, "--format", format, "--out", out, "--param", "limit=1")
		if code != 0 || stdout != "" || strings.Count(stderr, "\n") != strings.Count(stderr, " has no rows: it is made of ") {
			t.Errorf("%s: exit code %d\n%s%s", format, code, stdout, stderr)
		}
		for _, q := range sql.Queries() {
			data, err := os.ReadFile(filepath.Join(out, q.Name+extensions[format]))
			if err != nil || len(data) == 0 {
				t.Errorf("%s of %s: %d bytes, error %v", format, q.Name, len(data), err)
			}
			if format == "json" && !json.Valid(data) {
				t.Errorf("%s: not JSON: %s", q.Name, data)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(out, ".*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// TestSomeRefuse: of several queries those whose tables have the value are
// answered, and the others named.
func TestSomeRefuse(t *testing.T) {
	t.Parallel()
	lake := testLake(t, map[string]string{"daily_sales": sales, "category_revenue": "date, category, currency, net_revenue\n2026-03-01, toys, EUR, 1\n"})
	code, stdout, stderr := call(t, "run", "category_growth", "daily_revenue", "--param", "currency=GBP", "--lake", lake, "--format", "csv")
	if code != 2 || !strings.Contains(stdout, "2026-03-02,GBP,") || stderr != "sql: category_growth: there is no currency in category_revenue \"GBP\": expected EUR\n" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// TestMistakes wants exit code 2 and what to do for each mistake of the caller,
// and 1 for what is wrong with the world.
func TestMistakes(t *testing.T) {
	t.Parallel()
	lake := testLake(t, map[string]string{"daily_sales": sales})
	empty := t.TempDir()
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{2, "did you mean daily_revenue?", []string{"run", "daily_revenues"}},
		{2, "did you mean csv?", []string{"run", "daily_revenue", "--format", "cvs"}},
		{2, "did you mean currency?", []string{"run", "daily_revenue", "--param", "curency=GBP"}},
		{2, `parameter from: expected a date such as 2026-03-31 (DATE), found "today"`, []string{"run", "daily_revenue", "--param", "from=today"}},
		{2, "expected NAME=VALUE", []string{"run", "daily_revenue", "--param", "from"}},
		{2, "given twice", []string{"run", "daily_revenue", "--param", "from=2026-03-01", "--param", "from=2026-03-01"}},
		{2, "did you mean duckdb?", []string{"run", "daily_revenue", "--engine", "duckb"}},
		{2, "expected --warehouse bigquery://project/dataset", []string{"run", "daily_revenue", "--engine", "bigquery"}},
		{2, "name it with --lake", []string{"run", "daily_revenue", "--engine", "duckdb", "--warehouse", "bigquery://project/dataset"}},
		{2, "expected bigquery://", []string{"run", "daily_revenue", "--warehouse", "bigquery://p"}},
		{2, "unknown flag", []string{"run", "daily_revenue", "--formt", "csv"}},
		{2, "requires at least 1 arg", []string{"run"}},
		{2, "name a folder with --out", []string{"run", "all", "--format", "parquet"}},
		{2, "did you mean daily_sales?", []string{"show", "daily_sale"}},
		{2, "expected a date", []string{"check", "--date", "x"}},
		{2, "Did you mean this?", []string{"chek"}},
		{2, "there is no type", []string{"query", "SELECT @a", "--param", "a:text=1"}},
		{2, "a chart needs the columns", []string{"query", "SELECT 1 AS a", "--format", "chart", "--lake", lake}},
		{2, "there is no value of level \"shops\": did you mean shop?", []string{"run", "demand_vs_actual", "--param", "level=shops", "--lake", lake}},
		{2, "did you mean from=2026-03-01 and to=2026-03-02?", []string{"run", "daily_revenue", "--param", "from=2026-03-02", "--param", "to=2026-03-01"}},
		{2, `daily_revenue: there is no currency in daily_sales "USD": expected EUR, GBP`, []string{"run", "daily_revenue", "--param", "currency=USD", "--lake", lake}},
		{2, "daily_revenue: parameter to=2026-03-03 is outside of the data: expected a date of daily_sales, which has 2026-03-01 to 2026-03-02", []string{"run", "daily_revenue", "--param", "to=2026-03-03", "--lake", lake}},
		{1, "UNIX_DATE(a) - UNIX_DATE(b)", []string{"query", "SELECT DATE_DIFF(date, date, DAY) FROM daily_sales", "--lake", lake}},
		{1, "division by zero: SAFE_DIVIDE(a, b) is NULL there", []string{"query", "SELECT revenue / views AS r FROM daily_sales", "--lake", lake}},
		{1, "has no tables: make them with", []string{"run", "daily_revenue", "--lake", empty}},
		{1, "daily_sale does not exist", []string{"query", "SELECT * FROM daily_sale", "--lake", lake}},
		{1, "tables are only read here", []string{"query", "DROP VIEW daily_sales", "--lake", lake}},
		{1, "write " + lake + "/gold", []string{"run", "daily_revenue", "--out", lake + "/gold", "--lake", lake}},
	} {
		code, stdout, stderr := call(t, c.args...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) || !strings.HasPrefix(stderr, "sql: ") {
			t.Errorf("%v: exit code %d, expected %d and %q in\n%s%s", c.args, code, c.code, c.want, stdout, stderr)
		}
	}
	// A file that stands is kept when a query fails.
	out := filepath.Join(t.TempDir(), "a.csv")
	if err := os.WriteFile(out, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := call(t, "query", "SELECT CAST('x' AS INT64) AS a", "--lake", lake, "--out", out); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if data, err := os.ReadFile(out); err != nil || string(data) != "old" {
		t.Errorf("the file is %q, error %v", data, err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const results = "date, table_name, rule, severity, passed, measured, threshold, rows_failed, detail\n2026-02-28, daily_sales, old, fail, false, 1, 0, 1, x\n"
	const lines = "date, event_id, quantity, unit_price, amount\n2026-03-01, 1, 2, 1.5, "
	for name, c := range map[string]struct {
		tables map[string]string
		args   []string
		code   int
		want   []string
	}{
		"all holds": {
			map[string]string{"order_lines": lines + "3\n", "quality_results": results + "2026-03-01, daily_sales, not_null, fail, true, 0, 0, 0, NULL\n"},
			[]string{"--date", "2026-03-02"},
			0,
			[]string{"ok    order_lines: amount_is_quantity_times_price", "There are no quality results."},
		},
		"a check fails": {
			map[string]string{"order_lines": lines + "4\n"},
			[]string{"--date", "2026-03-01"},
			1,
			[]string{"FAIL  order_lines: amount_is_quantity_times_price: 1 rows break it", "unit_"},
		},
		"a rule fails": {
			map[string]string{"quality_results": results + "2026-03-01, daily_sales, volume, fail, false, 3, 10 or more, 3, NULL\n2026-03-01, daily_sales, a, warn, true, 0, 0, 0, NULL\n"},
			nil, 1,
			[]string{"Gold's rules on 2026-03-01: 2, of which 1 did not hold", "10 or more"},
		},
		"an attempt was stopped": {
			map[string]string{
				"quality_results":  results + "2026-03-01, daily_sales, volume, fail, true, 3, 10 or more, 0, NULL\n",
				"quality_attempts": results + "2026-03-01, daily_sales, volume, fail, false, 3, 20 or more, 7, NULL\n",
			},
			nil, 1,
			[]string{"Gold's rules on 2026-03-01: 1, of which 0 did not hold", "The newest attempt at 2026-03-01 was stopped, and what stood before stands. Rules: 1, of which 1 did not hold", "20 or more"},
		},
		"nothing but an attempt": {
			map[string]string{"quality_attempts": results},
			[]string{"--date", "2026-02-28"},
			1,
			[]string{"The newest attempt at 2026-02-28 was stopped"},
		},
		"a rule warns": {
			map[string]string{"quality_results": "date, table_name, rule, severity, passed\n2026-03-01, daily_sales, volume, warn, false\n"},
			nil, 0,
			[]string{"1, of which 1 did not hold"},
		},
	} {
		code, stdout, stderr := call(t, append(append([]string{"check"}, c.args...), "--lake", testLake(t, c.tables))...)
		if code != c.code || stderr != "" {
			t.Errorf("%s: exit code %d, expected %d\n%s%s", name, code, c.code, stdout, stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: expected %q in\n%s", name, want, stdout)
			}
		}
	}
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	code, list, _ := call(t, "list")
	if code != 0 {
		t.Errorf("list: exit code %d", code)
	}
	for _, q := range sql.Queries() {
		if !strings.Contains(list, q.Name+" ") {
			t.Errorf("list has no %s", q.Name)
		}
		if code, show, _ := call(t, "show", q.Name); code != 0 || !strings.Contains(show, q.Description) || !strings.Contains(show, q.Text) {
			t.Errorf("show %s: exit code %d\n%s", q.Name, code, show)
		}
	}
	if code, show, _ := call(t, "show", "order_lines"); code != 0 || !strings.Contains(show, "NUMERIC") {
		t.Errorf("show order_lines: exit code %d\n%s", code, show)
	}
	for _, args := range [][]string{{"--help"}, {"run", "--help"}, {"query", "--help"}, {"check", "--help"}} {
		if code, help, _ := call(t, args...); code != 0 || !strings.Contains(help, "Examples:") {
			t.Errorf("%v: exit code %d\n%s", args, code, help)
		}
	}
}

// TestLakeFromEnvironment names the lake
// as other programs take it.
func TestLakeFromEnvironment(t *testing.T) {
	t.Setenv("SHOPSTREAM_LAKE_URI", testLake(t, map[string]string{"daily_sales": sales}))
	code, stdout, stderr := call(t, "query", "SELECT COUNT(*) AS n FROM daily_sales", "--format", "csv")
	if diff := cmp.Diff("n\r\n3\r\n", stdout); code != 0 || diff != "" {
		t.Errorf("exit code %d, %s (-want +got):\n%s", code, stderr, diff)
	}
}

// TestLacks: a query over a table that is never published is refused, with what
// to do, where the tables are not the lake's own.
func TestLacks(t *testing.T) {
	for _, q := range sql.Queries() {
		ofLake := q.Name == "dead_letter_reasons"
		for _, remote := range []bool{false, true} {
			err := (&engine{remote: remote}).lacks(q)
			var usage *sql.Usage
			if errors.As(err, &usage) != (remote && ofLake) || err != nil && !strings.Contains(err.Error(), "ask the lake, with --lake") {
				t.Errorf("%s, remote %v: %v", q.Name, remote, err)
			}
		}
	}
}
