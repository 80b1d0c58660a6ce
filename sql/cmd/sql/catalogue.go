package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql"
	"example.com/shopstream/sql/tables"
)

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the queries and the tables",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "QUERY\tROWS ARE BY")
			for _, q := range sql.Queries() {
				fmt.Fprintf(w, "%s\t%s\n", q.Name, strings.Join(q.Grain, ", "))
			}
			fmt.Fprintln(w, "\nTABLE\tROWS ARE BY")
			for _, t := range tables.All() {
				fmt.Fprintf(w, "%s\t%s\n", t.Name, strings.Join(t.Grain, ", "))
			}
			return w.Flush()
		},
	}
}

func showCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Describe a query or a table",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			all := tables.All()
			if i := slices.IndexFunc(all, func(t warehouse.Table) bool { return t.Name == name }); i >= 0 {
				return showTable(cmd.OutOrStdout(), all[i])
			}
			queries := sql.Queries()
			if i := slices.IndexFunc(queries, func(q sql.Query) bool { return q.Name == name }); i >= 0 {
				return showQuery(cmd.OutOrStdout(), queries[i])
			}
			var known []string
			for _, q := range queries {
				known = append(known, q.Name)
			}
			for _, t := range all {
				known = append(known, t.Name)
			}
			return sql.Unknown("query or table", name, known)
		},
	}
	cmd.ValidArgsFunction = completeQueries
	return cmd
}

func showQuery(out io.Writer, q sql.Query) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\n%s\n\nA row is one %s. From %s.\n", q.Name, q.Description, strings.Join(q.Grain, ", "), strings.Join(q.Sources, ", "))
	fmt.Fprintln(w, "\nParameters")
	for _, p := range q.Parameters {
		def := "NULL"
		if p.Default != nil {
			def = *p.Default
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", p.Name, p.Type, def, p.Description)
	}
	fmt.Fprintln(w, "\nColumns")
	for _, c := range q.Columns {
		fmt.Fprintf(w, "  %s\t%s\n", c.Name, c.Description)
	}
	fmt.Fprintln(w, "\nLimits")
	for _, l := range q.Limits {
		fmt.Fprintf(w, "  %s\n", l)
	}
	fmt.Fprintf(w, "\n%s", q.Text)
	return w.Flush()
}

func showTable(out io.Writer, t warehouse.Table) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s (version %d)\n%s\n\nA row is one %s. Partitions are by %s.\n\nColumns\n", t.Name, t.Version, t.Description, strings.Join(t.Grain, ", "), t.Partition)
	for _, c := range t.Columns {
		null := "NULL"
		if c.Required {
			null = ""
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", c.Name, c.Type, null, c.Description)
	}
	return w.Flush()
}

func explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain NAME",
		Short: "Show how an engine would answer a query",
		Long: `Show how an engine would answer a query, without answering it: DuckDB's plan, or
the bytes that BigQuery would read.`,
		Args: cobra.ExactArgs(1),
	}
	engine := bindEngine(cmd)
	params := bindParams(cmd, "NAME=VALUE of a parameter; may be given several times")
	cmd.ValidArgsFunction = completeQueries
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		q, err := sql.Lookup(args[0])
		if err != nil {
			return err
		}
		values, err := bindAll([]sql.Query{q}, *params)
		if err != nil {
			return err
		}
		w, err := engine.open(cmd.Context(), cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.Close()) }()
		if err := w.lacks(q); err != nil {
			return err
		}
		plan, err := w.explain(cmd.Context(), q.Text, values[0])
		if err != nil {
			return fmt.Errorf("%s: %w", q.Name, err)
		}
		_, err = io.WriteString(cmd.OutOrStdout(), plan)
		return err
	}
	return cmd
}
