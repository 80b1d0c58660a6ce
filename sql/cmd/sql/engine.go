package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/phase"
	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/internal/warehouse/bigquery"
	"example.com/shopstream/internal/warehouse/duck"
	"example.com/shopstream/sql"
	"example.com/shopstream/sql/tables"
)

// Names of engines.
const (
	duckDB   = "duckdb"
	bigQuery = "bigquery"
)

// defaultLake is where `local` puts its lake.
const defaultLake = "data/lake"

// engine is an open warehouse and how it explains a query. What takes long is
// told on stderr.
type engine struct {
	warehouse.Warehouse
	explain func(ctx context.Context, text string, params warehouse.Params) (string, error)
	stderr  io.Writer
	remote  bool // it is no lake's own: tables that are LakeOnly are not there
}

// Query implements warehouse.Warehouse.
func (e *engine) Query(ctx context.Context, text string, params warehouse.Params) (*warehouse.Rows, error) {
	defer phase.Doing(e.stderr, phase.Terminal(e.stderr), "sql: the query runs")()
	return e.Warehouse.Query(ctx, text, params)
}

// lacks returns an error that says which of the query's tables the engine has not.
func (e *engine) lacks(q sql.Query) error {
	for _, name := range q.Sources {
		if e.remote && tables.Must(name).LakeOnly {
			return sql.NewUsage("%s: the table %s is in lakes only, it is not published: ask the lake, with --lake and without --warehouse", q.Name, name)
		}
	}
	return nil
}

// engineFlags choose a warehouse.
type engineFlags struct {
	engine, uri, memory string
	loader              *config.Loader
}

func bindEngine(cmd *cobra.Command) *engineFlags {
	f := &engineFlags{}
	set := flag.NewFlagSet(cmd.Name(), flag.ContinueOnError)
	f.loader = config.Bind(set, "lake.uri")
	f.loader.Default("lake.uri", defaultLake, "default of sql")
	cmd.Flags().AddGoFlagSet(set)
	cmd.Flags().StringVar(&f.engine, "engine", "", "duckdb (over the lake's files) or bigquery; default duckdb, or what --warehouse names")
	cmd.Flags().StringVar(&f.uri, "warehouse", "", "bigquery://project/dataset")
	cmd.Flags().StringVar(&f.memory, "memory", "", "most memory that DuckDB takes before it uses the disk, such as 2GiB")
	return f
}

// open opens the warehouse that the flags choose.
func (f *engineFlags) open(ctx context.Context, stderr io.Writer) (*engine, error) {
	end := phase.Doing(stderr, phase.Terminal(stderr), "sql: opening the tables")
	e, err := f.choose(ctx)
	end()
	if err != nil {
		return nil, err
	}
	e.stderr = stderr
	return e, nil
}

func (f *engineFlags) choose(ctx context.Context) (*engine, error) {
	name := f.engine
	switch {
	case name == "" && strings.HasPrefix(f.uri, "bigquery://"):
		name = bigQuery
	case name == "":
		name = duckDB
	}
	switch name {
	case duckDB:
		if f.uri != "" {
			return nil, sql.NewUsage("--warehouse %s: DuckDB reads a lake: name it with --lake", f.uri)
		}
		return f.openDuck(ctx)
	case bigQuery:
		return f.openBigQuery(ctx)
	default:
		return nil, sql.Unknown("engine", name, []string{duckDB, bigQuery})
	}
}

func (f *engineFlags) openDuck(ctx context.Context) (*engine, error) {
	cfg, err := f.loader.Load("lake.uri")
	if err != nil {
		return nil, err
	}
	if err := wantTables(ctx, cfg.Lake.URI); err != nil {
		return nil, err
	}
	d, err := duck.Open(ctx, cfg.Lake.URI, duck.Options{Memory: f.memory})
	if err != nil {
		return nil, err
	}
	return &engine{Warehouse: d, explain: d.Explain}, nil
}

// wantTables refuses a lake without any table: a wrong name would look like a
// shop without sales.
func wantTables(ctx context.Context, uri string) error {
	st, err := lake.OpenStore(ctx, uri)
	if err != nil {
		return err
	}
	defer st.Close()
	for _, prefix := range []string{"gold/", "metrics/", "dead_letters/"} {
		for _, err := range st.List(ctx, prefix) {
			return err
		}
	}
	return fmt.Errorf("the lake %s has no tables: make them with go run ./pipelines/cmd/gold --lake=%s, or name another lake with --lake", st.URI(), uri)
}

func (f *engineFlags) openBigQuery(ctx context.Context) (*engine, error) {
	if f.uri == "" {
		return nil, sql.NewUsage("--engine bigquery: expected --warehouse bigquery://project/dataset")
	}
	o, err := bigquery.ParseURI(f.uri)
	if err != nil {
		return nil, sql.NewUsage("%v", err)
	}
	w, err := bigquery.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	explain := func(ctx context.Context, text string, params warehouse.Params) (string, error) {
		n, err := w.Explain(ctx, text, params)
		return fmt.Sprintf("BigQuery accepts the query and would read %d bytes.\n", n), err
	}
	return &engine{Warehouse: w, explain: explain, remote: true}, nil
}
