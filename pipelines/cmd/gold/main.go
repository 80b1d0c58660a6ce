// Gold runs the batch job that makes the tables of a lake's business days.
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

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/ending"
	"example.com/shopstream/internal/phase"
	"example.com/shopstream/pipelines"
)

const intro = `gold makes the tables of a lake's business days: daily_sales, category_revenue,
hourly_sales, funnel_daily, order_lines, product_catalogue, quality_results and quality_attempts.
Without dates it makes the days that the ledger calls complete and that are new or have changed.

  gold --lake=/data/lake
  gold --lake=gs://bucket/lake --date=2026-03-01
  gold --lake=/data/lake --from=2025-01-01 --to=2025-12-31
  gold --lake=/data/lake --time-zone=Europe/London --rebuild
  gold config show

Each day is held to the rules of sql/tables/*/quality.yaml and replaced whole; a rule of
severity fail stops it, and what stands stays. Made again, a day has the same bytes.
Runners: prism (the default), direct, universal, dataflow (with gs://); --help-beam lists
all flags.
Exit codes: 0 done, 1 an error, 2 a wrong setting, 3 a quality rule stopped a day, 130 interrupted,
5 ended by force, since it had not ended 8 s after SIGTERM.
`

func main() { os.Exit(start(os.Args[1:])) }

func start(args []string) int {
	var f flags
	f.register(flag.CommandLine)
	helpBeam := flag.Bool("help-beam", false, "list all flags, also those of Beam's runners")
	flag.Lookup("runner").Usage = "where the job runs: prism (the default), direct, universal or dataflow"
	loader := config.Bind(flag.CommandLine, "lake", "gold", "log")
	help := func(w io.Writer) error {
		return loader.Usage(w, flag.CommandLine, intro, append(flagNames, "runner")...)
	}
	show := len(args) >= 2 && args[0] == "config" && args[1] == "show"
	if show {
		args = args[2:]
	}
	if code, done := pipelines.ParseFlags("gold", args, help); done {
		return code
	}
	beam.Init() // on a worker, it does not return
	if *helpBeam {
		flag.PrintDefaults()
		return 0
	}
	wrong := func(err error) int {
		fmt.Fprintln(os.Stderr, "gold:", err)
		return 2
	}
	if flag.NArg() > 0 {
		return wrong(fmt.Errorf("unexpected argument %q: see --help", flag.Arg(0)))
	}
	loader.Default("log.level", "warn", "gold")
	var required []string
	if !show {
		required = []string{"lake.uri"}
	}
	cfg, err := loader.Load(required...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if show {
		if err := loader.Show(os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "gold:", err)
			return 1
		}
		return 0
	}
	o, err := f.options(cfg)
	if err != nil {
		return wrong(err)
	}
	runner := pipelines.Runner()
	if err := o.For(runner); err != nil {
		return wrong(err)
	}
	logger, err := config.NewLogger(cfg.Log, os.Stderr, pipelines.BeamPackages)
	if err != nil {
		return wrong(err)
	}
	slog.SetDefault(logger)

	if pipelines.InProcess(runner) {
		pipelines.LimitGoldMemory()
	}
	ctx, stop := ending.Context()
	defer stop()
	out := io.Writer(os.Stdout)
	if f.format == "json" {
		out = os.Stderr // standard output is the report's alone
	}
	view := pipelines.NewGoldView(out, phase.Terminal(os.Stdout) && f.format != "json")
	report, err := o.RunGold(ctx, runner, view)
	view.Stop()
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "gold: interrupted; the days that are not made yet stand as they were, run it again")
		return 130
	case err != nil:
		fmt.Fprintln(os.Stderr, "gold:", strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
	return print(os.Stdout, f.format, report)
}
