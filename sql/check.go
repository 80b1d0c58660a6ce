package sql

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql/tables"
)

// Check is a rule of a table in SQL. Its text returns the rows that break it.
// The parameter @date is the day that it looks at, NULL for all.
type Check struct {
	Table, Name, Text string
}

// Checks returns the checks of all tables, by table and name.
func Checks() []Check {
	names, err := fs.Glob(tables.Files, "*/checks/*.sql")
	if err != nil {
		panic(err)
	}
	out := make([]Check, len(names))
	for i, name := range names {
		text, err := fs.ReadFile(tables.Files, name)
		if err != nil {
			panic(err)
		}
		out[i] = Check{Table: path.Dir(path.Dir(name)), Name: strings.TrimSuffix(path.Base(name), ".sql"), Text: string(text)}
	}
	return out
}

// Run returns the rows that break the check; none if it holds.
func (c Check) Run(ctx context.Context, w warehouse.Warehouse, date *civil.Date) (*warehouse.Rows, error) {
	params := warehouse.Params{"date": nil}
	if date != nil {
		params["date"] = *date
	}
	rows, err := w.Query(ctx, c.Text, params)
	if err != nil {
		return nil, fmt.Errorf("check %s of %s: %w", c.Name, c.Table, err)
	}
	return rows, nil
}
