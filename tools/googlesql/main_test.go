package main

import (
	"strings"
	"testing"
	"testing/fstest"
)

const schema = `
name: sales
columns:
  - {name: date, type: DATE}
  - {name: revenue, type: NUMERIC}
  - {name: product, type: STRING}
`

const metadata = `
parameters:
  - {name: from, type: DATE}
  - {name: limit, type: INT64, default: "10"}
columns:
  - {name: date, type: DATE}
  - {name: revenue, type: NUMERIC}
`

// TestAnalyse wants findings for queries that BigQuery would refuse, or whose
// columns are not those of their metadata, and none for a good one.
func TestAnalyse(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"good": {text: "SELECT date, SUM(revenue) AS revenue FROM sales WHERE date >= COALESCE(CAST(@from AS DATE), date) GROUP BY date LIMIT @limit"},
		"unknown column": {
			text: "SELECT date, revenu FROM sales",
			want: "Unrecognized name: revenu; Did you mean revenue?",
		},
		"unknown table":       {text: "SELECT date, revenue FROM sale", want: "Table not found: sale"},
		"unknown parameter":   {text: "SELECT date, revenue FROM sales WHERE date = @to", want: "Query parameter 'to' not found"},
		"unknown function":    {text: "SELECT date, MEDIAN(revenue) AS revenue FROM sales GROUP BY date", want: "Function not found: MEDIAN"},
		"wrong type":          {text: "SELECT date, revenue FROM sales WHERE product = 1", want: "No matching signature"},
		"not grouped":         {text: "SELECT date, SUM(revenue) AS revenue FROM sales", want: "neither grouped nor aggregated"},
		"another name":        {text: "SELECT date, revenue AS money FROM sales", want: "column 2 is money NUMERIC, and metadata.yaml says revenue NUMERIC"},
		"another type":        {text: "SELECT date, CAST(revenue AS FLOAT64) AS revenue FROM sales", want: "column 2 is revenue FLOAT64"},
		"a column more":       {text: "SELECT date, revenue, product FROM sales", want: "product STRING"},
		"no query":            {text: "DROP TABLE sales", want: "not supported"},
		"DuckDB's own syntax": {text: "SELECT date, revenue::NUMERIC AS revenue FROM sales", want: "Syntax error"},
	} {
		t.Run(name, func(t *testing.T) {
			files, findings, err := analyse(fstest.MapFS{
				"tables/sales/schema.yaml":  {Data: []byte(schema)},
				"queries/q/metadata.yaml":   {Data: []byte(metadata)},
				"queries/q/query.sql":       {Data: []byte(c.text)},
				"tables/sales/checks/c.sql": {Data: []byte("SELECT date FROM sales WHERE date = CAST(@date AS DATE)")},
			})
			if err != nil || files != 2 {
				t.Fatalf("%d files, error %v; expected 2 and none", files, err)
			}
			if got := strings.Join(findings, "\n"); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("found %q, expected %q", got, c.want)
			}
		})
	}
	// A check is analysed, too.
	_, findings, err := analyse(fstest.MapFS{
		"tables/sales/schema.yaml":  {Data: []byte(schema)},
		"tables/sales/checks/c.sql": {Data: []byte("SELECT dat FROM sales")},
	})
	if err != nil || len(findings) != 2 || !strings.Contains(findings[0], "Unrecognized name: dat") {
		t.Errorf("findings %q, error %v", findings, err)
	}
}
