// Package sqltest is what tests of queries share: small tables written as text,
// the lakes made of them, and the cases beside each query.
package sqltest

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"cloud.google.com/go/civil"
	_ "github.com/duckdb/duckdb-go/v2" // writes the Parquet files
	"github.com/goccy/go-yaml"
	"github.com/parquet-go/parquet-go"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/warehouse"
	shopsql "example.com/shopstream/sql"
	"example.com/shopstream/sql/tables"
)

// Case is one test of a query: queries/NAME/testdata/CASE.yaml.
type Case struct {
	Query, Name string
	About       string            `yaml:"about"`
	Params      map[string]string `yaml:"params"`
	Tables      map[string]string `yaml:"tables"`  // CSV with a header, by table; columns that are left out are neutral
	Want        string            `yaml:"want"`    // CSV with a header
	Refused     string            `yaml:"refused"` // instead of Want: what the parameters are refused with
}

// Cases reads the cases of all queries from the folder of package sql.
func Cases(folder fs.FS) ([]Case, error) {
	names, err := fs.Glob(folder, "queries/*/testdata/*.yaml")
	if err != nil {
		return nil, err
	}
	var out []Case
	for _, name := range names {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, err
		}
		c := Case{Query: path.Base(path.Dir(path.Dir(name))), Name: strings.TrimSuffix(path.Base(name), ".yaml")}
		if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, c)
	}
	return out, nil
}

// WriteLake makes a lake in a folder whose gold holds the tables.
func WriteLake(ctx context.Context, folder string, texts map[string]string) (err error) {
	db, err := sql.Open("duckdb", "?autoinstall_known_extensions=false")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1) // TimeZone is a connection's own
	if _, err := db.ExecContext(ctx, "SET TimeZone = 'UTC'"); err != nil {
		return err
	}
	st, err := lake.OpenStore(ctx, folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	closes := false
	for name, text := range texts {
		i := slices.IndexFunc(tables.All(), func(t warehouse.Table) bool { return t.Name == name })
		if i < 0 {
			return fmt.Errorf("there is no table %q", name)
		}
		t := tables.All()[i]
		closes = closes || ofLedger(name)
		write := func() error { return writeTable(ctx, db, folder, t, text) }
		if t.LakeOnly {
			write = func() error { return writeDead(ctx, st, t, text) }
		}
		if ofLedger(name) {
			if err := lake.Init(ctx, st, lake.Settings{Topic: "test", BaseWindowMs: baseWindowMs}); err != nil {
				return err
			}
		}
		if err := write(); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
		if err := publish(ctx, st, name); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	if closes {
		_, err = lake.Close(ctx, st)
	}
	return err
}

// baseWindowMs is that of the lakes made here.
const baseWindowMs = 60_000

// ofLedger reports whether a table's files are named by the rows of the ledger,
// and not by gold's publications.
func ofLedger(table string) bool { return table == "metrics_5m" || table == "dead_letters" }

// publish names a table's files in the ledger, as gold and the streaming job do.
func publish(ctx context.Context, st lake.Store, table string) error {
	switch table {
	case "metrics_5m":
		return publishMetrics(ctx, st)
	case "dead_letters": // with its rows
		return nil
	}
	for info, err := range st.List(ctx, "gold/"+table+"/") {
		if err != nil {
			return err
		}
		date, ok := lake.GoldDate(table, info.Name)
		if !ok {
			return fmt.Errorf("%s is no file of %s", info.Name, table)
		}
		data, err := st.Get(ctx, info.Name)
		if err != nil {
			return err
		}
		if err := Publish(ctx, st, table, date, data); err != nil {
			return err
		}
	}
	return nil
}

// Publish puts a file of a table of gold, and names it in the ledger.
func Publish(ctx context.Context, st lake.Store, table string, date civil.Date, data []byte) error {
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	return lake.PublishTable(ctx, st, table, date, data, f.NumRows())
}

func publishMetrics(ctx context.Context, st lake.Store) error {
	for info, err := range st.List(ctx, "metrics/window=5m/") {
		if err != nil {
			return err
		}
		key, err := lake.ParseName(info.Name)
		if err != nil {
			return err
		}
		data, err := st.Get(ctx, info.Name)
		if err != nil {
			return err
		}
		r := lake.MetricsRow{Window: key.WindowStart, End: key.WindowStart + 300_000, Files: []lake.File{{Name: info.Name, Bytes: info.Size, CRC: lake.CRC(data)}}}
		if err := lake.PutMetricsRow(ctx, st, r); err != nil {
			return err
		}
	}
	return nil
}

// ParseCSV reads rows as text. Blanks around values do not count, and lines
// that begin with # are comments.
func ParseCSV(text string) (header []string, rows [][]string, err error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comment, r.TrimLeadingSpace = '#', true
	all, err := r.ReadAll()
	if err != nil {
		return nil, nil, err
	}
	for _, row := range all {
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
	}
	if len(all) == 0 {
		return nil, nil, nil
	}
	return all[0], all[1:], nil
}

func writeTable(ctx context.Context, db *sql.DB, folder string, t warehouse.Table, text string) error {
	header, rows, err := ParseCSV(text)
	if err != nil {
		return err
	}
	for _, name := range header {
		if _, ok := t.Column(name); !ok {
			return fmt.Errorf("there is no column %q", name)
		}
	}
	partitions := map[string][]string{} // selects by date
	for _, row := range rows {
		values := make([]string, len(t.Columns))
		date := ""
		for i, c := range t.Columns {
			value := neutral(c)
			if at := slices.Index(header, c.Name); at >= 0 {
				value = row[at]
			}
			if c.Name == t.Partition {
				date, _, _ = strings.Cut(value, "T")
			}
			if value == "NULL" {
				values[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", columnTypes[c.Type], c.Name)
			} else {
				values[i] = fmt.Sprintf("CAST('%s' AS %s) AS %s", strings.ReplaceAll(value, "'", "''"), columnTypes[c.Type], c.Name)
			}
		}
		partitions[date] = append(partitions[date], "SELECT "+strings.Join(values, ", "))
	}
	for date, selects := range partitions {
		name := filepath.Join(folder, "gold", t.Name, date+".parquet")
		if t.Name == "metrics_5m" {
			name = filepath.Join(folder, "metrics", "window=5m", "date="+date, strings.ReplaceAll(date, "-", "")+"T000000Z.parquet")
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		var b bytes.Buffer
		fmt.Fprintf(&b, "COPY (%s) TO '%s' (FORMAT parquet)", strings.Join(selects, " UNION ALL "), strings.ReplaceAll(name, "'", "''"))
		if _, err := db.ExecContext(ctx, b.String()); err != nil {
			return err
		}
	}
	return nil
}

var columnTypes = map[warehouse.Type]string{
	warehouse.Bool: "BOOLEAN", warehouse.Int64: "BIGINT", warehouse.Float64: "DOUBLE", warehouse.Numeric: "DECIMAL(18,6)",
	warehouse.String: "VARCHAR", warehouse.Date: "DATE", warehouse.Timestamp: "TIMESTAMPTZ",
}

// neutral is the value of a column that a test does not name.
func neutral(c warehouse.Column) string {
	special := map[string]string{"complete": "true", "source": "events", "category": "toys", "model": "m", "model_version": "1", "level": "product", "target": "units", "quantity": "1"}
	value := map[warehouse.Type]string{
		warehouse.Bool: "false", warehouse.Int64: "0", warehouse.Float64: "0", warehouse.Numeric: "0",
		warehouse.String: "", warehouse.Date: "2026-03-01", warehouse.Timestamp: "2026-03-01T00:00:00Z",
	}[c.Type]
	if !c.Required {
		return "NULL"
	}
	return cmp.Or(special[c.Name], value)
}

// Texts returns an answer as ParseCSV would have read it.
func Texts(rows *warehouse.Rows) (header []string, out [][]string) {
	for _, c := range rows.Columns {
		header = append(header, c.Name)
	}
	for _, row := range rows.Rows {
		texts := make([]string, len(row))
		for i, v := range row {
			texts[i] = shopsql.Text(v)
		}
		out = append(out, texts)
	}
	return header, out
}
