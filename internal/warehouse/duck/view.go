package duck

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/warehouse"
)

// Where tables lie in a lake.
const (
	goldDir    = "gold"
	metricsDir = "metrics"
	// metricsTable is the one table that gold does not make of days.
	metricsTable = "metrics_5m"
)

// view is what the database knows of a table.
type view struct {
	table   warehouse.Table
	made    bool
	files   []string             // as they are in the view
	checked map[string]lake.Info // by name: objects whose columns are right
}

// folder is the prefix of a table's files.
func folder(t warehouse.Table) string {
	if t.Name == metricsTable {
		return metricsDir + "/window=5m/"
	}
	return goldDir + "/" + t.Name + "/"
}

// dateOf returns the date of a table's file, from its name.
func dateOf(t warehouse.Table, name string) (date civil.Date, ok bool) {
	if t.Name != metricsTable {
		return lake.GoldDate(t.Name, name)
	}
	if !strings.HasPrefix(name, folder(t)) {
		return date, false
	}
	key, err := lake.ParseName(name)
	return civil.DateOf(time.UnixMilli(key.WindowStart).UTC()), err == nil
}

// refresh makes the views of the tables that a text may name fit the files that
// are there now.
func (d *Duck) refresh(ctx context.Context, words map[string]bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, v := range d.views {
		if words[name] {
			if err := d.refreshView(ctx, v); err != nil {
				return fmt.Errorf("table %s: %w", name, err)
			}
		}
	}
	return nil
}

func (d *Duck) refreshView(ctx context.Context, v *view) error {
	objects, err := d.objects(ctx, v.table)
	if err != nil {
		return err
	}
	files, err := d.paths(ctx, objects)
	if err != nil {
		return err
	}
	if err := d.check(ctx, v, objects, files); err != nil {
		return err
	}
	if v.made && slices.Equal(files, v.files) {
		return nil
	}
	if _, err := d.db.ExecContext(ctx, define(v.table, files)); err != nil {
		return fmt.Errorf("DuckDB: %w", err)
	}
	v.made, v.files = true, files
	return nil
}

// objects are the files of a table that readers take, held to what the lake says
// of them.
func (d *Duck) objects(ctx context.Context, t warehouse.Table) ([]lake.Info, error) {
	switch t.Name {
	case metricsTable:
		return d.metrics.Of(ctx, d.store, folder(t))
	case deadTable:
		return d.dead.Of(ctx, d.store)
	}
	return d.gold.Of(ctx, d.store, t.Name)
}

// paths returns where the objects are on this machine.
func (d *Duck) paths(ctx context.Context, objects []lake.Info) ([]string, error) {
	if d.cache != "" {
		return d.fetch(ctx, objects)
	}
	files := make([]string, len(objects))
	for i, o := range objects {
		files[i] = filepath.Join(d.store.URI(), filepath.FromSlash(o.Name))
	}
	return files, nil
}

// define is the statement that makes a table's view.
func define(t warehouse.Table, files []string) string {
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = sqlName(c.Name)
		if len(files) == 0 {
			columns[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", duckTypes[c.Type], columns[i])
		}
	}
	text := "CREATE OR REPLACE VIEW " + sqlName(t.Name) + " AS SELECT " + strings.Join(columns, ", ")
	if len(files) == 0 {
		return text + " WHERE FALSE"
	}
	if t.Name == deadTable {
		return defineDead(t, files)
	}
	return text + " FROM read_parquet([" + fileList(files) + "], hive_partitioning = false)"
}

// duckTypes are the types that columns of gold's files have.
var duckTypes = map[warehouse.Type]string{
	warehouse.Bool: "BOOLEAN", warehouse.Int64: "BIGINT", warehouse.Float64: "DOUBLE", warehouse.Numeric: "DECIMAL(18,6)",
	warehouse.String: "VARCHAR", warehouse.Date: "DATE", warehouse.Timestamp: "TIMESTAMP WITH TIME ZONE",
}

// fileList quotes paths. DuckDB takes one for a pattern only if there is no file
// of that name.
func fileList(files []string) string {
	quoted := make([]string, len(files))
	for i, f := range files {
		quoted[i] = sqlString(f)
	}
	return strings.Join(quoted, ", ")
}

// check wants the table's columns in each file that is new or has changed.
func (d *Duck) check(ctx context.Context, v *view, objects []lake.Info, files []string) error {
	if v.table.Name == deadTable {
		return nil // a lane's columns are the encoder's, and the ledger knows the files by their checksums
	}
	checked := make(map[string]lake.Info, len(objects))
	var changed []string
	names := map[string]string{} // by path
	for i, o := range objects {
		checked[o.Name] = o
		if old, ok := v.checked[o.Name]; !ok || old != o {
			changed = append(changed, files[i])
			names[files[i]] = o.Name
		}
	}
	const batch = 500 // files a statement
	for paths := range slices.Chunk(changed, batch) {
		if err := d.checkFiles(ctx, v.table, paths, names); err != nil {
			return err
		}
	}
	v.checked = checked
	return nil
}

// checkFiles wants the table's columns in each file; names has the object's name
// of each path.
func (d *Duck) checkFiles(ctx context.Context, t warehouse.Table, paths []string, names map[string]string) error {
	rows, err := d.db.QueryContext(ctx, fmt.Sprintf("SELECT file_name, name, coalesce(duckdb_type, ''), num_children IS NOT NULL FROM parquet_schema([%s])", fileList(paths)))
	if err != nil {
		return d.unreadable(err)
	}
	defer rows.Close()
	found := map[string][]string{}
	for rows.Next() {
		var path, name, typ string
		var group bool
		if err := rows.Scan(&path, &name, &typ, &group); err != nil {
			return fmt.Errorf("DuckDB: %w", err)
		}
		if _, ok := found[path]; !ok {
			found[path] = []string{} // the root
			continue
		}
		if group {
			typ = "a group"
		}
		found[path] = append(found[path], name+" "+typ)
	}
	if err := rows.Err(); err != nil {
		return d.unreadable(err)
	}
	want := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		want[i] = c.Name + " " + duckTypes[c.Type]
	}
	for _, path := range paths {
		if err := compareColumns(want, found[path]); err != nil {
			return fmt.Errorf("lake %s: %s: expected the columns of version %d of the table: %w: have gold write the date again",
				d.store.URI(), names[path], t.Version, err)
		}
	}
	return nil
}

func (d *Duck) unreadable(err error) error {
	return fmt.Errorf("lake %s: expected Parquet files: %w: have gold write the date again", d.store.URI(), err)
}

func compareColumns(want, found []string) error {
	for i := range min(len(want), len(found)) {
		if want[i] != found[i] {
			return fmt.Errorf("column %d is %s, expected %s", i+1, found[i], want[i])
		}
	}
	switch {
	case len(found) < len(want):
		return fmt.Errorf("column %s is missing", want[len(found)])
	case len(found) > len(want):
		return errors.New("there is a column more: " + found[len(want)])
	}
	return nil
}
