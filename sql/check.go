package sql

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"cloud.google.com/go/civil"
	"github.com/goccy/go-yaml"

	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql/tables"
)

// Check is a rule of a table in SQL. Its text returns the rows that break it.
// The parameter @date is the day that it looks at, NULL for all.
type Check struct {
	Table, Name, Text string
	// Severity is that of the rule in the table's quality.yaml that names the
	// check (docs/quality.md), fail if none does.
	Severity string
}

// severities are those of a table's checks by name.
func severities(table string) map[string]string {
	text, err := fs.ReadFile(tables.Files, table+"/quality.yaml")
	if err != nil {
		return nil // a table without rules
	}
	var file struct {
		Rules []struct {
			Severity string `yaml:"severity"`
			SQL      struct {
				File string `yaml:"file"`
			} `yaml:"sql"`
		} `yaml:"rules"`
	}
	// The gold job reads the file strictly.
	if err := yaml.Unmarshal(text, &file); err != nil {
		panic(fmt.Sprintf("%s/quality.yaml: %v", table, err))
	}
	out := map[string]string{}
	for _, r := range file.Rules {
		out[r.SQL.File] = r.Severity
	}
	return out
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
		c := Check{Table: path.Dir(path.Dir(name)), Name: strings.TrimSuffix(path.Base(name), ".sql"), Text: string(text)}
		c.Severity = cmp.Or(severities(c.Table)[c.Name], "fail")
		out[i] = c
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
