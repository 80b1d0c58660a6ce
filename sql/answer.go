package sql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql/tables"
)

// Answer asks the query with values that Bind returned. Values that the tables
// do not have are a *Usage that says which they have: an answer without rows, or
// of another day, would not.
func (q Query) Answer(ctx context.Context, w warehouse.Warehouse, values warehouse.Params) (*warehouse.Rows, error) {
	if err := q.fits(ctx, w, values); err != nil {
		return nil, err
	}
	rows, err := w.Query(ctx, q.Text, values)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q.Name, err)
	}
	return rows, nil
}

// fits compares the values with the columns that they are looked for in, where
// those have any.
func (q Query) fits(ctx context.Context, w warehouse.Warehouse, values warehouse.Params) error {
	for _, p := range q.Parameters {
		if p.In == "" || values[p.Name] == nil {
			continue
		}
		table, column, _ := strings.Cut(p.In, ".")
		if date, ok := values[p.Name].(civil.Date); ok {
			known, err := daysOf(ctx, w, table)
			if err == nil {
				err = known.fit(q.Name, p.Name, date, values["to"])
			}
			if err != nil {
				return err
			}
			continue
		}
		text := fmt.Sprintf("SELECT DISTINCT %[2]s FROM %[1]s WHERE %[2]s IS NOT NULL ORDER BY %[2]s", table, column)
		rows, err := w.Query(ctx, text, nil)
		if err != nil {
			return fmt.Errorf("%s: parameter %s: %w", q.Name, p.Name, err)
		}
		known := make([]string, len(rows.Rows))
		for i, row := range rows.Rows {
			known[i] = Text(row[0])
		}
		if value := Text(values[p.Name]); len(known) > 0 && !slices.Contains(known, value) {
			return fmt.Errorf("%s: %w", q.Name, Unknown(p.Name+" in "+table, value, known))
		}
	}
	return nil
}

// days are those that a table has rows of.
type days struct {
	table                 string
	first, last, complete *civil.Date // nil: none; complete: the last of which no more events may come
}

// daysOf asks a table, which is partitioned by day.
func daysOf(ctx context.Context, w warehouse.Warehouse, table string) (days, error) {
	t := tables.Must(table)
	column := t.Partition
	if c, _ := t.Column(column); c.Type == warehouse.Timestamp {
		column = "CAST(" + column + " AS DATE)"
	}
	complete := "CAST(NULL AS DATE)"
	if _, ok := t.Column("complete"); ok {
		complete = "MAX(CASE WHEN complete THEN " + column + " END)"
	}
	rows, err := w.Query(ctx, fmt.Sprintf("SELECT MIN(%[1]s) AS first_date, MAX(%[1]s) AS last_date, %[2]s AS last_complete FROM %[3]s", column, complete, table), nil)
	if err != nil {
		return days{}, fmt.Errorf("days of %s: %w", table, err)
	}
	d := days{table: table}
	for i, at := range []**civil.Date{&d.first, &d.last, &d.complete} {
		if v, ok := rows.Rows[0][i].(civil.Date); ok {
			*at = &v
		}
	}
	return d, nil
}

// fit wants a date that the table has: a first day up to its last, a last one
// (any other name) from its first on. to is the last day that is asked for, nil
// for the default.
func (d days) fit(query, name string, date civil.Date, to any) error {
	switch {
	case d.last == nil: // WhyEmpty says so
	case date.After(*d.last), name != "from" && date.Before(*d.first):
		return NewUsage("%s: parameter %s=%s is outside of the data: expected a date of %v", query, name, date, d)
	case name == "from" && to == nil && d.complete != nil && date.After(*d.complete):
		return NewUsage("%s: parameter from=%s is after the last complete day, %s: for days that are not over say to=%s, too", query, date, d.complete, d.last)
	}
	return nil
}

// String is for people.
func (d days) String() string {
	switch {
	case d.last == nil:
		return d.table + ", which has no rows"
	case d.complete == nil || *d.complete == *d.last:
		return fmt.Sprintf("%s, which has %s to %s", d.table, d.first, d.last)
	}
	return fmt.Sprintf("%s, which has %s to %s, complete up to %s", d.table, d.first, d.last, d.complete)
}

// WhyEmpty says for people what there is to go by where an answer has no rows.
func (q Query) WhyEmpty(ctx context.Context, w warehouse.Warehouse, values warehouse.Params) (string, error) {
	has := make([]string, len(q.Sources))
	for i, table := range q.Sources {
		d, err := daysOf(ctx, w, table)
		if err != nil {
			return "", err
		}
		has[i] = d.String()
	}
	var given []string
	for _, p := range q.Parameters {
		if v := values[p.Name]; v != nil && p.Type != warehouse.Int64 {
			given = append(given, p.Name+"="+Text(v))
		}
	}
	text := q.Name + " has no rows: it is made of " + strings.Join(has, "; ")
	if len(given) > 0 {
		text += "; asked for " + strings.Join(given, ", ")
	}
	return text, nil
}
