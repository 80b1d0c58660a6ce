// Command producer fills a Kafka topic with a shop's events, simulated or
// replayed from a file, reads topics, and runs an embedded broker to try it on.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// interrupted is the exit code of a delivery that a signal ended: 128 + SIGINT.
const interrupted = 130

// run is the program: its exit code is 0, 1 for an error, or interrupted.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "producer",
		Short: "Put a shop's events into Kafka, and look at them",
		Example: `  producer broker --data ./kafka                    # a broker to try it on
  producer simulate --rate 2000 --duration 2m       # a simulated shop
  producer replay online_retail.csv.gz              # a file
  producer consume --from latest --format table     # what arrives`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(simulateCommand(), replayCommand(), consumeCommand(), brokerCommand())

	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return interrupted
	}
	between := "; " // one line a mistake
	if mistake := (*config.Error)(nil); errors.As(err, &mistake) {
		between = "\nproducer: " // a configuration may have several
	}
	fmt.Fprintln(stderr, "producer: "+strings.ReplaceAll(err.Error(), "\n", between))
	return 1
}
