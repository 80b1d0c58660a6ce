// Local runs shopstream on one machine in one process: an embedded Kafka
// broker, a simulated shop or the replay of a file, and the streaming job,
// from events to a lake, revenue metrics, gold's tables and the answers of SQL.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/ending"
	"example.com/shopstream/pipelines"
	"example.com/shopstream/producer"
)

const intro = `local runs shopstream on this machine: a Kafka broker, a shop's events, and the
streaming job that makes a Parquet lake and revenue metrics of them; then the tables of
each business day, a forecast of next week's demand, and the answers to the main questions.

  local                                    two minutes of a simulated shop, 60 times as fast as the clock
  local --duration=0 --speedup=1           a shop in real time, until Ctrl-C
  local --source=orders.csv.gz --data=DIR  replay a file to its end
  local --brokers=host:9092                use your own Kafka, not the embedded broker
  local config show                        every setting and where it comes from

Run again with the same --data it continues: nothing is lost, nothing counted twice.
Exit codes: 0 done and the ledger's identity holds, 1 an error, 2 a wrong setting, 4 done, but too
many records of the file are dead letters (--max-dead-share), 130 interrupted,
5 ended by force, since it had not ended 8 s after SIGTERM.
`

// settings are the program's own flags.
type settings struct {
	data     string
	source   string
	format   string
	duration time.Duration
	history  int // days
	forecast bool

	kind     producer.Format // of source
	ownKafka bool            // brokers are given
	window   bool            // the base window is given
}

func main() { os.Exit(start(os.Args[1:])) }

func start(args []string) int {
	var set settings
	flag.StringVar(&set.data, "data", "data", "`folder` of the broker's log and, unless --lake is given, the lake")
	flag.StringVar(&set.source, "source", "", "`file` to replay: Online Retail (.csv, .csv.gz), OTTO or our own events (.jsonl)")
	flag.StringVar(&set.format, "format", "auto", "what the file holds: auto, online-retail, otto or events")
	flag.DurationVar(&set.duration, "duration", 2*time.Minute, "how long to simulate; 0: until Ctrl-C")
	flag.IntVar(&set.history, "history-days", 730, "`days` of a simulated past for a new simulated shop; 0, or with --history: none")
	flag.BoolVar(&set.forecast, "forecast", true, "forecast the next days' demand at the end")
	loader := config.Bind(flag.CommandLine, "kafka", "stream", "lake", "gold", "forecast", "metrics", "log", "simulate")
	help := func(w io.Writer) error {
		return loader.Usage(w, flag.CommandLine, intro, "data", "source", "format", "duration", "history-days", "forecast")
	}
	show := len(args) >= 2 && args[0] == "config" && args[1] == "show"
	if show {
		args = args[2:]
	}
	if code, done := pipelines.ParseFlags("local", args, help); done {
		return code
	}
	beam.Init()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "local: unexpected argument %q: see --help\n", flag.Arg(0))
		return 2
	}
	if err := set.defaults(loader); err != nil {
		fmt.Fprintln(os.Stderr, "local:", err)
		return 2
	}
	cfg, err := loader.Load()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if show {
		if err := loader.Show(os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "local:", err)
			return 1
		}
		return 0
	}
	if set.source == "" && cfg.Simulate.Rate <= 0 {
		fmt.Fprintln(os.Stderr, "local: simulate.rate: the live shop needs a rate above 0, in events a second")
		return 2
	}
	logger, err := config.NewLogger(cfg.Log, os.Stderr, pipelines.BeamPackages)
	if err != nil {
		fmt.Fprintln(os.Stderr, "local:", err)
		return 2
	}
	slog.SetDefault(logger)

	ctx, stop := ending.Context()
	defer stop()
	set.ownKafka = loader.Origin("kafka.brokers") != "default"
	set.window = loader.Origin("stream.base_window") != byLocal
	switch err := run(ctx, stop, cfg, set); {
	case errors.Is(err, context.Canceled):
		if errors.Is(err, pipelines.ErrWaiting) { // it was not well before, either
			fmt.Fprintln(os.Stderr, "local:", oneLine(err))
		}
		fmt.Fprintln(os.Stderr, "local: interrupted; run it again with the same --data to go on")
		return 130
	case errors.As(err, new(*pipelines.DeadLetters)):
		fmt.Fprintln(os.Stderr, "local:", oneLine(err)+pipelines.DeadHint)
		return pipelines.DeadCode
	case err != nil:
		fmt.Fprintln(os.Stderr, "local:", oneLine(err))
		return 1
	}
	return 0
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// defaults are those of this program: a lake beside the broker's log, quiet
// logs, a fast shop with a short base window.
func (s *settings) defaults(loader *config.Loader) error {
	if s.duration < 0 {
		return fmt.Errorf("--duration is %s: expected 0 (until Ctrl-C) or more", s.duration)
	}
	if s.history < 0 {
		return fmt.Errorf("--history-days is %d: expected 0 (none) or more", s.history)
	}
	if s.source != "" {
		var err error
		if s.kind, err = producer.ParseFormat(s.format); err == nil && s.kind == "" {
			s.kind, err = producer.Recognise(s.source)
		}
		if err != nil {
			return err
		}
	}
	loader.Default("lake.uri", filepath.Join(s.data, "lake"), "flag --data")
	loader.Default("log.level", "warn", byLocal)
	loader.Default("simulate.speedup", "60", byLocal)                  // two hours of a shop in two minutes
	loader.Default("stream.base_window", shopWindow.String(), byLocal) // of a file or a lake: see baseWindow
	return nil
}

// byLocal is the origin of settings that this program chooses.
const byLocal = "local"

// run is the whole program after its settings are known.
func run(ctx context.Context, stop context.CancelFunc, cfg config.Config, set settings) (err error) {
	if !set.ownKafka {
		b, startErr := startBroker(set.data, cfg)
		if startErr != nil {
			return startErr
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		cfg.Kafka.Brokers = b.Addrs()
	}
	o := pipelines.StreamingFrom(cfg)
	if err := o.For(pipelines.Prism); err != nil {
		return err
	}
	tables, err := pipelines.GoldFrom(cfg)
	if err != nil {
		return err
	}
	events, err := open(ctx, cfg, set)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, events.close()) }()
	if !set.window {
		if o.Source.BaseWindow, err = events.baseWindow(ctx, cfg.Lake.URI); err != nil {
			return err
		}
	}
	pipelines.LimitMemory(o.Source.Budget)
	url, err := pipelines.ServeMetrics(ctx, cfg.Metrics, o.Source, cfg.Kafka.UnreadyAfter)
	if err != nil {
		return err
	}
	end := working(os.Stdout, "reading where the lake ends")
	err = o.Resume(ctx)
	end()
	if err != nil {
		return err
	}
	if url != "" {
		fmt.Println("metrics:", url)
	}
	totals, err := events.ingest(ctx, stop, o, cfg.Stream.Restarts)
	if err != nil {
		return err
	}
	tell(os.Stdout, totals)
	letters, err := o.DeadLetters(context.WithoutCancel(ctx), totals)
	if err != nil {
		return err
	}
	if ctx.Err() != nil { // asked to finish: this is a part of it
		ctx = context.WithoutCancel(ctx)
	}
	if err := events.addHistory(os.Stdout, &tables); err != nil {
		return err
	}
	err = finish(ctx, os.Stdout, tables, cfg, set)
	switch {
	case events.replay == nil || !letters.TooMany(): // how many a simulated shop has is a setting
		return err
	case err != nil:
		return fmt.Errorf("%w; and %s", err, letters.Error())
	}
	return letters
}
