package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql"
)

// all stands for every query.
const all = "all"

func bindParams(cmd *cobra.Command, help string) *[]string {
	return cmd.Flags().StringArray("param", nil, help)
}

func runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run NAME...|all",
		Short: "Answer queries of the catalogue",
		Long: `Answer queries of the catalogue; all is every one of them. A parameter that is
not given has its default (sql show NAME). Of several queries each takes the
parameters that it has; one whose table does not have the value is left out.

Parameters are bound: they are never a part of the text. NULL is no value.`,
		Example: `  sql run daily_revenue --param from=2026-03-01 --param currency=GBP
  sql run daily_revenue --format chart
  sql run all --format csv --out reports --escape-formulas`,
		Args: cobra.MinimumNArgs(1),
	}
	engine, output := bindEngine(cmd), bindOutput(cmd)
	params := bindParams(cmd, "NAME=VALUE of a parameter; may be given several times")
	cmd.ValidArgsFunction = completeQueries
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		queries, err := choose(args)
		if err != nil {
			return err
		}
		values, err := bindAll(queries, *params)
		if err != nil {
			return err
		}
		if err := output.check(cmd.OutOrStdout()); err != nil {
			return err
		}
		if output.format == "parquet" && output.out == "" && len(queries) > 1 {
			return sql.NewUsage("--format parquet of several queries: name a folder with --out")
		}
		w, err := engine.open(cmd.Context(), cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.Close()) }()
		var refused []error
		everything := slices.Equal(args, []string{all})
		for i, q := range queries {
			if err := w.lacks(q); err != nil && everything {
				fmt.Fprintln(cmd.ErrOrStderr(), "sql: left out:", err)
				continue
			} else if err != nil {
				return err
			}
			rows, err := q.Answer(cmd.Context(), w, values[i])
			var wrong *sql.Usage
			if errors.As(err, &wrong) && len(queries) > 1 {
				refused = append(refused, err) // the others may have the value
				continue
			}
			if err != nil {
				return err
			}
			if len(rows.Rows) == 0 {
				why, err := q.WhyEmpty(cmd.Context(), w, values[i])
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.ErrOrStderr(), "sql:", why)
			}
			path := output.out
			if path != "" && len(queries) > 1 {
				path = filepath.Join(path, q.Name+extensions[output.format])
			}
			if path == "" && len(queries) > 1 {
				title(cmd.OutOrStdout(), i, q.Name)
			}
			if err := output.write(cmd.OutOrStdout(), path, rows, q.Chart); err != nil {
				return fmt.Errorf("%s: %w", q.Name, err)
			}
		}
		return errors.Join(refused...)
	}
	return cmd
}

func title(w io.Writer, i int, name string) {
	if i > 0 {
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, "#", name)
}

// choose returns the queries of these names.
func choose(names []string) ([]sql.Query, error) {
	if slices.Equal(names, []string{all}) {
		return sql.Queries(), nil
	}
	var out []sql.Query
	for _, name := range names {
		q, err := sql.Lookup(name)
		if err != nil {
			return nil, err
		}
		out = append(out, q)
	}
	return out, nil
}

// bindAll returns the parameters' values of each query. Each given one must
// belong to one query at least.
func bindAll(queries []sql.Query, given []string) ([]warehouse.Params, error) {
	values, err := split(given)
	if err != nil {
		return nil, err
	}
	var known []string
	for _, q := range queries {
		for _, p := range q.Parameters {
			if !slices.Contains(known, p.Name) {
				known = append(known, p.Name)
			}
		}
	}
	for name := range values {
		if !slices.Contains(known, name) {
			return nil, sql.Unknown("parameter", name, known)
		}
	}
	out := make([]warehouse.Params, len(queries))
	for i, q := range queries {
		own := map[string]string{}
		for _, p := range q.Parameters {
			if text, ok := values[p.Name]; ok {
				own[p.Name] = text
			}
		}
		if out[i], err = q.Bind(own); err != nil {
			return nil, fmt.Errorf("%s: %w", q.Name, err)
		}
	}
	return out, nil
}

// split reads NAME=VALUE.
func split(given []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, sql.NewUsage("--param %q: expected NAME=VALUE, such as limit=10", text)
		}
		if _, twice := out[name]; twice {
			return nil, sql.NewUsage("--param %s is given twice", name)
		}
		out[name] = value
	}
	return out, nil
}

func completeQueries(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names := []string{all}
	for _, q := range sql.Queries() {
		names = append(names, q.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
