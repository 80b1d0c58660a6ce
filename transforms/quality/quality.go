// Package quality holds a table's rows of one business date to the rules that
// stand in YAML beside its schema (sql/tables/TABLE/quality.yaml), before they
// are published: docs/quality.md. It is plain Go over rows in memory, without
// clock and without input or output: equal rows and an equal Context give equal
// results, in an equal order.
package quality

import (
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/warehouse"
)

// Severity says what happens if a rule does not hold.
type Severity string

// The severities, the worst last.
const (
	Warn       Severity = "warn"       // it is said in the results
	Quarantine Severity = "quarantine" // the rows that break it are set aside, and count for no rule after it; the others are published
	Fail       Severity = "fail"       // nothing is published, the standing partition stays
)

// Rules are the rules of one table, in the order of the file.
type Rules struct {
	Table string
	Rules []Rule

	table warehouse.Table
}

// Rule is one rule, checked against the table's schema.
type Rule struct {
	Name     string
	Kind     string // not_null, unique, …, sql
	Severity Severity
	SQL      string // of kind sql: the name of the file checks/NAME.sql, which "sql check" runs; it is not evaluated here

	where condition
	check check
}

// check is what is particular to a kind of rule. Columns it names are there, and
// their types fit, once validate has returned nil.
type check interface {
	// needs are the columns that it reads.
	needs() []string
	// validate holds what the file says to the table's schema.
	validate(s *schemas) error
	// evaluate measures the rows.
	evaluate(e *evaluation) []finding
}

// Context is what the rules of a table look at beside its rows.
type Context struct {
	Date civil.Date
	// Complete is false while events of the date may still come: freshness and
	// volume are not measured then, because both would say so of any open day.
	Complete bool
	// Tables are the rows of the other tables of the date, for referential and
	// same_total. Rules that need a table that is not there are not measured.
	Tables map[string]Rows
	// History returns a measure of the same weekday in at most so many weeks
	// before, newest first; weeks that are not known are left out. Measures are
	// rows, order_lines, … or with a currency revenue/GBP; amounts are in units
	// of the currency. nil: volume is not measured.
	History func(table, measure string, weekdays int) []float64
	// Control are totals that were summed apart from the tables, for
	// control_total: order_lines, views, … or with a currency revenue/GBP, in
	// micro-units. A name that is not there is 0. nil: control_total is not
	// measured.
	Control map[string]int64
	// Ledger is the sum of the ledger's rows. nil, or not closed: ledger_identity
	// is not measured, because only a closed ledger balances.
	Ledger       *lake.Totals
	LedgerClosed bool
	// NewestEvent is the newest event of the date, and Now the moment that it is
	// held to: the end of the business day, or the clock where that is earlier.
	// Where one is zero, freshness is not measured.
	NewestEvent, Now time.Time
}

// Outcome is how the rows of a table did.
type Outcome struct {
	// Results are one row a rule and column, in the order of the file. A rule
	// that could not be measured has passed, with Measured nil and a Detail that
	// starts with "not measured".
	Results []lake.QualityRow
	// Quarantined are the indices of the rows to set aside, ascending.
	Quarantined []int
	// Failed is true if a rule of severity fail does not hold.
	Failed bool
}

// Evaluate holds rows to the rules. Those of severity quarantine come first, in
// the order of the file: a row that one of them sets aside counts for no rule
// after it. Rules of kind sql are left out.
func (r Rules) Evaluate(rows Rows, c Context) Outcome {
	var out Outcome
	aside := make(map[int]struct{})
	results := make([][]lake.QualityRow, len(r.Rules))
	for _, first := range []bool{true, false} {
		for i := range r.Rules {
			rule := &r.Rules[i]
			if rule.SQL != "" || (rule.Severity == Quarantine) != first {
				continue
			}
			e := &evaluation{table: r.table, rule: rule, rows: rows, context: &c, aside: aside}
			findings := e.findings()
			for _, f := range findings {
				results[i] = append(results[i], e.result(f))
				if f.passed() {
					continue
				}
				switch rule.Severity {
				case Fail:
					out.Failed = true
				case Quarantine:
					for _, row := range f.rows {
						aside[row] = struct{}{}
					}
					if f.broken { // the program is wrong, and there are no rows to set aside
						out.Failed = true
					}
				}
			}
		}
	}
	out.Results = slices.Concat(results...)
	out.Quarantined = sortedKeys(aside)
	return out
}

// Quarantines are the rules that set rows aside.
func (r Rules) Quarantines() Rules {
	return r.only(func(rule Rule) bool { return rule.Severity == Quarantine })
}

// WithoutQuarantines are the others.
func (r Rules) WithoutQuarantines() Rules {
	return r.only(func(rule Rule) bool { return rule.Severity != Quarantine })
}

func (r Rules) only(is func(Rule) bool) Rules {
	r.Rules = slices.DeleteFunc(slices.Clone(r.Rules), func(rule Rule) bool { return !is(rule) })
	return r
}

// SQL are the rules that are files of SQL.
func (r Rules) SQL() []Rule {
	var out []Rule
	for _, rule := range r.Rules {
		if rule.SQL != "" {
			out = append(out, rule)
		}
	}
	return out
}

const notMeasured = "not measured: "

// Measured is false for a result of a rule that found nothing to measure.
func Measured(r lake.QualityRow) bool { return !strings.HasPrefix(r.Detail, notMeasured) }
