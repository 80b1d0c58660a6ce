package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql"
)

func queryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "query 'SELECT ...'|-",
		Short: "Answer a SELECT of your own",
		Long: `Answer a SELECT of your own, in GoogleSQL; - reads it from standard input.
Tables are those of sql list. A parameter @name has the type that is given with
it, or is a STRING.`,
		Example: `  sql query 'SELECT country, SUM(amount) AS amount FROM order_lines WHERE currency = @c GROUP BY country ORDER BY country' --param c=GBP
  sql query 'SELECT * FROM daily_sales WHERE date = @day ORDER BY revenue DESC' --param day:DATE=2026-03-01`,
		Args: cobra.ExactArgs(1),
	}
	engine, output := bindEngine(cmd), bindOutput(cmd)
	given := bindParams(cmd, "NAME=VALUE or NAME:TYPE=VALUE; may be given several times")
	x, y := cmd.Flags().String("x", "", "chart: column along it"), cmd.Flags().String("y", "", "chart: column that is drawn")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		text := args[0]
		if text == "-" {
			all, err := io.ReadAll(cmd.InOrStdin())
			if err != nil {
				return fmt.Errorf("standard input: %w", err)
			}
			text = string(all)
		}
		params, err := typedParams(*given)
		if err != nil {
			return err
		}
		if err := output.check(cmd.OutOrStdout()); err != nil {
			return err
		}
		w, err := engine.open(cmd.Context(), cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.Close()) }()
		rows, err := w.Query(cmd.Context(), text, params)
		if err != nil {
			return err
		}
		return output.write(cmd.OutOrStdout(), output.out, rows, sql.Chart{Kind: "bars", X: *x, Y: *y})
	}
	return cmd
}

// typedParams reads NAME:TYPE=VALUE.
func typedParams(given []string) (warehouse.Params, error) {
	values, err := split(given)
	if err != nil {
		return nil, err
	}
	out := warehouse.Params{}
	for name, text := range values {
		bare, typ, ok := strings.Cut(name, ":")
		if !ok {
			typ = string(warehouse.String)
		}
		if _, twice := out[bare]; twice {
			return nil, sql.NewUsage("--param %s is given twice", bare)
		}
		if out[bare], err = sql.ParseValue(bare, warehouse.Type(strings.ToUpper(typ)), text); err != nil {
			return nil, err
		}
	}
	return out, nil
}
