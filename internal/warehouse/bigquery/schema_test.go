package bigquery

import (
	"strings"
	"testing"

	"cloud.google.com/go/bigquery"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql/tables"
)

// wanted is version 2 of a small table.
func wanted() warehouse.Table {
	return warehouse.Table{
		Name: "sales", Version: 2, Description: "Sales.", Grain: []string{"date"}, Partition: "date", Cluster: []string{"product"},
		Columns: []warehouse.Column{
			{Name: "date", Type: warehouse.Date, Required: true, Description: "day"},
			{Name: "product", Type: warehouse.String, Required: true, Description: "product"},
			{Name: "revenue", Type: warehouse.Numeric, Description: "money"},
			{Name: "units", Type: warehouse.Int64, Description: "pieces"},
			{Name: "share", Type: warehouse.Float64, Description: "share"},
			{Name: "complete", Type: warehouse.Bool, Description: "whether all is there"},
			{Name: "at", Type: warehouse.Timestamp, Description: "when"},
		},
	}
}

func TestUpgrade(t *testing.T) {
	field := func(m *bigquery.TableMetadata, name string) *bigquery.FieldSchema {
		for _, f := range m.Schema {
			if f.Name == name {
				return f
			}
		}
		t.Fatalf("no field %s", name)
		return nil
	}
	tests := []struct {
		name    string
		change  func(have *bigquery.TableMetadata, want *warehouse.Table)
		changes []string
		refused []string
	}{
		{name: "the same", change: func(*bigquery.TableMetadata, *warehouse.Table) {}},
		{name: "types by their GoogleSQL names", change: func(h *bigquery.TableMetadata, _ *warehouse.Table) {
			field(h, "units").Type, field(h, "share").Type, field(h, "complete").Type = "INT64", "FLOAT64", "BOOL"
		}},
		{name: "a new column", change: func(h *bigquery.TableMetadata, _ *warehouse.Table) {
			h.Schema = append(h.Schema[:2], h.Schema[3:]...)
			h.Labels[versionLabel] = "1"
		}, changes: []string{"new column revenue (NUMERIC)", "version of the schema: 2, was 1"}},
		{name: "relaxed", change: func(h *bigquery.TableMetadata, _ *warehouse.Table) { field(h, "units").Required = true }, changes: []string{"column units may be NULL"}},
		{name: "descriptions", change: func(h *bigquery.TableMetadata, _ *warehouse.Table) {
			field(h, "units").Description, h.Description = "", ""
		}, changes: []string{"description: Sales.", "descriptions of columns"}},
		{name: "no label", change: func(h *bigquery.TableMetadata, _ *warehouse.Table) { h.Labels = nil }, changes: []string{"version of the schema: 2, was 0"}},
		{name: "all that is refused", change: func(h *bigquery.TableMetadata, w *warehouse.Table) {
			h.Labels[versionLabel] = "3"
			field(h, "units").Type = bigquery.StringFieldType
			field(h, "revenue").Type = bigquery.BigNumericFieldType
			field(h, "share").Repeated = true
			field(h, "product").Required = false
			h.Schema = append(h.Schema, &bigquery.FieldSchema{Name: "old", Type: bigquery.BytesFieldType})
			w.Columns = append(w.Columns, warehouse.Column{Name: "new", Type: warehouse.String, Required: true, Description: "new"})
			h.TimePartitioning = &bigquery.TimePartitioning{Type: bigquery.MonthPartitioningType, Field: "at"}
			h.Clustering = nil
		}, refused: []string{
			"version 3 of the schema, this program version 2: use a newer program",
			"column units: the table has STRING, the schema INT64",
			"column revenue: the table has BIGNUMERIC, the schema NUMERIC",
			"column share: the table has ARRAY<FLOAT64>, the schema FLOAT64",
			"column product: may be NULL in the table, must not in the schema",
			"column old (BYTES): the table has it, the schema does not",
			"column new (STRING): new, and must not be NULL, but rows that are there have none: let it be NULL",
			"partitioning: the table has at by MONTH, the schema date by DAY",
			"clustering: the table has [], the schema [product]",
		}},
		{name: "not partitioned", change: func(h *bigquery.TableMetadata, _ *warehouse.Table) { h.TimePartitioning = nil }, refused: []string{"the table has none"}},
		{name: "by ranges", change: func(h *bigquery.TableMetadata, _ *warehouse.Table) {
			h.RangePartitioning = &bigquery.RangePartitioning{Field: "units"}
		}, refused: []string{"ranges of units"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := wanted()
			have := metadata(want, map[string]string{})
			tt.change(have, &want)
			update, changes, err := upgrade(have, want)
			if (err != nil) != (tt.refused != nil) {
				t.Fatalf("error %v", err)
			}
			for _, part := range tt.refused {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %v, expected it to say %q", err, part)
				}
			}
			if diff := cmp.Diff(tt.changes, changes); diff != "" {
				t.Error(diff)
			}
			if update.Schema != nil && len(update.Schema) != len(want.Columns) {
				t.Errorf("the new schema has %d columns, expected %d", len(update.Schema), len(want.Columns))
			}
		})
	}
}

// TestEnsureTable: each table of ours, an older version of which is there and
// whose requests fail, ends as its schema says, and nothing more is to do then.
func TestEnsureTable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := startFake(rt)
		w := f.open(rt)
		table := rapid.SampledFrom(tables.All()).Draw(rt, "table")
		older := table
		older.Version = 0
		older.Columns = nil
		for _, c := range table.Columns {
			keyed := c.Required || c.Name == table.Partition
			for _, name := range table.Cluster {
				keyed = keyed || c.Name == name
			}
			if keyed || rapid.Bool().Draw(rt, "has "+c.Name) {
				c.Required = c.Required || rapid.Bool().Draw(rt, "required "+c.Name)
				older.Columns = append(older.Columns, c)
			}
		}
		if rapid.Bool().Draw(rt, "exists") {
			if _, err := w.EnsureTable(t.Context(), older); err != nil {
				rt.Fatal(err)
			}
		}
		for _, op := range []string{"GET tables/", "POST tables", "PATCH tables/", "GET datasets/", "POST datasets"} {
			f.fail(op, rapid.SliceOfN(rapid.SampledFrom(passing[:len(passing)-1]), 0, 3).Draw(rt, op)...)
		}
		if err := w.EnsureDataset(t.Context()); err != nil {
			rt.Fatal(err)
		}
		if _, err := w.EnsureTable(t.Context(), table); err != nil {
			rt.Fatal(err)
		}
		f.mu.Lock()
		f.faults = nil
		f.mu.Unlock()
		if plan, err := w.PlanTable(t.Context(), table); err != nil || plan.Create || plan.Changes != nil {
			rt.Fatalf("afterwards %+v, %v is still to be done", plan, err)
		}
		got := map[string]string{}
		for _, c := range f.tables[table.Name].Schema.Fields {
			got[c.Name] = c.Type + c.Mode
		}
		want := map[string]string{}
		for _, c := range table.Columns {
			mode := ""
			if c.Required {
				mode = "REQUIRED"
			}
			want[c.Name] = string(fieldType(c.Type)) + mode
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal(diff)
		}
		if f.tables[table.Name].Labels["app"] != "shopstream" {
			rt.Fatalf("labels %v", f.tables[table.Name].Labels)
		}
	})
}

// TestDrift: a table that somebody changed is not loaded.
func TestDrift(t *testing.T) {
	f := startFake(t)
	w := f.open(t)
	sales := tables.Must("daily_sales")
	if _, err := w.EnsureTable(t.Context(), sales); err != nil {
		t.Fatal(err)
	}
	for _, c := range f.tables["daily_sales"].Schema.Fields {
		if c.Name == "units" {
			c.Type = "STRING"
		}
	}
	err := w.Publish(t.Context(), sales, day, gold(f, day, "A"))
	if err == nil || !strings.Contains(err.Error(), "column units: the table has STRING, the schema INT64") || !strings.Contains(err.Error(), "bigquery://project/shop") {
		t.Errorf("error %v", err)
	}
	if f.jobCount() > 0 {
		t.Error("a job was started")
	}
}

// TestPredictionsOfVersion1: a table of the first version, which had products
// only, cannot be upgraded without loss, and the error says so.
func TestPredictionsOfVersion1(t *testing.T) {
	table := tables.Must("demand_predictions")
	old := table
	old.Version, old.Cluster = 1, []string{"product_id"}
	old.Columns = []warehouse.Column{{Name: "product_id", Type: warehouse.String, Required: true, Description: "product"}}
	for _, c := range table.Columns {
		switch c.Name {
		case "level", "series", "category", "target", "currency", "fallback":
		default:
			old.Columns = append(old.Columns, c)
		}
	}
	_, _, err := upgrade(metadata(old, map[string]string{}), table)
	if err == nil {
		t.Fatal("the table was upgraded")
	}
	for _, want := range []string{"column product_id", "column level", "column series", "column target", "clustering", "drop the table and publish its partitions again"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q in the error: %v", want, err)
		}
	}
}
