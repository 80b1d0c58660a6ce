// Package tables holds the schemas of gold's tables, a folder each: schema.yaml
// (columns, grain, partition) and quality.yaml (rules), with checks of its own in
// SQL where a rule needs one.
package tables

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"

	"example.com/shopstream/internal/warehouse"
)

// Files holds a folder a table.
//
//go:embed */*.yaml */checks/*.sql
var Files embed.FS

// All returns every table, by name. It panics where a schema file is wrong,
// which the tests of this package would have found.
func All() []warehouse.Table {
	names, err := fs.Glob(Files, "*/schema.yaml")
	if err != nil {
		panic(err)
	}
	var out []warehouse.Table
	for _, name := range names {
		text, err := fs.ReadFile(Files, name)
		if err != nil {
			panic(err)
		}
		t, err := warehouse.ParseTable(text)
		if err != nil {
			panic(fmt.Sprintf("%s: %v", name, err))
		}
		out = append(out, t)
	}
	return out
}

// Published returns the tables that a warehouse may have: all but those that are
// read from a lake's own lanes.
func Published() []warehouse.Table {
	return slices.DeleteFunc(All(), func(t warehouse.Table) bool { return t.LakeOnly })
}

// Must returns the table of a name that is in the program's text.
func Must(name string) warehouse.Table {
	all := All()
	i := slices.IndexFunc(all, func(t warehouse.Table) bool { return t.Name == name })
	if i < 0 {
		panic("there is no table " + name)
	}
	return all[i]
}
