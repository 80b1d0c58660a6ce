package bigquery

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cloud.google.com/go/bigquery"

	"example.com/shopstream/internal/warehouse"
)

// versionLabel is the label with the version of a table's schema file.
const versionLabel = "schema_version"

// Plan is what making or upgrading a table would do.
type Plan struct {
	Table   string
	Create  bool
	Changes []string // what would be changed, for people; none: nothing to do
}

// metadata describes a table to BigQuery.
func metadata(t warehouse.Table, labels map[string]string) *bigquery.TableMetadata {
	labels = maps.Clone(labels)
	labels[versionLabel] = strconv.Itoa(t.Version)
	m := &bigquery.TableMetadata{
		Description:      t.Description,
		Schema:           schema(t),
		TimePartitioning: &bigquery.TimePartitioning{Type: bigquery.DayPartitioningType, Field: t.Partition},
		Labels:           labels,
	}
	if len(t.Cluster) > 0 {
		m.Clustering = &bigquery.Clustering{Fields: t.Cluster}
	}
	return m
}

func schema(t warehouse.Table) bigquery.Schema {
	var s bigquery.Schema
	for _, c := range t.Columns {
		s = append(s, &bigquery.FieldSchema{Name: c.Name, Type: fieldType(c.Type), Required: c.Required, Description: c.Description})
	}
	return s
}

// fieldType is a type by the name that BigQuery's API has for it.
func fieldType(t warehouse.Type) bigquery.FieldType {
	switch t {
	case warehouse.Bool:
		return bigquery.BooleanFieldType
	case warehouse.Int64:
		return bigquery.IntegerFieldType
	case warehouse.Float64:
		return bigquery.FloatFieldType
	}
	return bigquery.FieldType(t)
}

// columnType is the inverse of fieldType; false for types that a warehouse does
// not have. The API also takes the names of GoogleSQL.
func columnType(t bigquery.FieldType) (warehouse.Type, bool) {
	switch t {
	case bigquery.BooleanFieldType, "BOOL":
		return warehouse.Bool, true
	case bigquery.IntegerFieldType, "INT64":
		return warehouse.Int64, true
	case bigquery.FloatFieldType, "FLOAT64":
		return warehouse.Float64, true
	case bigquery.NumericFieldType, bigquery.BigNumericFieldType:
		return warehouse.Numeric, true
	case bigquery.StringFieldType, bigquery.DateFieldType, bigquery.TimestampFieldType:
		return warehouse.Type(t), true
	}
	return "", false
}

// upgrade says how a table that exists becomes t. It is an error, which lists
// every difference, if that needs more than new columns that may be NULL,
// columns that no longer must be there, and new descriptions.
func upgrade(have *bigquery.TableMetadata, t warehouse.Table) (update bigquery.TableMetadataToUpdate, changes []string, err error) {
	var refused []string
	refuse := func(format string, args ...any) { refused = append(refused, fmt.Sprintf(format, args...)) }
	change := func(format string, args ...any) { changes = append(changes, fmt.Sprintf(format, args...)) }

	version, _ := strconv.Atoi(have.Labels[versionLabel])
	if version > t.Version {
		refuse("the table has version %d of the schema, this program version %d: use a newer program", version, t.Version)
	}
	merged, described := mergeColumns(have.Schema, t, refuse, change)
	if diff := partitioning(have); diff != t.Partition+" by DAY" {
		refuse("partitioning: the table has %s, the schema %s by DAY", diff, t.Partition)
	}
	var clustered []string
	if have.Clustering != nil {
		clustered = have.Clustering.Fields
	}
	if !slices.Equal(clustered, t.Cluster) {
		refuse("clustering: the table has %v, the schema %v", clustered, t.Cluster)
	}
	if len(refused) > 0 {
		return update, nil, fmt.Errorf("table %s does not fit version %d of its schema, and cannot be changed without loss:\n  - %s\nUse another dataset, or drop the table and publish its partitions again",
			t.Name, t.Version, strings.Join(append(refused, changes...), "\n  - "))
	}
	if len(changes) > 0 || described {
		update.Schema = merged
	}
	if have.Description != t.Description {
		change("description: %s", t.Description)
		update.Description = t.Description
	}
	if described {
		change("descriptions of columns")
	}
	if version != t.Version {
		change("version of the schema: %d, was %d", t.Version, version)
		update.SetLabel(versionLabel, strconv.Itoa(t.Version))
	}
	return update, changes, nil
}

// mergeColumns returns the table's columns, changed as t wants them, in the
// table's order: new ones stand at its end. described: a description differs.
func mergeColumns(have bigquery.Schema, t warehouse.Table, refuse, change func(string, ...any)) (merged bigquery.Schema, described bool) {
	seen := map[string]bool{}
	for _, f := range have {
		name := strings.ToLower(f.Name)
		seen[name] = true
		next := *f
		want, ok := t.Column(name)
		if !ok {
			refuse("column %s (%s): the table has it, the schema does not: columns are never dropped", f.Name, typeOf(f))
			continue
		}
		if got, known := columnType(f.Type); !known || got != want.Type || f.Repeated || f.Type == bigquery.BigNumericFieldType {
			refuse("column %s: the table has %s, the schema %s", f.Name, typeOf(f), want.Type)
		}
		switch {
		case want.Required && !f.Required:
			refuse("column %s: may be NULL in the table, must not in the schema", f.Name)
		case !want.Required && f.Required:
			change("column %s may be NULL", f.Name)
			next.Required = false
		}
		if f.Description != want.Description {
			described = true
			next.Description = want.Description
		}
		merged = append(merged, &next)
	}
	for _, f := range schema(t) {
		switch {
		case seen[f.Name]:
		case f.Required:
			refuse("column %s (%s): new, and must not be NULL, but rows that are there have none: let it be NULL in the schema", f.Name, typeOf(f))
		default:
			change("new column %s (%s)", f.Name, typeOf(f))
			merged = append(merged, f)
		}
	}
	return merged, described
}

func typeOf(f *bigquery.FieldSchema) string {
	name := string(f.Type)
	if t, ok := columnType(f.Type); ok && f.Type != bigquery.BigNumericFieldType {
		name = string(t)
	}
	if f.Repeated {
		return "ARRAY<" + name + ">"
	}
	return name
}

func partitioning(m *bigquery.TableMetadata) string {
	switch p := m.TimePartitioning; {
	case m.RangePartitioning != nil:
		return "ranges of " + m.RangePartitioning.Field
	case p == nil:
		return "none"
	case p.Field == "":
		return fmt.Sprintf("ingestion time by %s", p.Type)
	default:
		return fmt.Sprintf("%s by %s", p.Field, p.Type)
	}
}
