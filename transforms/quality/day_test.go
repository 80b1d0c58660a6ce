package quality

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
)

// dayCase is a rule about a whole table, with one result.
type dayCase struct {
	name, where, kind string
	rows              []thing
	context           Context
	want              lake.QualityRow
}

const (
	controlKind = "control_total: {columns: [price], by: [currency], control: revenue}"
	sameKind    = "same_total: {table: others, columns: [price], by: [currency], column: total}"
	volumeKind  = "volume: {columns: [count], factor: [0.5, 2], last: 4, at_least: 3}"
	weeklyKind  = "volume: {columns: [price], by: [currency], factor: [0.5, 2], last: 4, at_least: 1}"
)

func history(values map[string][]float64) func(string, string, int) []float64 {
	return func(table, measure string, weekdays int) []float64 {
		if table != "things" || weekdays != 4 {
			return nil
		}
		return values[measure]
	}
}

func dayCases() []dayCase {
	end := time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC)
	pounds := []thing{good("a"), good("b"), with("c", func(r *thing) { r.Currency, r.Price = "EUR", 1 })}
	counts := Context{Complete: true, History: history(map[string][]float64{"count": {2, 40, 3, 4}})}
	const volumeOf = "0.5 to 2 times the median of the last 4 same weekdays"
	return []dayCase{
		{
			name: "control_total holds", kind: controlKind, rows: pounds,
			context: Context{Control: map[string]int64{"revenue/GBP": 3_000_000, "revenue/EUR": 1, "revenue/USD": 0, "revenue": 5, "units/GBP": 7}},
			want:    lake.QualityRow{ColumnName: "price", Threshold: "= revenue of the events", Passed: true, Measured: ptr(0.0)},
		},
		{
			name: "control_total differs by a millionth, a currency too few and one too many", kind: controlKind, rows: pounds,
			context: Context{Control: map[string]int64{"revenue/GBP": 3_000_001, "revenue/USD": 2}},
			want: lake.QualityRow{
				ColumnName: "price", Threshold: "= revenue of the events", Measured: ptr(0.000002),
				Detail: `"EUR": 0.000001 instead of 0; "GBP": 3 instead of 3.000001; "USD": 0 instead of 0.000002`,
			},
		},
		{
			name: "control_total of rows without any", where: "open", kind: "control_total: {columns: [rows], control: lines}", rows: pounds,
			context: Context{Control: map[string]int64{"lines": 1}},
			want:    lake.QualityRow{Threshold: "= lines of the events where open", Measured: ptr(1.0), Detail: "0 instead of 1"},
		},
		{
			name: "control_total of a sum beyond 64 bits", kind: "control_total: {columns: [count]}",
			rows:    []thing{with("a", func(r *thing) { r.Count = math.MaxInt64 }), with("b", func(r *thing) { r.Count = math.MaxInt64 }), with("c", func(r *thing) { r.Count = 2 })},
			context: Context{Control: map[string]int64{}},
			want:    lake.QualityRow{ColumnName: "count", Threshold: "= count of the events", Measured: ptr(math.Ldexp(1, 64)), Detail: "18446744073709551616 instead of 0"},
		},
		{
			name: "control_total without a control", kind: controlKind, rows: pounds,
			want: lake.QualityRow{ColumnName: "price", Threshold: "= revenue of the events", Passed: true, Detail: "not measured: no control totals were made"},
		},
		{
			name: "same_total holds", kind: sameKind, rows: pounds,
			context: Context{Tables: map[string]Rows{"others": RowsOf([]other{{Currency: "EUR", Total: 1}, {Currency: "GBP", Total: 3_000_000}, {}})}},
			want:    lake.QualityRow{ColumnName: "price", Threshold: "= total of others", Passed: true, Measured: ptr(0.0)},
		},
		{
			name: "same_total differs where the currency is NULL", kind: sameKind, rows: append(pounds, with("d", func(r *thing) { r.Currency = "" })),
			context: Context{Tables: map[string]Rows{"others": RowsOf([]other{{Currency: "EUR", Total: 1}, {Currency: "GBP", Total: 3_000_000}})}},
			want:    lake.QualityRow{ColumnName: "price", Threshold: "= total of others", Measured: ptr(1.5), Detail: `"": 1.5 instead of 0`},
		},
		{
			name: "same_total of rows", kind: "same_total: {table: others, columns: [count], column: rows}", rows: pounds,
			context: Context{Tables: map[string]Rows{"others": RowsOf(make([]other, 6))}},
			want:    lake.QualityRow{ColumnName: "count", Threshold: "= rows of others", Passed: true, Measured: ptr(0.0)},
		},
		{
			name: "same_total without the table", kind: sameKind, rows: pounds,
			want: lake.QualityRow{ColumnName: "price", Threshold: "= total of others", Passed: true, Detail: "not measured: table others has no rows for this date"},
		},
		{
			name: "volume within", kind: volumeKind, rows: pounds, context: counts, // 6 of a median of 3.5
			want: lake.QualityRow{ColumnName: "count", Threshold: volumeOf, Passed: true, Measured: ptr(6 / 3.5)},
		},
		{
			name: "volume too small", kind: volumeKind, context: counts,
			want: lake.QualityRow{ColumnName: "count", Threshold: volumeOf, Measured: ptr(0.0), Detail: "count is 0, the median of 4 is 3.5"},
		},
		{
			name: "volume of a date that is open", kind: volumeKind, context: Context{History: counts.History},
			want: lake.QualityRow{ColumnName: "count", Threshold: volumeOf, Passed: true, Detail: "not measured: the date is not complete"},
		},
		{
			name: "volume with too few weeks", kind: volumeKind, context: Context{Complete: true, History: history(map[string][]float64{"count": {2, 40}})},
			want: lake.QualityRow{ColumnName: "count", Threshold: volumeOf, Passed: true, Detail: "not measured: 2 same weekdays known, needed 3 with something in most of them"},
		},
		{
			name: "volume without a history", kind: volumeKind, context: Context{Complete: true},
			want: lake.QualityRow{ColumnName: "count", Threshold: volumeOf, Passed: true, Detail: "not measured: there is no history"},
		},
		{
			name: "volume after weeks without any", kind: volumeKind, context: Context{Complete: true, History: history(map[string][]float64{"count": {0, 0, 0, 9}})},
			want: lake.QualityRow{ColumnName: "count", Threshold: volumeOf, Passed: true, Detail: "not measured: 4 same weekdays known, needed 3 with something in most of them"},
		},
		{
			name: "volume by currency, the worst of them", kind: weeklyKind, rows: append(pounds, with("d", func(r *thing) { r.Currency = "" })),
			context: Context{Complete: true, History: history(map[string][]float64{"price/GBP": {1}, "price/EUR": {2, 4, 6, 8, 10_000}, "price/": {1e9}})},
			want: lake.QualityRow{
				ColumnName: "price", Threshold: volumeOf, Measured: ptr(0.000001 / 5),
				Detail: "price/EUR is 1e-06, the median of 4 is 5; price/GBP is 3, the median of 1 is 1",
			},
		},
		{
			name: "freshness within", kind: "freshness: {limit: 90m}", context: Context{Complete: true, Now: end, NewestEvent: end.Add(-90 * time.Minute)},
			want: lake.QualityRow{Threshold: "newest event at most 1h30m0s before the end", Passed: true, Measured: ptr(5400.0)},
		},
		{
			name: "freshness beyond", kind: "freshness: {limit: 90m}", context: Context{Complete: true, Now: end, NewestEvent: end.Add(-90*time.Minute - time.Second)},
			want: lake.QualityRow{
				Threshold: "newest event at most 1h30m0s before the end", Measured: ptr(5401.0),
				Detail: "the newest event is of 2026-03-01T22:29:59Z, 1h30m1s before 2026-03-02T00:00:00Z",
			},
		},
		{
			name: "freshness of a date that is open", kind: "freshness: {limit: 90m}", context: Context{Now: end, NewestEvent: end.Add(-20 * time.Hour)},
			want: lake.QualityRow{Threshold: "newest event at most 1h30m0s before the end", Passed: true, Detail: "not measured: the date is not complete"},
		},
		{
			name: "freshness without an event", kind: "freshness: {limit: 90m}", context: Context{Complete: true, Now: end},
			want: lake.QualityRow{Threshold: "newest event at most 1h30m0s before the end", Passed: true, Detail: "not measured: the newest event is not known"},
		},
		{
			name: "ledger_identity holds", kind: "ledger_identity: {}",
			context: Context{LedgerClosed: true, Ledger: &lake.Totals{Read: 10, Silver: 4, Duplicates: 3, Late: 1, Dead: map[string]int64{"bad_json": 2}}},
			want:    lake.QualityRow{Threshold: "read = silver + duplicates + dead + late", Passed: true, Measured: ptr(0.0)},
		},
		{
			name: "ledger_identity does not hold", kind: "ledger_identity: {}",
			context: Context{LedgerClosed: true, Ledger: &lake.Totals{Read: 9, Silver: 4, Duplicates: 3, Late: 1, Dead: map[string]int64{"bad_json": 2}}},
			want: lake.QualityRow{
				Threshold: "read = silver + duplicates + dead + late", Measured: ptr(-1.0),
				Detail: "the ledger's identity does not hold: read 9, but silver 4 + duplicates 3 + dead 2 + late 1 = 10, a difference of -1",
			},
		},
		{
			name: "ledger_identity while the lake is written", kind: "ledger_identity: {}", context: Context{Ledger: &lake.Totals{Read: 9}},
			want: lake.QualityRow{Threshold: "read = silver + duplicates + dead + late", Passed: true, Detail: "not measured: the ledger is not closed"},
		},
	}
}

// TestDayKinds checks each kind of rule about a whole table, as a warning and as
// a failure.
func TestDayKinds(t *testing.T) {
	for _, c := range dayCases() {
		for _, severity := range []Severity{Warn, Fail} {
			t.Run(c.name+"/"+string(severity), func(t *testing.T) {
				c.context.Date = day
				want := c.want
				want.Date, want.TableName, want.Rule, want.Severity = dayNumber, "things", "r", string(severity)
				got := rule(t, severity, c.where, c.kind).Evaluate(RowsOf(c.rows), c.context)
				if diff := cmp.Diff(Outcome{Results: []lake.QualityRow{want}, Failed: severity == Fail && !want.Passed}, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				if measured := want.Measured != nil; Measured(got.Results[0]) != measured {
					t.Errorf("measured: %v", !measured)
				}
			})
		}
	}
}

// TestSQLRules are listed for others, and not evaluated.
func TestSQLRules(t *testing.T) {
	r := rule(t, Warn, "", "sql: {file: good}")
	if got := r.Evaluate(RowsOf([]thing{good("a")}), Context{Date: day}); got.Results != nil || got.Failed || got.Quarantined != nil {
		t.Errorf("%+v", got)
	}
	if got := r.SQL(); len(got) != 1 || got[0].SQL != "good" || got[0].Name != "r" || got[0].Severity != Warn {
		t.Errorf("%+v", got)
	}
}
