package warehouse

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Type is the type of a column, by its GoogleSQL name. NUMERIC is an exact
// decimal with six decimals (DECIMAL(18,6) in Parquet); a TIMESTAMP is a moment,
// with microseconds.
type Type string

// The types that a table may have.
const (
	Bool      Type = "BOOL"
	Int64     Type = "INT64"
	Float64   Type = "FLOAT64"
	Numeric   Type = "NUMERIC"
	String    Type = "STRING"
	Date      Type = "DATE"
	Timestamp Type = "TIMESTAMP"
)

var types = []Type{Bool, Int64, Float64, Numeric, String, Date, Timestamp}

// Column is one column of a table.
type Column struct {
	Name        string `yaml:"name"`
	Type        Type   `yaml:"type"`
	Required    bool   `yaml:"required,omitempty"` // never NULL
	Description string `yaml:"description"`
}

// Table describes a table of the warehouse. Its content is replaced by whole
// partitions.
type Table struct {
	Name        string   `yaml:"name"`
	Version     int      `yaml:"version"` // raised with every change of the columns
	Description string   `yaml:"description"`
	Grain       []string `yaml:"grain"`     // columns of which no two rows have the same values (NULL counts as one)
	Partition   string   `yaml:"partition"` // a DATE column, or a TIMESTAMP column cut by UTC days
	Cluster     []string `yaml:"cluster,omitempty"`
	SumsOf      string   `yaml:"sums_of,omitempty"`   // the table whose rows the rows of this one sum up
	LakeOnly    bool     `yaml:"lake_only,omitempty"` // it is read from the lake's own lanes, and never published
	Columns     []Column `yaml:"columns"`
}

// Column returns the column of that name; false if there is none.
func (t Table) Column(name string) (Column, bool) {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return Column{}, false
	}
	return t.Columns[i], true
}

// ParseTable reads a schema file, strictly.
func ParseTable(text []byte) (Table, error) {
	var t Table
	if err := yaml.UnmarshalWithOptions(text, &t, yaml.Strict()); err != nil {
		return Table{}, fmt.Errorf("schema of a table: %w", err)
	}
	return t, t.validate()
}

func (t Table) validate() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("schema of table %q: "+format, append([]any{t.Name}, args...)...)
	}
	if t.Name == "" || t.Version < 1 || t.Description == "" {
		return fail("expected a name, a version of 1 or more and a description, found version %d and description %q", t.Version, t.Description)
	}
	seen := map[string]bool{}
	for _, c := range t.Columns {
		switch {
		case c.Name == "" || strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
			return fail("column %q: expected a name of lower-case letters, digits and _", c.Name)
		case seen[c.Name]:
			return fail("column %s is there twice", c.Name)
		case !slices.Contains(types, c.Type):
			return fail("column %s: expected a type of %v, found %q", c.Name, types, c.Type)
		case c.Description == "":
			return fail("column %s: expected a description, found none", c.Name)
		}
		seen[c.Name] = true
	}
	for what, names := range map[string][]string{"grain": t.Grain, "cluster": t.Cluster, "partition": {t.Partition}} {
		for _, name := range names {
			if !seen[name] {
				return fail("%s: there is no column %q", what, name)
			}
		}
	}
	if len(t.Grain) == 0 {
		return fail("expected a grain, found none")
	}
	if p, _ := t.Column(t.Partition); p.Type != Date && p.Type != Timestamp {
		return fail("partition %s: expected a DATE or a TIMESTAMP, found %s", t.Partition, p.Type)
	}
	return nil
}
