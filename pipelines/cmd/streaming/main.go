// Streaming runs the streaming job: a shop's Kafka events to the lake and
// revenue metrics, on Prism in this process or on another Beam runner.
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
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/pipelines"
)

const intro = `streaming reads a shop's events from Kafka into a Parquet lake with an exact ledger,
and keeps revenue metrics per product, category and shop.

  streaming --brokers=host:9092 --lake=/data/lake
  streaming --brokers=host:9092 --lake=gs://bucket/lake --bounded
  streaming --runner=dataflow --project=P --region=R --staging_location=gs://B/staging \
            --brokers=host:9092 --lake=gs://B/lake
  streaming --runner=flink-cluster --endpoint=jobserver:8099 --environment_type=PROCESS \
            --environment_config='{"command":"/opt/shopstream/boot"}' --brokers=host:9092 --lake=gs://B/lake
  streaming config show

On Prism (the default) it goes on where the lake's ledger ends; stop it with Ctrl-C at any
time. Without --bounded it runs until it is stopped.
Runners: prism, direct (only with --bounded), flink-cluster (docs/flink.md), universal,
dataflow. Beam's own options (--endpoint, --project, --dry_run, …) are taken as they are;
--help-beam lists all flags.
Exit codes: 0 done, 1 an error, 2 a wrong setting, 4 a bounded run is done, but too many of
its records are dead letters (--max-dead-share), 130 interrupted,
5 ended by force, since it had not ended 8 s after SIGTERM.
`

func main() { os.Exit(start(os.Args[1:])) }

func start(args []string) int {
	bounded := flag.Bool("bounded", false, "read to the offsets that the topic has now, close all windows, and end")
	helpBeam := flag.Bool("help-beam", false, "list all flags, also those of Beam's runners")
	flag.Lookup("runner").Usage = "where the job runs: prism (the default), direct, flink-cluster, universal or dataflow"
	loader := config.Bind(flag.CommandLine,
		"kafka", "stream", "lake", "flink", "metrics", "log")
	help := func(w io.Writer) error {
		return loader.Usage(w, flag.CommandLine, intro, "bounded", "runner")
	}
	show := len(args) >= 2 && args[0] == "config" && args[1] == "show"
	if show {
		args = args[2:]
	}
	if code, done := pipelines.ParseFlags("streaming", args, help); done {
		return code
	}
	beam.Init() // on a worker, it does not return
	if *helpBeam {
		flag.PrintDefaults()
		return 0
	}
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "streaming: unexpected argument %q: see --help\n", flag.Arg(0))
		return 2
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
			fmt.Fprintln(os.Stderr, "streaming:", err)
			return 1
		}
		return 0
	}
	runner := pipelines.Runner()
	o := pipelines.StreamingFrom(cfg)
	o.Source.Bounded = *bounded
	if err := o.For(runner); err != nil {
		fmt.Fprintln(os.Stderr, "streaming:", err)
		return 2
	}
	var quiet []string
	if pipelines.InProcess(runner) {
		quiet = []string{pipelines.BeamPackages}
	}
	logger, err := config.NewLogger(cfg.Log, os.Stderr, quiet...)
	if err != nil {
		fmt.Fprintln(os.Stderr, "streaming:", err)
		return 2
	}
	slog.SetDefault(logger)

	ctx, stop := ending.Context()
	defer stop()
	var dead *pipelines.DeadLetters
	switch err := run(ctx, o, runner, cfg); {
	case errors.As(err, &dead):
		fmt.Fprintln(os.Stderr, "streaming:", dead.Error()+pipelines.DeadHint)
		return pipelines.DeadCode
	case errors.Is(err, context.Canceled):
		switch {
		case pipelines.InProcess(runner):
			slog.Info("stopped; the next run goes on where the ledger ends")
		case runner == pipelines.Flink && pipelines.Loopback():
			slog.Info("stopped, and the job cancelled: its workers were in this process")
		default:
			slog.Info("no longer waiting; the job goes on, cancel it at its runner")
		}
		return 130
	case err != nil:
		fmt.Fprintln(os.Stderr, "streaming:", strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
	return 0
}

func run(ctx context.Context, o pipelines.StreamingOptions, runner string, cfg config.Config) error {
	switch {
	case pipelines.InProcess(runner):
		pipelines.LimitMemory(o.Source.Budget)
		url, err := pipelines.ServeMetrics(ctx, cfg.Metrics, o.Source, cfg.Kafka.UnreadyAfter)
		if err != nil {
			return err
		}
		if err := o.Resume(ctx); err != nil {
			return err
		}
		slog.Info("metrics", "address", url)
	case given("update") || o.Flink.Savepoint != "": // the runner's state has what was read into the lake
		if err := o.Init(ctx); err != nil {
			return err
		}
	case !given("dry_run"): // which touches nothing
		if err := o.New(ctx); err != nil {
			return err
		}
	}
	var (
		totals lake.Totals
		closed bool
		err    error
	)
	if pipelines.InProcess(runner) && !o.Source.Bounded {
		totals, closed, err = o.RunSupervised(ctx, runner, pipelines.Supervision{Restarts: cfg.Stream.Restarts})
	} else { // whoever started a bounded job waits for it
		totals, closed, err = o.Run(ctx, runner)
	}
	switch {
	case err != nil:
		return err
	case closed:
		letters, err := o.DeadLetters(ctx, totals)
		if err != nil {
			return err
		}
		slog.Info("done: the ledger's identity holds", "lake", o.Lake, "read", totals.Read, "silver", totals.Silver,
			"duplicates", totals.Duplicates, "late", totals.Late, "dead_letters", totals.DeadCount())
		switch hint, err := o.Sparse(ctx); {
		case err != nil: // the run is done all the same
			slog.Warn("whether the base window is too short is not known", "error", err)
		case hint != "":
			slog.Warn("the base window is too short for this topic", "found", hint)
		}
		if letters.TooMany() {
			return letters
		}
	case !given("dry_run"):
		slog.Info("nothing more to do here; the lake is not closed", "lake", o.Lake, "runner", runner)
	}
	return nil
}

// given reports whether one of Beam's switches is on.
func given(name string) bool {
	f := flag.Lookup(name)
	return f != nil && f.Value.String() == "true"
}
