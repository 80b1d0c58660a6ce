package duck

import (
	"fmt"
	"strings"
	"testing"
)

// TestHints: each construct that sql.md says to avoid fails with what to write
// in its place, and that is an answer.
func TestHints(t *testing.T) {
	t.Parallel()
	d := openTest(t, nil)
	for name, c := range map[string]struct {
		text, hint string
		instead    string // a text
		want       string // its first row
	}{
		"month": {
			"SELECT DATE_TRUNC(DATE '2026-03-17', MONTH) AS m", "DATE_SUB(d, INTERVAL (EXTRACT(DAY FROM d) - 1) DAY)",
			"SELECT DATE_SUB(d, INTERVAL (EXTRACT(DAY FROM d) - 1) DAY) AS m FROM (SELECT DATE '2026-03-17' AS d)", "[2026-03-01]",
		},
		"week": {
			"SELECT Date_Trunc(DATE '2026-03-17', WEEK(MONDAY)) AS m", "DATE_SUB(d, INTERVAL (MOD(UNIX_DATE(d) + 3, 7)) DAY)",
			"SELECT DATE_SUB(d, INTERVAL (MOD(UNIX_DATE(d) + 3, 7)) DAY) AS m FROM (SELECT DATE '2026-03-17' AS d)", "[2026-03-16]",
		},
		"days between": {
			"SELECT DATE_DIFF(DATE '2026-03-17', DATE '2026-03-10', DAY) AS n", "UNIX_DATE(a) - UNIX_DATE(b)",
			"SELECT UNIX_DATE(DATE '2026-03-17') - UNIX_DATE(DATE '2026-03-10') AS n", "[7]",
		},
		"safe cast": {
			"SELECT SAFE_CAST('x' AS INT64) AS n", "CAST(CASE WHEN",
			"SELECT CAST(CASE WHEN x != 'x' THEN x END AS INT64) AS n FROM (SELECT 'x' AS x)", "[<nil>]",
		},
		"percentile": {
			"SELECT PERCENTILE_CONT(x, 0.5) OVER () AS m FROM (SELECT 1 AS x)", "WHERE place = DIV(everybody + 1, 2)",
			`SELECT x FROM (SELECT x, ROW_NUMBER() OVER (ORDER BY x) AS place, COUNT(*) OVER () AS everybody
			FROM (SELECT 5 AS x UNION ALL SELECT 7 UNION ALL SELECT 90)) WHERE place = DIV(everybody + 1, 2)`, "[7]",
		},
		"approximate quantiles": {
			"SELECT APPROX_QUANTILES(x, 2) AS m FROM (SELECT 1 AS x)", "WHERE place = DIV(everybody + 1, 2)", "", "",
		},
		"approximate top": {
			"SELECT APPROX_TOP_COUNT(x, 2) AS m FROM (SELECT 1 AS x)", "ORDER BY COUNT(*) DESC, x LIMIT n",
			"SELECT x FROM (SELECT 1 AS x UNION ALL SELECT 2 UNION ALL SELECT 2) GROUP BY x ORDER BY COUNT(*) DESC, x LIMIT 1", "[2]",
		},
		"struct":       {"SELECT STRUCT(1 AS a, 2 AS b) AS s", "a column a value", "SELECT 1 AS a, 2 AS b", "[1 2]"},
		"typed struct": {"SELECT STRUCT<INT64, INT64>(1, 2) AS s", "a column a value", "", ""},
		"array":        {"SELECT [1, 2] AS a", "a row a value", "SELECT 1 AS a UNION ALL SELECT 2 AS a ORDER BY a", "[1]"},
		"unnest":       {"SELECT x FROM UNNEST(GENERATE_ARRAY(1, 3)) AS x", "a row a value", "", ""},
		"array type":   {"SELECT ARRAY<INT64>[1] AS a", "a row a value", "", ""},
		"all but": {
			"SELECT * EXCEPT (a) FROM (SELECT 1 AS a, 2 AS b)", "the names of the columns that are wanted",
			"SELECT b FROM (SELECT 1 AS a, 2 AS b)", "[2]",
		},
	} {
		_, err := d.Query(t.Context(), c.text, nil)
		if err == nil || !strings.Contains(err.Error(), c.hint) || !strings.Contains(err.Error(), "DuckDB") {
			t.Errorf("%s: expected %q and DuckDB's message in: %v", name, c.hint, err)
		}
		if c.instead == "" {
			continue
		}
		rows, err := d.Query(t.Context(), c.instead, nil)
		if err != nil || len(rows.Rows) == 0 || fmt.Sprint(rows.Rows[0]) != c.want {
			t.Errorf("%s: instead: %v, error %v, expected %s", name, rows, err, c.want)
		}
	}
	// Neither a text nor a comment is a construct, and what works needs no hint.
	for _, text := range []string{
		"SELECT 'STRUCT(1)' AS a, nothing FROM daily_sales -- [DATE_DIFF(]",
		"SELECT struct FROM daily_sales",
		"SELECT 1 AS a EXCEPT DISTINCT SELECT b",
	} {
		if _, err := d.Query(t.Context(), text, nil); err == nil || strings.Contains(err.Error(), "both engines") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestDivisionByZero is an error, as in BigQuery; SAFE_DIVIDE is NULL.
func TestDivisionByZero(t *testing.T) {
	t.Parallel()
	d := openTest(t, nil)
	for _, text := range []string{
		"SELECT 1 / 0 AS a",
		"SELECT 1.5 / 0 AS a",
		"SELECT CAST(0 AS FLOAT64) / CAST(0 AS FLOAT64) AS a",
		"SELECT CAST(1 AS NUMERIC) / CAST(0 AS NUMERIC) AS a",
		"SELECT SUM(a) / SUM(b) AS c FROM (SELECT 1 AS a, 1 AS b UNION ALL SELECT 2 AS a, -1 AS b)",
		"SELECT a / b AS c FROM (SELECT 1 AS a, 1 AS b UNION ALL SELECT 2 AS a, 0 AS b)",
		"SELECT DIV(1, 0) AS a",
		"SELECT MOD(1, 0) AS a",
	} {
		if rows, err := d.Query(t.Context(), text, nil); err == nil || !strings.Contains(err.Error(), "division by zero: SAFE_DIVIDE") {
			t.Errorf("%s: %v, error %v", text, rows, err)
		}
	}
	for text, want := range map[string]string{
		"SELECT 6 / 4 AS a":                   "[1.5]",
		"SELECT DIV(7, 2) AS a":               "[3]",
		"SELECT DIV(-7, 2) AS a":              "[-3]",
		"SELECT MOD(7, 2) AS a":               "[1]",
		"SELECT MOD(-7, 2) AS a":              "[-1]",
		"SELECT 1 / CAST(NULL AS INT64) AS a": "[<nil>]",
		"SELECT CAST(NULL AS INT64) / 0 AS a": "[<nil>]",
		"SELECT SAFE_DIVIDE(1, 0) AS a":       "[<nil>]",
		"SELECT SAFE_DIVIDE(3, 2) AS a":       "[1.5]",
		// A row that is not asked for is not divided.
		"SELECT CASE WHEN b != 0 THEN 1 / b ELSE 9 END AS a FROM (SELECT 0 AS b)": "[9]",
		"SELECT 1 / b AS a FROM (SELECT 0 AS b UNION ALL SELECT 4) WHERE b != 0":  "[0.25]",
	} {
		if rows, err := d.Query(t.Context(), text, nil); err != nil || fmt.Sprint(rows.Rows[0]) != want {
			t.Errorf("%s: %v, error %v, expected %s", text, rows, err, want)
		}
	}
}
