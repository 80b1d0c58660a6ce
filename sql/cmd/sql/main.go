// Command sql asks gold's tables: the queries of the catalogue, the tables'
// checks and any SELECT of your own, on DuckDB or on BigQuery.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/ending"
	"example.com/shopstream/sql"
)

func main() {
	ctx, _ := ending.Context() // until the process ends
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// interrupted is the exit code of a program that a signal ended: 128 + SIGINT.
const interrupted = 130

// errFailed ends the program with 1 after it has said why.
var errFailed = errors.New("a check failed")

// run is the program: its exit code is 0, 1 for an error or a failed check, 2
// for a wrong name, value or flag, or interrupted.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "sql",
		Short: "Ask gold's tables, on DuckDB or BigQuery",
		Example: `  sql list                                                   # queries and tables
  sql run daily_revenue
  sql run top_selling_products --param limit=3 --format json
  sql run all --format csv --out reports
  sql query 'SELECT country, COUNT(*) AS line_count FROM order_lines GROUP BY country ORDER BY country'
  sql run daily_revenue --warehouse bigquery://project/dataset`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	parsed := false // the arguments, without a mistake
	root.PersistentPreRun = func(*cobra.Command, []string) { parsed = true }
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(listCommand(), showCommand(), runCommand(), queryCommand(), checkCommand(), explainCommand())

	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFailed):
		return 1
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return interrupted
	}
	fmt.Fprintln(stderr, "sql:", err)
	var wrong *sql.Usage
	var setting *config.Error
	if !parsed || errors.As(err, &wrong) || errors.As(err, &setting) {
		return 2
	}
	return 1
}
