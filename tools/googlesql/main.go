// Command googlesql analyses every SQL file of the project as GoogleSQL, with
// the tables' schemas and the queries' parameters: names, types and syntax are
// checked as BigQuery would. It takes the project's folder sql, and ends with 1
// if it has a finding.
//
// It is a module of its own, because the engine takes minutes and 7 GB to compile.
package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/goccy/go-yaml"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: googlesql FOLDER, such as ../../sql")
		os.Exit(2)
	}
	files, findings, err := analyse(os.DirFS(os.Args[1]))
	if err != nil {
		fmt.Fprintln(os.Stderr, "googlesql:", err)
		os.Exit(1)
	}
	for _, f := range findings {
		fmt.Println(f)
	}
	fmt.Printf("googlesql: %d files, %d findings\n", files, len(findings))
	if len(findings) > 0 {
		os.Exit(1)
	}
}

// field is a column or a parameter: its name and its type in GoogleSQL.
type field struct {
	Name    string  `yaml:"name"`
	Type    string  `yaml:"type"`
	Default *string `yaml:"default"`
}

// described is what this program reads of schema.yaml and metadata.yaml.
type described struct {
	Name       string  `yaml:"name"`
	Columns    []field `yaml:"columns"`
	Parameters []field `yaml:"parameters"`
}

func read(folder fs.FS, name string) (d described, err error) {
	text, err := fs.ReadFile(folder, name)
	if err != nil {
		return d, err
	}
	if err := yaml.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

// analyse returns how many files there are and what is wrong with them.
func analyse(folder fs.FS) (files int, findings []string, err error) {
	schemas, err := fs.Glob(folder, "tables/*/schema.yaml")
	if err != nil {
		return 0, nil, err
	}
	var tables []described
	for _, name := range schemas {
		t, err := read(folder, name)
		if err != nil {
			return 0, nil, err
		}
		tables = append(tables, t)
	}
	a, err := newAnalyser(tables)
	if err != nil {
		return 0, nil, err
	}
	// The columns are checked where want is not nil.
	check := func(name string, params, want []field) error {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		columns, err := a.columns(string(text), params)
		switch {
		case err != nil:
			findings = append(findings, fmt.Sprintf("%s: %v", name, err))
		case want != nil:
			if diff := difference(want, columns); diff != "" {
				findings = append(findings, name+": "+diff)
			}
		}
		return nil
	}
	queries, err := fs.Glob(folder, "queries/*/query.sql")
	if err != nil {
		return 0, nil, err
	}
	for _, name := range queries {
		d, err := read(folder, path.Dir(name)+"/metadata.yaml")
		if err != nil {
			return 0, nil, err
		}
		// A parameter without a value comes as a STRING (internal/warehouse/bigquery).
		untyped := make([]field, len(d.Parameters))
		for i, p := range d.Parameters {
			untyped[i] = field{Name: p.Name, Type: "STRING"}
			if p.Default != nil {
				untyped[i].Type = p.Type
			}
		}
		if err := cmp.Or(check(name, d.Parameters, d.Columns), check(name, untyped, d.Columns)); err != nil {
			return 0, nil, err
		}
	}
	checks, err := fs.Glob(folder, "tables/*/checks/*.sql")
	if err != nil {
		return 0, nil, err
	}
	for _, name := range checks {
		if err := cmp.Or(check(name, []field{{Name: "date", Type: "DATE"}}, nil), check(name, []field{{Name: "date", Type: "STRING"}}, nil)); err != nil {
			return 0, nil, err
		}
	}
	return len(queries) + len(checks), findings, nil
}
