// Package sql is the catalogue of queries over gold's tables, a folder a query
// (queries/NAME with query.sql, metadata.yaml and tests), and what runs and
// prints them. The texts are GoogleSQL that DuckDB understands, too, so both
// engines of a warehouse take them: docs/sql.md.
package sql

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql/tables"
)

//go:embed queries/*/query.sql queries/*/metadata.yaml
var files embed.FS

// Query is one query of the catalogue.
type Query struct {
	Name        string      `yaml:"-"`
	Text        string      `yaml:"-"` // GoogleSQL
	Description string      `yaml:"description"`
	Grain       []string    `yaml:"grain"`   // columns of which no two rows have the same values
	Sources     []string    `yaml:"sources"` // tables
	Parameters  []Parameter `yaml:"parameters"`
	Columns     []Column    `yaml:"columns"` // of the answer, in order
	Limits      []string    `yaml:"limits"`  // what it does not know
	Chart       Chart       `yaml:"chart"`
}

// Parameter is a value that a query's text names as @name.
type Parameter struct {
	Name        string         `yaml:"name"`
	Type        warehouse.Type `yaml:"type"`
	Default     *string        `yaml:"default"` // nil: NULL
	Values      []string       `yaml:"values"`  // all that it may be; none: any
	Min         *int64         `yaml:"min"`     // of an INT64
	In          string         `yaml:"in"`      // table.column that must have the value, or days around a date
	Description string         `yaml:"description"`
}

// Column describes a column of the answer.
type Column struct {
	Name        string         `yaml:"name"`
	Type        warehouse.Type `yaml:"type"`
	Description string         `yaml:"description"`
}

// Chart says how to draw an answer.
type Chart struct {
	Kind string `yaml:"kind"` // line or bars
	X    string `yaml:"x"`    // column along the chart
	Y    string `yaml:"y"`    // column that is drawn, a number
	By   string `yaml:"by"`   // column whose values are drawn apart; may be empty
}

// Queries returns all queries by name. It panics where one is described wrongly,
// which the tests of this package would have found.
func Queries() []Query {
	names, err := fs.Glob(files, "queries/*/metadata.yaml")
	if err != nil {
		panic(err)
	}
	var out []Query
	for _, name := range names {
		q, err := read(files, path.Dir(name))
		if err != nil {
			panic(err)
		}
		out = append(out, q)
	}
	return out
}

// Lookup returns the query of a name. The error of an unknown one is a *Usage
// with the nearest name.
func Lookup(name string) (Query, error) {
	all := Queries()
	names := make([]string, len(all))
	for i, q := range all {
		if q.Name == name {
			return q, nil
		}
		names[i] = q.Name
	}
	return Query{}, Unknown("query", name, names)
}

func read(from fs.FS, dir string) (Query, error) {
	q := Query{Name: path.Base(dir)}
	text, err := fs.ReadFile(from, dir+"/query.sql")
	if err != nil {
		return q, err
	}
	q.Text = string(text)
	metadata, err := fs.ReadFile(from, dir+"/metadata.yaml")
	if err != nil {
		return q, err
	}
	if err := yaml.UnmarshalWithOptions(metadata, &q, yaml.Strict()); err != nil {
		return q, fmt.Errorf("%s/metadata.yaml: %w", dir, err)
	}
	if err := q.validate(); err != nil {
		return q, fmt.Errorf("%s/metadata.yaml: %w", dir, err)
	}
	return q, nil
}

func (q Query) validate() error {
	if q.Description == "" || len(q.Grain) == 0 || len(q.Sources) == 0 || len(q.Columns) == 0 {
		return fmt.Errorf("expected a description, a grain, sources and columns, found %q, %v, %v and %v", q.Description, q.Grain, q.Sources, q.Columns)
	}
	known := map[string]bool{}
	for _, t := range tables.All() {
		known[t.Name] = true
	}
	for _, s := range q.Sources {
		if !known[s] {
			return fmt.Errorf("there is no table %q", s)
		}
	}
	columns := map[string]bool{"": true}
	for _, c := range q.Columns {
		if columns[c.Name] || c.Description == "" {
			return fmt.Errorf("column %q: expected a name of its own and a description", c.Name)
		}
		columns[c.Name] = true
	}
	for _, c := range append(slices.Clone(q.Grain), q.Chart.X, q.Chart.Y, q.Chart.By) {
		if !columns[c] {
			return fmt.Errorf("there is no column %q", c)
		}
	}
	if !slices.Contains([]string{chartLine, chartBars}, q.Chart.Kind) || q.Chart.X == "" || q.Chart.Y == "" {
		return fmt.Errorf("expected a chart of kind %s or %s with columns x and y, found %+v", chartLine, chartBars, q.Chart)
	}
	for _, p := range q.Parameters {
		if p.Description == "" || !strings.Contains(q.Text, "@"+p.Name) {
			return fmt.Errorf("parameter %q: expected a description, and to find it in the text", p.Name)
		}
		if _, err := p.value(); err != nil {
			return err
		}
		if table, column, _ := strings.Cut(p.In, "."); p.In != "" {
			i := slices.IndexFunc(tables.All(), func(t warehouse.Table) bool { return t.Name == table })
			if i < 0 || !slices.Contains(q.Sources, table) {
				return fmt.Errorf("parameter %q: in: expected a column of a source, found %q", p.Name, p.In)
			}
			// A day is looked for in the column that partitions the table, of moments by their UTC days.
			if c, ok := tables.All()[i].Column(column); !ok || p.Type != warehouse.Date && c.Type != p.Type || p.Type == warehouse.Date && column != tables.All()[i].Partition {
				return fmt.Errorf("parameter %q: in: expected a column of type %s, of a date the one that partitions the table, found %q", p.Name, p.Type, p.In)
			}
		}
	}
	return nil
}
