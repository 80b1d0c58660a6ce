package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/civil"
	"github.com/spf13/cobra"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/phase"
	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/internal/warehouse/bigquery"
	"example.com/shopstream/sql/tables"
)

// metricsTable holds the live metrics, which gold has no part in.
const metricsTable = "metrics_5m"

// options are what the commands of the warehouse share.
type options struct {
	loader    *config.Loader
	warehouse string
	tables    []string
	from, to  string
	dryRun    bool
}

// add declares the flags on a command; withLake: it reads a lake.
func (o *options) add(cmd *cobra.Command, withLake bool) {
	keys := []string{"log"}
	if withLake {
		keys = append(keys, "lake")
	}
	set := flag.NewFlagSet("", flag.ContinueOnError)
	o.loader = config.Bind(set, keys...)
	cmd.Flags().AddGoFlagSet(set)
	cmd.Flags().StringVar(&o.warehouse, "warehouse", "", "bigquery://project/dataset, with ?location=EU if it is to be made there")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be done, and do nothing")
	if withLake {
		cmd.Flags().StringVar(&o.from, "from", "", "first date, such as 2026-03-01 (default: all)")
		cmd.Flags().StringVar(&o.to, "to", "", "last date (default: all)")
	}
}

// open reads the settings and opens the warehouse.
func (o *options) open(cmd *cobra.Command, required ...string) (*bigquery.Warehouse, config.Config, error) {
	cfg, err := o.loader.Load(required...)
	if err != nil {
		return nil, cfg, err
	}
	logger, err := config.NewLogger(cfg.Log, cmd.ErrOrStderr())
	if err != nil {
		return nil, cfg, mistake{err}
	}
	slog.SetDefault(logger)
	where, err := bigquery.ParseURI(o.warehouse)
	if err != nil {
		return nil, cfg, mistake{fmt.Errorf("--warehouse: %w", err)}
	}
	w, err := bigquery.Open(cmd.Context(), where)
	return w, cfg, err
}

// choose returns the tables of these names, or all but the metrics.
func choose(names []string) ([]warehouse.Table, error) {
	var out []warehouse.Table
	for _, t := range tables.Published() {
		if slices.Contains(names, t.Name) || (len(names) == 0 && t.Name != metricsTable) {
			out = append(out, t)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(out, func(t warehouse.Table) bool { return t.Name == name }) {
			return nil, mistake{fmt.Errorf("--table: there is no table %q: see 'warehouse tables --help'", name)}
		}
	}
	return out, nil
}

func tablesCommand() *cobra.Command {
	var o options
	var names []string
	for _, t := range tables.Published() {
		names = append(names, t.Name)
	}
	cmd := &cobra.Command{
		Use:   "tables",
		Short: "Make the dataset and its tables, or upgrade them",
		Long: `Make the dataset and its tables, or upgrade those that are there: new columns that
may be NULL, columns that need not be there any longer, descriptions. Every other
difference is refused, with a list of all of them, and nothing is changed.

Tables: ` + strings.Join(names, ", "),
		Args: cobra.NoArgs,
	}
	o.add(cmd, false)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		w, _, err := o.open(cmd)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.Close()) }()
		ensure := w.PlanTable
		if !o.dryRun {
			ensure = w.EnsureTable
			if err := w.EnsureDataset(cmd.Context()); err != nil {
				return err
			}
		}
		var errs []error
		for _, t := range tables.Published() {
			plan, err := ensure(cmd.Context(), t)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			fmt.Fprintln(cmd.OutOrStdout(), describe(plan, o.dryRun))
		}
		return errors.Join(errs...)
	}
	return cmd
}

func describe(p bigquery.Plan, dryRun bool) string {
	would := ""
	if dryRun {
		would = "would be "
	}
	switch {
	case p.Create:
		return p.Table + ": " + would + "made"
	case len(p.Changes) == 0:
		return p.Table + ": as it should be"
	}
	return p.Table + ": " + would + "changed: " + strings.Join(p.Changes, "; ")
}

func publishCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "publish",
		Short: "Load the dates of gold that changed",
		Long: `Load the dates of gold that changed since the last publication, after making or
upgrading the tables. What was published is kept in the lake, ledger/warehouse.
One at a time may publish a lake to a warehouse.`,
		Args: cobra.NoArgs,
	}
	o.add(cmd, true)
	cmd.Flags().StringSliceVar(&o.tables, "table", nil, "tables to publish (default: all)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		chosen, err := choose(o.tables)
		if err != nil {
			return err
		}
		return o.publish(cmd, chosen, func(ctx context.Context, st lake.Store) (bigquery.Content, error) {
			var names []string
			for _, t := range chosen {
				names = append(names, t.Name)
			}
			return bigquery.GoldContent(ctx, st, names...)
		})
	}
	return cmd
}

func metricsCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "metrics",
		Short: "Load the live metrics in windows of five minutes",
		Long: `Load the live metrics in windows of five minutes, as far as the ledger calls them
final. A UTC date that got more is loaded again as a whole, by one job: run it every
five minutes, and it takes 288 of the 1,500 loads that BigQuery allows a table and day.`,
		Args: cobra.NoArgs,
	}
	o.add(cmd, true)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return o.publish(cmd, []warehouse.Table{tables.Must(metricsTable)}, func(ctx context.Context, st lake.Store) (bigquery.Content, error) {
			return bigquery.MetricsContent(ctx, st, metricsTable)
		})
	}
	return cmd
}

// publish loads what read finds in the lake.
func (o *options) publish(cmd *cobra.Command, chosen []warehouse.Table, read func(context.Context, lake.Store) (bigquery.Content, error)) (err error) {
	from, err := date("--from", o.from)
	if err != nil {
		return err
	}
	to, err := date("--to", o.to)
	if err != nil {
		return err
	}
	w, cfg, err := o.open(cmd, "lake.uri")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	st, err := lake.OpenStore(cmd.Context(), cfg.Lake.URI)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	end := phase.Doing(cmd.ErrOrStderr(), phase.Terminal(cmd.ErrOrStderr()), "warehouse: reading what the lake has")
	content, err := read(cmd.Context(), st)
	end()
	if err != nil {
		return err
	}
	if len(content) == 0 {
		return fmt.Errorf("the lake %s has nothing to publish: make gold first, or name another lake", st.URI())
	}
	began, verb := time.Now(), "loaded"
	if o.dryRun {
		verb = "would load"
	}
	report, err := bigquery.Publisher{
		Warehouse: w, Store: st, From: from, To: to, DryRun: o.dryRun,
		Tell: func(p bigquery.Published) { fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", verb, p) },
	}.Publish(cmd.Context(), chosen, content)
	for _, gone := range report.Gone {
		fmt.Fprintf(cmd.ErrOrStderr(), "warehouse: %s is no longer in the lake, but still in the warehouse: delete its partition if it is not wanted there\n", gone)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %d partitions with %d rows in %s; %d are unchanged\n",
		verb, report.Published, report.Rows, time.Since(began).Round(time.Millisecond), report.Unchanged)
	return err
}

// date reads a flag; "" is no bound.
func date(name, text string) (civil.Date, error) {
	if text == "" {
		return civil.Date{}, nil
	}
	d, err := civil.ParseDate(text)
	if err != nil {
		return d, mistake{fmt.Errorf("%s: expected a date such as 2026-03-01, found %q", name, text)}
	}
	return d, nil
}
