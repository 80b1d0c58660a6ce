package quality

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/warehouse"
)

// evaluation is one rule over the rows of its table.
type evaluation struct {
	table   warehouse.Table
	rule    *Rule
	rows    Rows
	context *Context
	match   []bool           // rows that the rule looks at; nil: all
	aside   map[int]struct{} // rows that rules before it have set aside
}

// finding is what a rule found of one column, or of the whole table where column
// is empty.
type finding struct {
	column    string
	threshold string
	rows      []int    // that break it, ascending
	show      []string // columns to show of them, beside the grain
	failed    bool     // it does not hold, whatever the rows
	broken    bool     // the rows do not have the table's columns
	measured  *float64 // nil: the number of rows that break it, or nothing was measured
	detail    string   // in place of the rows
}

func (f finding) passed() bool { return len(f.rows) == 0 && !f.failed }

// unknown is the finding of a rule that has nothing to measure.
func unknown(column, threshold, why string) finding {
	return finding{column: column, threshold: threshold, detail: notMeasured + why}
}

func (e *evaluation) findings() []finding {
	needs := slices.Concat(e.rule.check.needs(), e.rule.where.needs())
	for _, name := range needs {
		want, _ := e.table.Column(name)
		c, ok := e.rows.column(name)
		if !ok || c.typ != want.Type {
			return []finding{{column: name, threshold: "a column of type " + string(want.Type), failed: true, broken: true, detail: "the rows given have no such column"}}
		}
	}
	e.match = e.rule.where.match(e)
	if len(e.aside) > 0 && e.match == nil {
		e.match = slices.Repeat([]bool{true}, e.rows.Len())
	}
	for i := range e.aside {
		e.match[i] = false
	}
	return e.rule.check.evaluate(e)
}

// column returns a column that findings has looked up.
func (e *evaluation) column(name string) *column {
	c, _ := e.rows.column(name)
	return &c
}

// looksAt reports whether the rule is about a row.
func (e *evaluation) looksAt(i int) bool { return e.match == nil || e.match[i] }

// breaking returns the rows for which holds is false.
func (e *evaluation) breaking(holds func(i int) bool) (rows []int) {
	for i := range e.rows.Len() {
		if e.looksAt(i) && !holds(i) {
			rows = append(rows, i)
		}
	}
	return rows
}

// each is a finding a column.
func (e *evaluation) each(names []string, threshold func(name string) string, breaks func(c *column) []int) []finding {
	out := make([]finding, len(names))
	for i, name := range names {
		out[i] = finding{column: name, threshold: threshold(name), rows: breaks(e.column(name)), show: []string{name}}
	}
	return out
}

func (e *evaluation) result(f finding) lake.QualityRow {
	r := lake.QualityRow{
		Date: int32(e.context.Date.DaysSince(civil.Date{Year: 1970, Month: time.January, Day: 1})), TableName: e.table.Name,
		Rule: e.rule.Name, ColumnName: f.column, Severity: string(e.rule.Severity), Passed: f.passed(),
		Measured: f.measured, Threshold: f.threshold, RowsFailed: int64(len(f.rows)), Detail: f.detail,
	}
	if text := e.rule.where.text; text != "" {
		r.Threshold += " where " + text
	}
	if f.detail == "" && f.measured == nil {
		n := float64(len(f.rows))
		r.Measured = &n
	}
	if f.detail == "" && len(f.rows) > 0 {
		r.Detail = e.describe(f)
	}
	return r
}

// shownRows is how many rows a detail shows.
const shownRows = 5

// describe words the first rows that break a rule by their grain, without the
// date, which is the same in all.
func (e *evaluation) describe(f finding) string {
	var names []string
	for _, name := range slices.Concat(e.table.Grain, f.show) {
		if name != "date" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	var text strings.Builder
	for n, row := range f.rows[:min(shownRows, len(f.rows))] {
		if n > 0 {
			text.WriteString("; ")
		}
		for k, name := range names {
			c, ok := e.rows.column(name)
			if !ok {
				continue
			}
			if k > 0 {
				text.WriteByte(' ')
			}
			text.WriteString(name + "=" + c.render(row))
		}
	}
	if more := len(f.rows) - shownRows; more > 0 {
		fmt.Fprintf(&text, "; and %d more", more)
	}
	return text.String()
}

// quote words a text that may hold anything, cut to what fits in a line.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "…"
	}
	return strconv.Quote(s)
}

func sortedKeys[K interface{ ~int | ~string }, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
