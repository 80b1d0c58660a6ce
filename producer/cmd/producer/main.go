// Command producer fills a Kafka topic with a shop's events, simulated or
// replayed from a file, reads topics, and runs an embedded broker to try it on.
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

// interrupted is the exit code of a delivery that a signal ended: 128 + SIGINT.
const interrupted = 130

// mistake is an error of who called the program: a setting or an argument.
type mistake struct{ error }

func (m mistake) Unwrap() error { return m.error }

// run is the program: its exit code is 0, 1 for an error, 2 for a wrong
// setting, or interrupted.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "producer",
		Short: "Put a shop's events into Kafka, and look at them",
		Example: `  producer broker --data ./kafka                    # a broker to try it on
  producer simulate --rate 2000 --duration 2m       # a simulated shop
  producer history --out history.parquet            # its past, as daily sales
  producer replay online_retail.csv.gz              # a file
  producer consume --from latest --format table     # what arrives`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	parsed := false // the arguments, without a mistake
	root.PersistentPreRun = func(*cobra.Command, []string) { parsed = true }
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(simulateCommand(), historyCommand(), replayCommand(), consumeCommand(), brokerCommand())

	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return interrupted
	}
	code, between := 1, "; " // one line a mistake
	if settings := (*config.Error)(nil); errors.As(err, &settings) {
		code, between = 2, "\nproducer: " // a configuration may have several
	}
	if wrong := (mistake{}); !parsed || errors.As(err, &wrong) {
		code = 2
	}
	fmt.Fprintln(stderr, "producer: "+strings.ReplaceAll(err.Error(), "\n", between))
	return code
}
