// Command warehouse keeps a warehouse's tables equal to what a lake has, and its
// bucket in order.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/ending"
)

func main() {
	ctx, _ := ending.Context() // until the process ends
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// interrupted is the exit code of what a signal ended: 128 + SIGINT.
const interrupted = 130

// mistake is an error of who called the program: a setting or an argument.
type mistake struct{ error }

func (m mistake) Unwrap() error { return m.error }

// run is the program: its exit code is 0, 1 for an error, 2 for a wrong
// setting, or interrupted.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "warehouse",
		Short: "Publish a lake's tables to BigQuery, and keep its bucket in order",
		Long: `Publish a lake's tables to BigQuery, and keep its bucket in order.

Only what changed since the last publication is loaded; each date replaces its
partition whole. A run that was stopped is simply run again.
Exit codes: 0 done, 1 an error, 2 a wrong setting, 130 interrupted.`,
		Example: `  warehouse tables  --warehouse=bigquery://project/dataset?location=EU --dry-run
  warehouse publish --lake=gs://bucket/lake --warehouse=bigquery://project/dataset
  warehouse metrics --lake=gs://bucket/lake --warehouse=bigquery://project/dataset
  warehouse bucket copy gs://bucket/lake gs://backup/lake
  warehouse bucket lifecycle gs://bucket --set lake/bronze/=nearline@30`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	parsed := false // the arguments, without a mistake
	root.PersistentPreRun = func(*cobra.Command, []string) { parsed = true }
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(tablesCommand(), publishCommand(), metricsCommand(), bucketCommand())

	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "warehouse: interrupted; what was published stands, run it again to go on")
		return interrupted
	}
	code, between := 1, "; " // one line a mistake
	if settings := (*config.Error)(nil); errors.As(err, &settings) {
		code, between = 2, "\nwarehouse: " // a configuration may have several
	}
	if wrong := (mistake{}); !parsed || errors.As(err, &wrong) {
		code = 2
	}
	fmt.Fprintln(stderr, "warehouse: "+strings.ReplaceAll(err.Error(), "\n", between))
	return code
}
