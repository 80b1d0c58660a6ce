// Command verify holds a whole lake to what it says of itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/ending"
	"example.com/shopstream/internal/lake"
)

func main() {
	ctx, _ := ending.Context() // until the process ends
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const (
	// faultyCode is the exit code when something is missing or damaged.
	faultyCode = 6
	// interrupted is that of what a signal ended: 128 + SIGINT.
	interrupted = 130
)

var errFaulty = errors.New("something of the lake is missing or damaged")

// mistake is an error of who called the program.
type mistake struct{ error }

func (m mistake) Unwrap() error { return m.error }

// run is the program: it returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var format string
	c := &cobra.Command{
		Use:   "verify --lake LAKE",
		Short: "Say what of a lake is missing, damaged or extra",
		Long: `Say what of a lake is missing, damaged or extra, and what to do about each object.

Every object of the ledger and its chain, every file of all lanes, of metrics, of gold and
of the predictions, what gold keeps and every model are read whole and held to their
checksums, by what every reader of the lake checks. Nothing is changed. A job may go on
with the lake meanwhile: what it has not sealed yet is provisional and not looked at.

What is extra (leftovers, files of other programs, generations that are not the lake)
counts nowhere, and is told only.
Exit codes: 0 nothing is missing or damaged, 1 an error, 2 a wrong setting,
6 something is missing or damaged, 130 interrupted,
5 ended by force, since it had not ended 8 s after SIGTERM.`,
		Example: `  verify --lake /data/lake
  verify --lake gs://bucket/lake --format json`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	set := flag.NewFlagSet("", flag.ContinueOnError)
	loader := config.Bind(set, "lake", "log")
	// What a reader warns of is among the findings.
	loader.Default("log.level", "error", "verify")
	c.Flags().AddGoFlagSet(set)
	c.Flags().StringVar(&format, "format", "table", "table, json or csv")
	parsed := false // the arguments, without a mistake
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		parsed = true
		out, err := newReport(c.OutOrStdout(), format)
		if err != nil {
			return mistake{err}
		}
		cfg, err := loader.Load("lake.uri")
		if err != nil {
			return err
		}
		logger, err := config.NewLogger(cfg.Log, stderr)
		if err != nil {
			return mistake{err}
		}
		slog.SetDefault(logger)
		faulty, err := verify(c.Context(), cfg.Lake.URI, out, stderr)
		if err == nil && faulty {
			err = errFaulty
		}
		return err
	}
	c.SetArgs(args)
	c.SetOut(stdout)
	c.SetErr(stderr)
	c.CompletionOptions.HiddenDefaultCmd = true

	err := c.ExecuteContext(ctx)
	var settings *config.Error
	var wrong mistake
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "verify: interrupted; what was found by then is told, and nothing was changed")
		return interrupted
	case errors.Is(err, errFaulty):
		return faultyCode
	case errors.As(err, &settings):
		fmt.Fprintln(stderr, "verify:", strings.ReplaceAll(err.Error(), "\n", "\nverify: "))
		return 2
	}
	fmt.Fprintln(stderr, "verify:", strings.ReplaceAll(err.Error(), "\n", "; "))
	switch {
	case !parsed || errors.As(err, &wrong):
		return 2
	case errors.Is(err, lake.ErrDamaged):
		return faultyCode
	}
	return 1
}
