package quality

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/warehouse"
)

// thing is a row of the table that the tests check, with a column of each type.
type thing struct {
	Date     int32       `parquet:"date,date"`
	ID       string      `parquet:"id"`
	Currency string      `parquet:"currency,optional,dict"`
	Count    int64       `parquet:"count"`
	Line     int64       `parquet:"line,optional"`
	Price    shop.Money  `parquet:"price,decimal(6:18)"`
	Least    *shop.Money `parquet:"least,decimal(6:18)"`
	Amount   shop.Money  `parquet:"amount,decimal(6:18)"`
	Score    *float64    `parquet:"score"`
	Open     bool        `parquet:"open"`
	At       int64       `parquet:"at,timestamp(microsecond)"`
}

const thingSchema = `
name: things
version: 1
description: Things.
grain: [date, id]
partition: date
columns:
  - {name: date, type: DATE, required: true, description: day}
  - {name: id, type: STRING, required: true, description: id}
  - {name: currency, type: STRING, description: currency}
  - {name: count, type: INT64, required: true, description: count}
  - {name: line, type: INT64, description: line}
  - {name: price, type: NUMERIC, required: true, description: price}
  - {name: least, type: NUMERIC, description: least}
  - {name: amount, type: NUMERIC, required: true, description: amount}
  - {name: score, type: FLOAT64, description: score}
  - {name: open, type: BOOL, required: true, description: open}
  - {name: at, type: TIMESTAMP, required: true, description: at}
`

type other struct {
	ID       string     `parquet:"id"`
	Currency string     `parquet:"currency,optional"`
	Total    shop.Money `parquet:"total"`
	Count    int64      `parquet:"count"`
}

const otherSchema = `
name: others
version: 1
description: Others.
grain: [id]
partition: date
columns:
  - {name: date, type: DATE, required: true, description: day}
  - {name: id, type: STRING, required: true, description: id}
  - {name: currency, type: STRING, description: currency}
  - {name: total, type: NUMERIC, required: true, description: total}
  - {name: count, type: INT64, required: true, description: count}
`

func files(rules string) fstest.MapFS {
	return fstest.MapFS{
		"things/schema.yaml":     {Data: []byte(thingSchema)},
		"others/schema.yaml":     {Data: []byte(otherSchema)},
		"things/quality.yaml":    {Data: []byte(rules)},
		"things/checks/good.sql": {Data: []byte("SELECT 1")},
	}
}

var thingsTable = func() warehouse.Table {
	table, err := warehouse.ParseTable([]byte(thingSchema))
	if err != nil {
		panic(err)
	}
	return table
}()

// rule loads one rule.
func rule(t testing.TB, severity Severity, where, kind string) Rules {
	t.Helper()
	text := fmt.Sprintf("rules:\n  - name: r\n    severity: %s\n    %s\n", severity, kind)
	if where != "" {
		text += fmt.Sprintf("    where: %s\n", where)
	}
	r, err := Load(files(text), thingsTable)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return r
}

func ptr[T any](v T) *T { return &v }

var day = civil.Date{Year: 2026, Month: time.March, Day: 1}

const dayNumber = 20513

// good is a row that breaks no rule of the tests.
func good(id string) thing {
	return thing{Date: dayNumber, ID: id, Currency: "GBP", Count: 2, Line: 1, Price: 1_500_000, Amount: 3_000_000, Least: ptr[shop.Money](1_500_000), Score: ptr(0.5)}
}

func with(id string, change func(*thing)) thing {
	r := good(id)
	change(&r)
	return r
}

// kindCase is rows of which some break a rule about rows.
type kindCase struct {
	name, where, kind string
	rows              []thing
	context           Context
	column            string
	threshold         string
	broken            []int
	detail            string
}

var rowCases = []kindCase{
	{
		name: "not_null of an optional text", kind: "not_null: {columns: [currency]}",
		rows:   []thing{good("a"), with("b", func(r *thing) { r.Currency = "" })},
		column: "currency", threshold: "not NULL", broken: []int{1}, detail: `id="b" currency=NULL`,
	},
	{
		name: "not_null of a pointer", kind: "not_null: {columns: [least]}",
		rows:   []thing{with("a", func(r *thing) { r.Least = nil }), with("b", func(r *thing) { r.Least = ptr[shop.Money](0) })},
		column: "least", threshold: "not NULL", broken: []int{0}, detail: `id="a" least=NULL`,
	},
	{
		name: "not_null takes an empty text for one", kind: "not_null: {columns: [id]}",
		rows:   []thing{good(""), good("b")},
		column: "id", threshold: "not NULL", broken: []int{0}, detail: `id=""`,
	},
	{
		name: "unique, NULL counting as a value", kind: "unique: {columns: [id, currency]}",
		rows:      []thing{good("a"), with("a", func(r *thing) { r.Currency = "" }), with("a", func(r *thing) { r.Currency = "" }), good("b"), good("a")},
		threshold: "unique", broken: []int{2, 4}, detail: `id="a" currency=NULL; id="a" currency="GBP"`,
	},
	{
		name: "unique of a number, all equal", kind: "unique: {columns: [count]}",
		rows:   []thing{good("a"), good("b"), good("c"), good("d"), good("e"), good("f"), good("g"), good("h")},
		column: "count", threshold: "unique", broken: []int{1, 2, 3, 4, 5, 6, 7},
		detail: `id="b" count=2; id="c" count=2; id="d" count=2; id="e" count=2; id="f" count=2; and 2 more`,
	},
	{
		name: "range of a NUMERIC is exact", kind: "range: {columns: [price], min: 0.000001, max: 38970}",
		rows: []thing{
			with("a", func(r *thing) { r.Price = 0 }), with("b", func(r *thing) { r.Price = 1 }),
			with("c", func(r *thing) { r.Price = 38_970_000_000 }), with("d", func(r *thing) { r.Price = 38_970_000_001 }),
		},
		column: "price", threshold: "0.000001 to 38970", broken: []int{0, 3}, detail: `id="a" price=0; id="d" price=38970.000001`,
	},
	{
		name: "range of an INT64 at its ends", kind: "range: {columns: [count], min: -9223372036854775807}",
		rows:   []thing{with("a", func(r *thing) { r.Count = math.MinInt64 }), with("b", func(r *thing) { r.Count = math.MaxInt64 })},
		column: "count", threshold: "-9223372036854775807 or more", broken: []int{0}, detail: `id="a" count=-9223372036854775808`,
	},
	{
		name: "range of a FLOAT64, with NaN and NULL", kind: "range: {columns: [score], max: 1e0}",
		rows: []thing{
			with("a", func(r *thing) { r.Score = ptr(math.NaN()) }), with("b", func(r *thing) { r.Score = nil }),
			with("c", func(r *thing) { r.Score = ptr(1.0) }), with("d", func(r *thing) { r.Score = ptr(1.5) }),
		},
		column: "score", threshold: "1e0 or less", broken: []int{0, 3}, detail: `id="a" score=NaN; id="d" score=1.5`,
	},
	{
		name: "accepted_values", kind: "accepted_values: {columns: [currency], values: [GBP, EUR]}",
		rows:   []thing{good("a"), with("b", func(r *thing) { r.Currency = "XXX" }), with("c", func(r *thing) { r.Currency = "" })},
		column: "currency", threshold: "one of GBP, EUR", broken: []int{1}, detail: `id="b" currency="XXX"`,
	},
	{
		name: "pattern matches the whole text", kind: `pattern: {columns: [currency], match: "[A-Z]{3}|x"}`,
		rows:   []thing{good("a"), with("b", func(r *thing) { r.Currency = "GBPx" }), with("c", func(r *thing) { r.Currency = "gbp" }), with("d", func(r *thing) { r.Currency = "" })},
		column: "currency", threshold: "matches [A-Z]{3}|x", broken: []int{1, 2}, detail: `id="b" currency="GBPx"; id="c" currency="gbp"`,
	},
	{
		name: "referential", kind: "referential: {columns: [id], in: {table: others, column: id}}",
		rows:    []thing{good("a"), good("b\n")},
		context: Context{Tables: map[string]Rows{"others": RowsOf([]other{{ID: "a"}, {ID: "z"}})}},
		column:  "id", threshold: "in others.id", broken: []int{1}, detail: `id="b\n"`,
	},
	{
		name: "zero where", where: "count = 0 and not open", kind: "zero: {columns: [price]}",
		rows: []thing{
			good("a"), with("b", func(r *thing) { r.Count = 0 }),
			with("c", func(r *thing) { r.Count, r.Open = 0, true }), with("d", func(r *thing) { r.Count, r.Price = 0, 0 }),
		},
		column: "price", threshold: "0 where count = 0 and not open", broken: []int{1}, detail: `id="b" price=1.5`,
	},
	{
		name: "where a column is NULL", where: "currency is null", kind: "zero: {columns: [count]}",
		rows:   []thing{good("a"), with("b", func(r *thing) { r.Currency = "" })},
		column: "count", threshold: "0 where currency is null", broken: []int{1}, detail: `id="b" count=2`,
	},
	{
		name: "where a NUMERIC has a value and a text another", where: "price = 1.5 and currency = GBP and currency is not null", kind: "zero: {columns: [count]}",
		rows:   []thing{good("a"), with("b", func(r *thing) { r.Currency = "EUR" }), with("c", func(r *thing) { r.Price = 2 })},
		column: "count", threshold: "0 where price = 1.5 and currency = GBP and currency is not null", broken: []int{0}, detail: `id="a" count=2`,
	},
	{
		name: "equals a sum", kind: "equals: {left: amount, sum: [price, -least]}",
		rows: []thing{
			with("a", func(r *thing) { r.Amount = 0 }), with("b", func(r *thing) { r.Amount = 1 }), with("c", func(r *thing) { r.Least = nil }),
			with("d", func(r *thing) { r.Price, r.Least, r.Amount = math.MaxInt64, ptr[shop.Money](math.MinInt64), -1 }), // wraps around in 64 bits
		},
		column: "amount", threshold: "= price - least", broken: []int{1, 3},
		detail: `id="b" amount=0.000001 price=1.5 least=1.5; id="d" amount=-0.000001 price=9223372036854.775807 least=-9223372036854.775808`,
	},
	{
		name: "equals a product", kind: "equals: {left: amount, product: [count, price]}",
		rows: []thing{
			good("a"), with("b", func(r *thing) { r.Count = -2 }), with("c", func(r *thing) { r.Count, r.Amount = -2, -3_000_000 }),
			with("d", func(r *thing) { r.Count, r.Price, r.Amount = 1<<32, 1<<32, 0 }),
		},
		column: "amount", threshold: "= count * price", broken: []int{1, 3},
		detail: `id="b" amount=3 count=-2 price=1.5; id="d" amount=0 count=4294967296 price=4294.967296`,
	},
	{
		name: "equals a quotient, half to even", kind: "equals: {left: least, quotient: [amount, count]}",
		rows: []thing{
			good("a"), with("b", func(r *thing) { r.Amount, r.Least = 5, ptr[shop.Money](2) }), with("c", func(r *thing) { r.Amount, r.Least = 5, ptr[shop.Money](3) }),
			with("d", func(r *thing) { r.Count = 0 }), with("e", func(r *thing) { r.Count, r.Least = 0, nil }), with("f", func(r *thing) { r.Least = nil }),
		},
		column: "least", threshold: "= amount / count", broken: []int{2, 3, 5},
		detail: `id="c" least=0.000003 amount=0.000005 count=2; id="d" least=1.5 amount=3 count=0; id="f" least=NULL amount=3 count=2`,
	},
	{
		name: "ordered, over a NULL", kind: "ordered: {columns: [price, least, amount]}",
		rows: []thing{
			good("a"), with("b", func(r *thing) { r.Least = ptr[shop.Money](4_000_000) }), with("c", func(r *thing) { r.Least, r.Amount = nil, 1 }),
			with("d", func(r *thing) { r.Least = nil }),
		},
		threshold: "price <= least <= amount", broken: []int{1, 2}, detail: `id="b" price=1.5 least=4 amount=3; id="c" price=1.5 least=NULL amount=0.000001`,
	},
}

// TestRowKinds checks each kind of rule about rows under each severity.
func TestRowKinds(t *testing.T) {
	for _, c := range rowCases {
		for _, severity := range []Severity{Warn, Quarantine, Fail} {
			t.Run(c.name+"/"+string(severity), func(t *testing.T) {
				c.context.Date = day
				got := rule(t, severity, c.where, c.kind).Evaluate(RowsOf(c.rows), c.context)
				want := Outcome{
					Results: []lake.QualityRow{{
						Date: dayNumber, TableName: "things", Rule: "r", ColumnName: c.column, Severity: string(severity), Threshold: c.threshold,
						Measured: ptr(float64(len(c.broken))), RowsFailed: int64(len(c.broken)), Detail: c.detail,
					}},
					Failed: severity == Fail,
				}
				if severity == Quarantine {
					want.Quarantined = c.broken
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}

				// Without the rows that break it the rule holds; and without any.
				var rest []thing
				for i, r := range c.rows {
					if !slices.Contains(c.broken, i) {
						rest = append(rest, r)
					}
				}
				for _, rows := range [][]thing{rest, nil} {
					got := rule(t, severity, c.where, c.kind).Evaluate(RowsOf(rows), c.context)
					want := Outcome{Results: []lake.QualityRow{{
						Date: dayNumber, TableName: "things", Rule: "r", ColumnName: c.column, Severity: string(severity), Threshold: c.threshold,
						Measured: ptr(0.0), Passed: true,
					}}}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("rows that hold (-want +got)\n%s", diff)
					}
				}
			})
		}
	}
}

// TestQuarantine has two rules set aside overlapping rows, beside one that warns.
func TestQuarantine(t *testing.T) {
	r, err := Load(files(`
rules:
  - {name: late, severity: quarantine, range: {columns: [count, line], max: 1}}
  - {name: soft, severity: warn, zero: {columns: [count]}}
  - {name: early, severity: quarantine, not_null: {columns: [currency]}}
`), thingsTable)
	if err != nil {
		t.Fatal(err)
	}
	rows := []thing{
		with("a", func(r *thing) { r.Currency, r.Count = "", 9 }), with("b", func(r *thing) { r.Count = 1 }),
		with("c", func(r *thing) { r.Count, r.Line = 1, 7 }), with("d", func(r *thing) { r.Count, r.Currency = 1, "" }),
	}
	got := r.Evaluate(RowsOf(rows), Context{Date: day})
	if diff := cmp.Diff([]int{0, 2, 3}, got.Quarantined); diff != "" || got.Failed {
		t.Errorf("failed %v (-want +got)\n%s", got.Failed, diff)
	}
	var order []string
	for _, q := range got.Results {
		order = append(order, q.Rule+"."+q.ColumnName)
	}
	if diff := cmp.Diff([]string{"late.count", "late.line", "soft.count", "early.currency"}, order); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestQuarantineComesFirst: a row that is set aside counts for no rule after it,
// wherever that stands in the file, and so stops nothing.
func TestQuarantineComesFirst(t *testing.T) {
	r, err := Load(files(`
rules:
  - {name: stops, severity: fail, range: {columns: [count], max: 5}}
  - {name: once, severity: fail, unique: {columns: [id]}}
  - {name: total, severity: fail, control_total: {columns: [count]}}
  - {name: large, severity: quarantine, range: {columns: [count], max: 5}}
  - {name: again, severity: quarantine, range: {columns: [count, line], max: 3}}
`), thingsTable)
	if err != nil {
		t.Fatal(err)
	}
	rows := []thing{
		with("a", func(r *thing) { r.Count = 9 }), with("a", func(r *thing) { r.Count, r.Line = 2, 1 }), with("b", func(r *thing) { r.Count, r.Line = 3, 7 }),
	}
	for _, r := range []Rules{r, r.Quarantines()} {
		got := r.Evaluate(RowsOf(rows), Context{Date: day, Control: map[string]int64{"count": 2}})
		if diff := cmp.Diff([]int{0, 2}, got.Quarantined); diff != "" || got.Failed {
			t.Errorf("failed %v (-want +got)\n%s", got.Failed, diff)
		}
		for _, q := range got.Results {
			want := map[string]int64{"large.count": 1, "again.line": 1}[q.Rule+"."+q.ColumnName]
			if q.RowsFailed != want || q.Passed != (want == 0) {
				t.Errorf("%s.%s: %d rows, passed %t; want %d", q.Rule, q.ColumnName, q.RowsFailed, q.Passed, want)
			}
		}
	}
	if got := r.WithoutQuarantines().Evaluate(RowsOf(rows), Context{Date: day, Control: map[string]int64{"count": 14}}); !got.Failed || got.Quarantined != nil || len(got.Results) != 3 {
		t.Errorf("the others alone: %+v", got)
	}
}

// TestSumsCannotBeSetAside: what a row sums is in other tables, too.
func TestSumsCannotBeSetAside(t *testing.T) {
	sums := thingsTable
	sums.SumsOf = "lines"
	text := "rules:\n  - {name: r, severity: SEVERITY, not_null: {columns: [id]}}\n"
	_, err := Load(files(strings.Replace(text, "SEVERITY", "quarantine", 1)), sums)
	if err == nil || !strings.Contains(err.Error(), "a row of things sums rows of lines, and other tables sum them too: set those aside, with a rule of lines") {
		t.Errorf("found %v", err)
	}
	for _, severity := range []string{"warn", "fail"} {
		if _, err := Load(files(strings.Replace(text, "SEVERITY", severity, 1)), sums); err != nil {
			t.Errorf("%s: %v", severity, err)
		}
	}
}

// TestForeignRows gives rows that are not those of the table: a mistake of the
// program, which never passes, and stops what it could not set aside.
func TestForeignRows(t *testing.T) {
	type wrong struct {
		ID    int64   `parquet:"id"`
		Price float64 `parquet:"price"`
	}
	for _, severity := range []Severity{Warn, Quarantine, Fail} {
		for _, kind := range []string{"not_null: {columns: [id]}", "range: {columns: [price], min: 0}", "not_null: {columns: [at]}"} {
			got := rule(t, severity, "", kind).Evaluate(RowsOf([]wrong{{}}), Context{Date: day})
			if len(got.Results) != 1 || got.Results[0].Passed || got.Failed == (severity == Warn) || got.Quarantined != nil {
				t.Errorf("%s %s: %+v", severity, kind, got)
			}
		}
	}
	if n := RowsOf([]int{1, 2}).Len(); n != 2 {
		t.Errorf("%d rows", n)
	}
}
