// Rebuild makes a lake again from its bronze, after a fix of the parser.
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

const intro = `rebuild makes a lake again from its bronze, which has every record as it was received:
silver, late events, dead letters, metrics and the ledger, by the parser of this program.

  rebuild --lake=/data/lake --dry-run
  rebuild --lake=/data/lake --brokers=host:9092
  rebuild --lake=gs://bucket/lake --prune
  rebuild config show

Stop the streaming job before, and start it again after: it goes on where it was. The new
lake is a generation beside the old one and replaces it at once, when it is whole; until
then, and if rebuild is stopped or killed, the lake is the old one. A lake that was not
closed needs Kafka for the last records, which bronze has not yet.
--prune removes the generations that are not the lake any more, and makes nothing.
Runners: prism (the default), direct (small lakes: all is held in memory).
Exit codes: 0 done, 1 an error, 2 a wrong setting, 130 interrupted,
4 done, but more than --max-dead-share of the records are dead letters now,
5 ended by force, since it had not ended 8 s after SIGTERM.
`

// deadHint is what is said after too many dead letters.
const deadHint = ". The new generation is the lake, and has these records in dead_letters; the old one stays until --prune. If that is how they should be, allow it with --max-dead-share=1"

// flags are the program's own.
type flags struct {
	dryRun, prune bool
	shards        int
}

func main() { os.Exit(start(os.Args[1:])) }

func start(args []string) int {
	var f flags
	flag.BoolVar(&f.dryRun, "dry-run", false, "say what would be done, and whether it can be, and change nothing")
	flag.BoolVar(&f.prune, "prune", false, "remove old generations")
	flag.IntVar(&f.shards, "shards", 0, "silver files a category and window from now on, also of the streaming job (0: as before)")
	flag.Lookup("runner").Usage = "where the job runs: prism (the default) or direct"
	loader := config.Bind(flag.CommandLine, "lake", "kafka.brokers", "stream.budget", "stream.max_dead_share", "log")
	help := func(w io.Writer) error {
		return loader.Usage(w, flag.CommandLine, intro, "dry-run", "prune", "shards", "runner")
	}
	show := len(args) >= 2 && args[0] == "config" && args[1] == "show"
	if show {
		args = args[2:]
	}
	if code, done := pipelines.ParseFlags("rebuild", args, help); done {
		return code
	}
	beam.Init()
	loader.Default("log.level", "warn", "rebuild")
	wrong := func(err error) int {
		fmt.Fprintln(os.Stderr, "rebuild:", err)
		return 2
	}
	switch {
	case flag.NArg() > 0:
		return wrong(fmt.Errorf("unexpected argument %q: see --help", flag.Arg(0)))
	case f.dryRun && f.prune:
		return wrong(errors.New("--dry-run is about making a generation, --prune makes none: use one or the other"))
	case f.shards < 0 || f.shards > 64:
		return wrong(fmt.Errorf("--shards=%d: expected 1 to 64, or 0 for as many as before", f.shards))
	case !pipelines.InProcess(pipelines.Runner()):
		return wrong(fmt.Errorf("--runner=%s: expected %s or %s", pipelines.Runner(), pipelines.Prism, pipelines.Direct))
	}
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
			fmt.Fprintln(os.Stderr, "rebuild:", err)
			return 1
		}
		return 0
	}
	logger, err := config.NewLogger(cfg.Log, os.Stderr, pipelines.BeamPackages)
	if err != nil {
		return wrong(err)
	}
	slog.SetDefault(logger)

	ctx, stop := ending.Context()
	defer stop()
	o := pipelines.RebuildFrom(cfg)
	o.Shards = f.shards
	var dead *pipelines.DeadLetters
	switch err := run(ctx, o, f); {
	case errors.As(err, &dead):
		fmt.Fprintln(os.Stderr, "rebuild:", dead.Error()+deadHint)
		return pipelines.DeadCode
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "rebuild: interrupted; the lake is what it was. Run it again, and it starts from the beginning")
		return 130
	case err != nil:
		fmt.Fprintln(os.Stderr, "rebuild:", strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
	return 0
}

func run(ctx context.Context, o pipelines.RebuildOptions, f flags) error {
	switch {
	case f.prune:
		removed, err := pipelines.PruneGenerations(ctx, o.Lake)
		if err == nil {
			_, err = fmt.Printf("generations removed: %d %v\n", len(removed), removed)
		}
		return err
	case f.dryRun:
		plan, err := o.Plan(ctx)
		if err == nil {
			plan.Write(os.Stdout)
		}
		return err
	}
	pipelines.LimitMemory(o.Budget)
	view := pipelines.NewRebuildView(os.Stdout, phase.Terminal(os.Stdout))
	report, err := o.RunRebuild(ctx, pipelines.Runner(), view.Planned)
	view.Stop()
	if err != nil {
		return err
	}
	if err := report.Write(os.Stdout); err != nil {
		return err
	}
	letters, err := report.DeadLetters(ctx, o.MaxDeadShare)
	if err == nil && letters.TooMany() {
		err = letters
	}
	return err
}
