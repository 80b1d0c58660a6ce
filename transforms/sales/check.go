package sales

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/transforms/quality"
)

// goldTables are the tables that are made of a day's events, in the order in
// which they are checked and written.
var goldTables = []string{"order_lines", "daily_sales", "category_revenue", "hourly_sales", "funnel_daily", "product_catalogue"}

// ofHistory are those of them that a history has rows of.
var ofHistory = []string{"daily_sales", "category_revenue"}

func (d *Day) rows() map[string]quality.Rows {
	return map[string]quality.Rows{
		"order_lines": quality.RowsOf(d.Lines), "daily_sales": quality.RowsOf(d.Daily), "category_revenue": quality.RowsOf(d.Category),
		"hourly_sales": quality.RowsOf(d.Hourly), "funnel_daily": quality.RowsOf(d.Funnel), "product_catalogue": quality.RowsOf(d.Catalogue),
	}
}

// check holds the day's tables to the rules that are left, adds the results to out, sets
// aside the rows that a rule says so of, and returns the files to publish. Of a
// day of history and events (both), order lines and hours are of the events alone
// and are held to those.
func (fn *publishFn) check(ctx context.Context, st lake.Store, d *Day, both *merged, day int32, planned PlannedDay, p *partial, out *Outcome) ([]tableFile, error) {
	var before []map[string]float64 // of the same weekday, newest first
	if err := json.Unmarshal(p.token, &before); err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	c := quality.Context{
		Date: out.Date, Complete: planned.Complete, Tables: d.rows(), Control: p.header.control(),
		Ledger: &fn.Plan.Ledger, LedgerClosed: fn.Plan.Closed,
		History: func(_, measure string, weekdays int) (values []float64) {
			for _, m := range before[:min(weekdays, len(before))] {
				if v, ok := m[measure]; ok {
					values = append(values, v)
				}
			}
			return values
		},
	}
	if planned.History {
		c.Tables = map[string]quality.Rows{"daily_sales": c.Tables["daily_sales"], "category_revenue": c.Tables["category_revenue"]}
		c.Ledger = nil
	}
	if p.header.newest != 0 {
		c.NewestEvent = time.UnixMicro(p.header.newest).UTC()
	}
	_, end := fn.calendar.Bounds(day)
	c.Now = time.UnixMicro(end).UTC() // a result must not hang on the clock of the day it is computed
	ofEvents := c
	if both != nil {
		d = &Day{Daily: both.daily, Category: both.category, Hourly: d.Hourly, Lines: d.Lines, Funnel: d.Funnel, Catalogue: d.Catalogue, Aside: d.Aside}
		c.Tables, c.Control = d.rows(), both.header.control()
	}
	aside := map[string][]int{}
	for _, table := range goldTables {
		rows, ok := c.Tables[table]
		if !ok {
			continue
		}
		held := c
		if !slices.Contains(ofHistory, table) {
			held = ofEvents
		}
		rules := fn.rules[table]
		if table == "order_lines" {
			rules = rules.WithoutQuarantines() // they were held to them before anything was summed
		}
		o := rules.Evaluate(rows, held)
		out.Results = append(out.Results, o.Results...)
		aside[table] = o.Quarantined
	}
	slices.SortFunc(out.Results, func(a, b lake.QualityRow) int {
		return cmp.Or(cmp.Compare(a.TableName, b.TableName), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.ColumnName, b.ColumnName))
	})
	for _, r := range out.Results {
		if !r.Passed && r.Severity == string(quality.Fail) {
			out.Failed = append(out.Failed, r.TableName+"."+r.Rule)
		}
	}
	out.Failed = slices.Compact(out.Failed)
	if len(out.Failed) > 0 {
		return nil, nil
	}
	var files []tableFile
	add := func(f tableFile, err error) error {
		files = append(files, f)
		return err
	}
	catalogue, unlisted := apart(d.Catalogue, aside["product_catalogue"])
	for _, table := range goldTables {
		var err error
		switch table {
		case "order_lines":
			err = add(publishable(ctx, st, table, out.Date, d.Lines, d.Aside))
		case "daily_sales":
			err = add(publishable(ctx, st, table, out.Date, d.Daily, nil))
		case "category_revenue":
			err = add(publishable(ctx, st, table, out.Date, d.Category, nil))
		case "hourly_sales":
			err = add(publishable(ctx, st, table, out.Date, d.Hourly, nil))
		case "funnel_daily":
			err = add(publishable(ctx, st, table, out.Date, d.Funnel, nil))
		case "product_catalogue":
			err = add(publishable(ctx, st, table, out.Date, catalogue, unlisted))
		}
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// publishable is a table's file. The rows that were set aside go into a file of
// their own.
func publishable[T lake.GoldRow](ctx context.Context, st lake.Store, table string, date civil.Date, rows, aside []T) (tableFile, error) {
	name := lake.QuarantineName(table, date)
	if len(aside) == 0 {
		if err := st.Delete(ctx, name); err != nil {
			return tableFile{}, err
		}
		return encodeTable(table, date, rows)
	}
	data, err := lake.EncodeGold(nil, aside)
	if err != nil {
		return tableFile{}, err
	}
	if err := st.Put(ctx, name, data); err != nil {
		return tableFile{}, err
	}
	return encodeTable(table, date, rows)
}

// control are the day's totals, summed beside the tables, by name: order_lines,
// revenue_micros/GBP and so on.
func (h *header) control() map[string]int64 {
	c := map[string]int64{"views": h.views, "carts": h.carts, "order_lines": 0, "units": 0, "cancelled_lines": 0, "cancelled_units": 0}
	for currency, m := range h.money {
		c["order_lines"] += m.Lines
		c["units"] = plus(c["units"], m.Units)
		c["cancelled_lines"] += m.CancelledLines
		c["cancelled_units"] = plus(c["cancelled_units"], m.CancelledUnits)
		c["revenue/"+currency] = int64(m.Revenue)
		c["cancelled_revenue/"+currency] = int64(m.CancelledRevenue)
	}
	return c
}

// builtIn are the results that follow from how the day was made: what was read
// against the ledger, and what was left out.
func (fn *publishFn) builtIn(day int32, planned PlannedDay, h *header) []lake.QualityRow {
	if planned.History {
		return nil
	}
	result := func(rule, severity, threshold string, measured int64, passed bool, detail string) lake.QualityRow {
		return lake.QualityRow{
			Date: day, TableName: "order_lines", Rule: rule, Severity: severity, Passed: passed, Measured: known(float64(measured)),
			Threshold: threshold, RowsFailed: measured, Detail: detail,
		}
	}
	var rows []lake.QualityRow
	for _, lane := range []struct {
		rule       string
		want, have int64
	}{{"silver_rows_read", planned.Silver, h.Silver}, {"late_rows_read", planned.Late, h.Late}} {
		if lane.want < 0 {
			continue // the ledger counts rows of other business days with them
		}
		r := result(lane.rule, string(quality.Warn), fmt.Sprint("= ", lane.want), lane.have, lane.want == lane.have, "")
		if r.RowsFailed = lane.want - lane.have; !r.Passed {
			r.Detail = "rows of files that could not be read are missing: see " + BrokenDir
		}
		rows = append(rows, r)
	}
	if planned.Read > 0 {
		rows = append(rows, deadLetters(day, planned))
	}
	if h.Silver+h.Late > 0 {
		rows = append(rows, lateEvents(day, h))
	}
	list := ""
	if h.Conflicts+h.Overflow > 0 {
		list = "listed in " + lake.ConflictsName(DateOf(day))
	}
	return append(rows,
		result("no_conflicts", string(quality.Warn), "= 0", h.Conflicts, h.Conflicts == 0, list),
		result("amounts_fit", string(quality.Warn), "= 0", h.Overflow, h.Overflow == 0, list))
}

// From so many on, a share of more than that of dead letters, or of late events,
// is a warning. The streaming job has settings for them (stream.max_dead_share,
// stream.max_late_share), gold has not.
const (
	leastTold    = 10
	mostToldPart = 20 // one in so many
)

// shareRule is the result of a rule about how many of a day's records are what
// few should be.
func shareRule(day int32, rule string, n, of int64, ofWhat, detail string) lake.QualityRow {
	r := lake.QualityRow{
		Date: day, TableName: "order_lines", Rule: rule, Severity: string(quality.Warn), Threshold: "at most 0.05 of the " + ofWhat,
		Measured: known(float64(n) / float64(of)), RowsFailed: n, Passed: n < leastTold || n*mostToldPart <= of,
	}
	if !r.Passed {
		r.Detail = fmt.Sprintf("%d of %d %s", n, of, detail)
	}
	return r
}

// deadLetters is the result of the share of records that are no valid event.
func deadLetters(day int32, planned PlannedDay) lake.QualityRow {
	return shareRule(day, "dead_letters", planned.Dead, planned.Read, "records that arrived",
		fmt.Sprintf("records are dead letters: the reasons are in dead_letters/date=%s", DateOf(day)))
}

// lateEvents is the result of the share of the day's events that came late.
func lateEvents(day int32, h *header) lake.QualityRow {
	return shareRule(day, "late_events", h.Late, h.Silver+h.Late, "events of the day",
		"events of the day came late: they count here, and are missing from the live metrics of the day (stream.out_of_orderness)")
}

// incomplete reports whether rows of the day could not be read.
func incomplete(planned PlannedDay, h *header) bool {
	return !planned.History && (planned.Silver >= 0 && planned.Silver != h.Silver || planned.Late >= 0 && planned.Late != h.Late)
}
