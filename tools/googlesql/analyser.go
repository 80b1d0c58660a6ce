package main

import (
	"fmt"
	"strings"

	"github.com/goccy/go-googlesql"
)

// analyser resolves queries against tables.
type analyser struct {
	language *googlesql.LanguageOptions
	types    *googlesql.TypeFactory
	catalog  *googlesql.SimpleCatalog
}

func newAnalyser(tables []described) (*analyser, error) {
	if err := googlesql.Init(); err != nil {
		return nil, err
	}
	a := &analyser{}
	var err error
	if a.language, err = googlesql.NewLanguageOptions(); err != nil {
		return nil, err
	}
	// What is released to users, by BigQuery's names of types.
	if err := a.language.EnableMaximumLanguageFeatures(); err != nil {
		return nil, err
	}
	if err := a.language.SetProductMode(googlesql.ProductModeProductExternal); err != nil {
		return nil, err
	}
	if err := a.language.SetSupportedStatementKinds([]googlesql.ResolvedNodeKind{googlesql.ResolvedNodeKindResolvedQueryStmt}); err != nil {
		return nil, err
	}
	if a.types, err = googlesql.NewTypeFactory(); err != nil {
		return nil, err
	}
	if a.catalog, err = googlesql.NewSimpleCatalog("shopstream", nil); err != nil {
		return nil, err
	}
	if err := a.catalog.AddBuiltinFunctionsAndTypes(&googlesql.BuiltinFunctionOptions{LanguageOptions: a.language}); err != nil {
		return nil, err
	}
	for i, t := range tables {
		if err := a.addTable(t, int64(i)); err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return a, nil
}

func (a *analyser) addTable(t described, id int64) error {
	table, err := googlesql.NewSimpleTable(t.Name, id)
	if err != nil {
		return err
	}
	for _, c := range t.Columns {
		typ, err := a.typeOf(c.Type)
		if err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
		column, err := googlesql.NewSimpleColumn(t.Name, c.Name, typ, false, false)
		if err != nil {
			return err
		}
		if err := table.AddColumn2(column, false); err != nil {
			return err
		}
	}
	return a.catalog.AddTable(table)
}

func (a *analyser) typeOf(name string) (googlesql.Googlesql_TypeNode, error) {
	switch name {
	case "BOOL":
		return a.types.GetBool()
	case "INT64":
		return a.types.GetInt64()
	case "FLOAT64":
		return a.types.GetDouble()
	case "NUMERIC":
		return a.types.GetNumeric()
	case "STRING":
		return a.types.GetString()
	case "DATE":
		return a.types.GetDate()
	case "TIMESTAMP":
		return a.types.GetTimestamp()
	}
	return nil, fmt.Errorf("expected a type of the warehouse, found %q", name)
}

// columns resolves a query, and returns its columns.
func (a *analyser) columns(text string, params []field) ([]field, error) {
	options, err := googlesql.NewAnalyzerOptions2()
	if err != nil {
		return nil, err
	}
	if err := options.SetLanguage(a.language); err != nil {
		return nil, err
	}
	for _, p := range params {
		typ, err := a.typeOf(p.Type)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", p.Name, err)
		}
		if err := options.AddQueryParameter(p.Name, typ); err != nil {
			return nil, err
		}
	}
	out, err := googlesql.AnalyzeStatement(text, options, a.catalog, a.types)
	if err != nil {
		return nil, err
	}
	statement, err := out.ResolvedStatement()
	if err != nil {
		return nil, err
	}
	query, ok := statement.(*googlesql.ResolvedQueryStmt)
	if !ok {
		return nil, fmt.Errorf("expected a query, found %T", statement)
	}
	n, err := query.OutputColumnListSize()
	if err != nil {
		return nil, err
	}
	columns := make([]field, n)
	for i := range columns {
		if columns[i], err = a.column(query, int32(i)); err != nil {
			return nil, err
		}
	}
	return columns, nil
}

func (a *analyser) column(query *googlesql.ResolvedQueryStmt, i int32) (f field, err error) {
	output, err := query.OutputColumnList2(i)
	if err != nil {
		return f, err
	}
	if f.Name, err = output.Name(); err != nil {
		return f, err
	}
	column, err := output.Column()
	if err != nil {
		return f, err
	}
	typ, err := column.Type()
	if err != nil {
		return f, err
	}
	kind, err := typ.Kind()
	if err != nil {
		return f, err
	}
	f.Type = kinds[kind]
	if f.Type == "" {
		f.Type = kind.String()
	}
	return f, nil
}

// kinds are the types of the warehouse.
var kinds = map[googlesql.TypeKind]string{
	googlesql.TypeKindTypeBool:      "BOOL",
	googlesql.TypeKindTypeInt64:     "INT64",
	googlesql.TypeKindTypeDouble:    "FLOAT64",
	googlesql.TypeKindTypeNumeric:   "NUMERIC",
	googlesql.TypeKindTypeString:    "STRING",
	googlesql.TypeKindTypeDate:      "DATE",
	googlesql.TypeKindTypeTimestamp: "TIMESTAMP",
}

// difference says how found columns are not the wanted ones; "" if they are.
func difference(want, found []field) string {
	text := func(fields []field) string {
		parts := make([]string, len(fields))
		for i, f := range fields {
			parts[i] = f.Name + " " + f.Type
		}
		return strings.Join(parts, ", ")
	}
	for i := range min(len(want), len(found)) {
		if want[i].Name != found[i].Name || want[i].Type != found[i].Type {
			return fmt.Sprintf("column %d is %s, and metadata.yaml says %s", i+1, text(found[i:i+1]), text(want[i:i+1]))
		}
	}
	if len(want) != len(found) {
		return fmt.Sprintf("its columns are %s, and metadata.yaml says %s", text(found), text(want))
	}
	return ""
}
