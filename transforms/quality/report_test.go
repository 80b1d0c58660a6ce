package quality

import (
	"strings"
	"testing"

	"example.com/shopstream/internal/lake"
)

func TestReport(t *testing.T) {
	results := []lake.QualityRow{
		{Date: dayNumber, TableName: "daily_sales", Rule: "grain", Severity: "fail", Passed: true, Measured: ptr(0.0), Threshold: "unique"},
		{Date: dayNumber, TableName: "daily_sales", Rule: "volume", ColumnName: "revenue", Severity: "warn", Measured: ptr(0.125), Threshold: "0.2 to 5 times the median", Detail: "revenue/GBP is 1, the median of 4 is 8"},
		{Date: dayNumber, TableName: "order_lines", Rule: "present", ColumnName: "product_id", Severity: "quarantine", Measured: ptr(1.0), Threshold: "not NULL", RowsFailed: 1, Detail: `event_id="x" product_id=""`},
		{Date: dayNumber, TableName: "order_lines", Rule: "quantity_positive", ColumnName: "quantity", Severity: "quarantine", Measured: ptr(20.0), Threshold: "1 or more", RowsFailed: 20, Detail: `event_id="y" quantity=0; and 19 more`},
		{Date: dayNumber + 1, TableName: "daily_sales", Rule: "control_revenue", ColumnName: "revenue", Severity: "fail", Measured: ptr(0.01), Threshold: "= revenue of the events", Detail: `"GBP": 9769872.054 instead of 9769872.064`},
		{Date: dayNumber, TableName: "order_lines", Rule: "ledger_identity", Severity: "fail", Passed: true, Threshold: "read = silver + duplicates + dead + late", Detail: "not measured: the ledger is not closed"},
	}
	var out strings.Builder
	Report(&out, results)
	golden(t, "testdata/report.txt", out.String())
	out.Reset()
	Report(&out, results[:1])
	golden(t, "testdata/report_passed.txt", out.String())
}
