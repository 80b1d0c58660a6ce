// Package duck is the warehouse on one machine: DuckDB over gold's Parquet files.
//
// The database is in memory and holds nothing but views, so that any number of
// programs can ask one lake at once, also while gold publishes. Files of a bucket
// are fetched into a folder first, each once.
//
// A query can read nothing but the tables: DuckDB is closed to other files, to
// extensions and to settings, and a text is refused unless it is one SELECT.
package duck

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/duckdb/duckdb-go/v2"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql/tables"
)

// Options say what a warehouse may use. The zero value is a good one.
type Options struct {
	Threads int    // 0: as many as there are cores
	Memory  string // most that DuckDB takes before it writes to a temporary folder, such as "2GiB"; empty: 80 % of the machine's
	Cache   string // folder that keeps the files of a bucket; empty: shopstream in the user's cache folder
}

// Duck answers queries over one lake. It implements warehouse.Warehouse.
type Duck struct {
	store lake.Store
	cache string // "" for a local lake, whose files are read where they are
	spill string // folder of DuckDB's temporary files
	db    *sql.DB

	mu      sync.Mutex
	gold    lake.GoldFiles
	metrics lake.MetricsFiles
	dead    lake.DeadFiles
	views   map[string]*view // by table
}

var _ warehouse.Warehouse = (*Duck)(nil)

// Open opens the lake at a URI, a folder or a bucket (lake.OpenStore). A lake
// without gold has all tables, empty ones.
func Open(ctx context.Context, lakeURI string, o Options) (*Duck, error) {
	store, err := lake.OpenStore(ctx, lakeURI)
	if err != nil {
		return nil, err
	}
	d := &Duck{store: store, views: map[string]*view{}}
	for _, t := range tables.All() {
		d.views[t.Name] = &view{table: t}
	}
	if err := d.open(ctx, o); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Duck) open(ctx context.Context, o Options) (err error) {
	readable := []string{filepath.Join(d.store.URI(), goldDir), filepath.Join(d.store.URI(), metricsDir), filepath.Join(d.store.URI(), deadTable)}
	if strings.Contains(d.store.URI(), "://") {
		if d.cache, err = cacheFolder(o.Cache, d.store.URI()); err != nil {
			return err
		}
		readable = []string{d.cache}
	}
	if d.spill, err = os.MkdirTemp("", "shopstream-duckdb-"); err != nil {
		return fmt.Errorf("folder for DuckDB's temporary files: %w", err)
	}
	connector, err := duckdb.NewConnector("?autoinstall_known_extensions=false&autoload_known_extensions=false", nil)
	if err != nil {
		return fmt.Errorf("DuckDB: %w", err)
	}
	d.db = sql.OpenDB(connector)
	for i, dir := range readable {
		readable[i] = sqlString(dir)
	}
	statements := slices.Clone(macros)
	if o.Memory != "" {
		statements = append(statements, "SET GLOBAL memory_limit = "+sqlString(o.Memory))
	}
	statements = append(statements,
		"SET GLOBAL TimeZone = 'UTC'",
		"SET GLOBAL default_null_order = 'nulls_first_on_asc_last_on_desc'", // as in BigQuery
		"SET GLOBAL enable_external_file_cache = false",                     // a partition may be replaced at any time
		fmt.Sprintf("SET GLOBAL threads = %d", cmp.Or(o.Threads, runtime.GOMAXPROCS(0))),
		"SET GLOBAL temp_directory = "+sqlString(d.spill),
		"SET GLOBAL allowed_directories = ["+strings.Join(readable, ", ")+"]",
		"SET GLOBAL enable_external_access = false",
		"SET GLOBAL lock_configuration = true",
	)
	for _, statement := range statements {
		if _, err := d.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("DuckDB: %s: %w", statement, err)
		}
	}
	return nil
}

// macros are functions of GoogleSQL that DuckDB lacks, or has with other
// arguments, and divisions: by 0 they are an error in GoogleSQL, NULL or infinite
// in DuckDB.
var macros = []string{
	`CREATE MACRO SAFE_DIVIDE(a, b) AS CASE WHEN b = 0 THEN NULL ELSE system.main."/"(a, b) END`,
	`CREATE MACRO "/"(a, b) AS ` + notByZero(`system.main."/"(a, b)`),
	"CREATE MACRO DIV(a, b) AS " + notByZero("a // b"),
	"CREATE MACRO MOD(a, b) AS " + notByZero("system.main.mod(a, b)"),
	"CREATE MACRO DATE_ADD(d, i) AS CAST(d + i AS DATE)",
	"CREATE MACRO DATE_SUB(d, i) AS CAST(d - i AS DATE)",
	"CREATE MACRO UNIX_DATE(d) AS CAST(CAST(d AS DATE) - DATE '1970-01-01' AS BIGINT)",
	"CREATE MACRO DATE_FROM_UNIX_DATE(n) AS CAST(DATE '1970-01-01' + CAST(n AS INTEGER) AS DATE)",
	"CREATE MACRO FORMAT_DATE(f, d) AS strftime(d, f)",
	"CREATE MACRO LOGICAL_OR(x) AS bool_or(x)",
	"CREATE MACRO LOGICAL_AND(x) AS bool_and(x)",
}

// notByZero is the quotient of a and b, NULL if one of them is.
func notByZero(quotient string) string {
	return "CASE WHEN b = 0 AND a IS NOT NULL THEN error('division by zero: SAFE_DIVIDE(a, b) is NULL there') ELSE " + quotient + " END"
}

// Query implements warehouse.Warehouse. It sees the partitions that are
// published when it begins; one that is replaced meanwhile is read as it was or
// as it is.
func (d *Duck) Query(ctx context.Context, text string, params warehouse.Params) (*warehouse.Rows, error) {
	return d.run(ctx, "", text, params)
}

// Explain returns DuckDB's plan of a query, which is not run.
func (d *Duck) Explain(ctx context.Context, text string, params warehouse.Params) (string, error) {
	rows, err := d.run(ctx, "EXPLAIN ", text, params)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, row := range rows.Rows {
		fmt.Fprintf(&b, "%v\n", row[len(row)-1])
	}
	return b.String(), nil
}

func (d *Duck) run(ctx context.Context, prefix, text string, params warehouse.Params) (*warehouse.Rows, error) {
	q, err := translate(text, params)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	if err := d.refresh(ctx, q.words); err != nil {
		return nil, err
	}
	args := make([]driver.NamedValue, len(q.params))
	for i, name := range q.params {
		_, value, err := bind(params[name])
		if err != nil {
			return nil, err
		}
		args[i] = driver.NamedValue{Name: name, Value: value}
	}
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("DuckDB: %w", err)
	}
	defer conn.Close()
	var out *warehouse.Rows
	err = conn.Raw(func(c any) error {
		out, err = ask(ctx, c.(*duckdb.Conn), prefix+q.text, args)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("query: DuckDB: %w", ctx.Err())
	case err == nil:
		return out, nil
	}
	if instead := explain(text); instead != "" {
		return nil, fmt.Errorf("query: %s (DuckDB: %w)", instead, err)
	}
	return nil, fmt.Errorf("query: DuckDB: %w", err)
}

// ask runs one SELECT, or EXPLAIN of one.
func ask(ctx context.Context, conn *duckdb.Conn, text string, args []driver.NamedValue) (rows *warehouse.Rows, err error) {
	prepared, err := conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, prepared.Close()) }()
	st := prepared.(*duckdb.Stmt)
	kind, err := st.StatementType()
	if err != nil {
		return nil, err
	}
	if kind != duckdb.STATEMENT_TYPE_SELECT && kind != duckdb.STATEMENT_TYPE_EXPLAIN {
		return nil, errors.New("expected a SELECT, found a statement that changes something: tables are only read here")
	}
	answer, err := st.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, answer.Close()) }()
	return readRows(answer)
}

// Close implements warehouse.Warehouse. Files fetched from a bucket stay for the
// next time.
func (d *Duck) Close() error {
	var errs []error
	if d.db != nil {
		errs = append(errs, d.db.Close())
	}
	if d.spill != "" {
		errs = append(errs, os.RemoveAll(d.spill))
	}
	return errors.Join(append(errs, d.store.Close())...)
}
