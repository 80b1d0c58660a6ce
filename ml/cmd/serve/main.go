// Command serve answers questions about the demand of the next days over HTTP,
// from a lake's sales and the models of its registry.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/ending"
	"example.com/shopstream/internal/guard"
	"example.com/shopstream/ml/demand"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/serve"
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

// settings are the flags.
type settings struct {
	serve.Options
	loader    *config.Loader
	listen    string
	tokenFile string
	insecure  bool
	hosts     []string
}

// run is the program: its exit code is 0 for help, 1 for an error, 2 for a wrong
// setting, or interrupted, which is how a server ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s := settings{Options: serve.DefaultOptions()}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve forecasts over HTTP",
		Long: `Serve forecasts over HTTP: of products, categories and the shop, in units and revenue,
at today's prices or another one, by the champion of the registry and its challenger.

The forecast is made at the start, and anew where the lake has newer sales or another
champion: the lake is looked at every --reload, and on SIGHUP. Where that fails the
forecast from before stays, and /readyz, the log and the metrics say so.
/docs describes the API. It listens on this machine only, unless told otherwise.
Exit codes: 1 an error, 2 a wrong setting, 130 stopped by Ctrl-C or SIGTERM, after
requests that had begun were answered.`,
		Example: `  serve --lake=/data/lake
  serve --lake=gs://bucket/lake --listen=:8080 --token-file=/run/secrets/tokens
  curl 'localhost:8080/v1/predictions/product/p1?target=units'
  curl localhost:8080/v1/what-if -H 'Content-Type: application/json' -d '{"product": "p1", "price": "3.50"}'`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	s.bind(cmd)
	parsed := false // the arguments, without a mistake
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		parsed = true
		return s.serve(cmd.Context(), stderr)
	}
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)

	err := cmd.ExecuteContext(ctx)
	switch {
	case err == nil && parsed, ctx.Err() != nil && errors.Is(err, context.Canceled):
		return interrupted
	case err == nil: // help
		return 0
	}
	code, between := 1, "; "
	if settings := (*config.Error)(nil); errors.As(err, &settings) {
		code, between = 2, "\nserve: " // a configuration may have several
	}
	if wrong := (mistake{}); !parsed || errors.As(err, &wrong) {
		code = 2
	}
	fmt.Fprintln(stderr, "serve: "+strings.ReplaceAll(err.Error(), "\n", between))
	return code
}

// bind declares the flags.
func (s *settings) bind(cmd *cobra.Command) {
	set := flag.NewFlagSet("", flag.ContinueOnError)
	s.loader = config.Bind(set, "lake", "forecast", "log")
	f := cmd.Flags()
	f.AddGoFlagSet(set)
	f.SortFlags = false
	f.StringVar(&s.Source.Model, "model", "demand", "name of the model in the registry")
	f.StringVar(&s.listen, "listen", "127.0.0.1:8080", "address to listen on (port 0: any free one)")
	f.StringVar(&s.tokenFile, "token-file", "", "file of bearer tokens, one a line; without it everyone is let in")
	f.StringSliceVar(&s.hosts, "allow-host", nil, "further name by which clients call the server, such as a proxy's (repeatable; *: any)")
	f.BoolVar(&s.OpenMetrics, "open-metrics", false, "/metrics needs no token")
	f.BoolVar(&s.insecure, "insecure", false, "listen on an address that other machines reach, without tokens")
	f.DurationVar(&s.Reload, "reload", s.Reload, "how often the lake is looked at (0: only on SIGHUP)")
	f.IntVar(&s.MaxInFlight, "max-in-flight", s.MaxInFlight, "requests at once; more are answered with 503")
	f.Float64Var(&s.Rate, "rate", 0, "requests a second, on average; more are answered with 429 (0: no limit)")
	f.BoolVar(&s.AccessLog, "access-log", s.AccessLog, "log each request")
}

// serve runs the server until ctx ends.
func (s *settings) serve(ctx context.Context, stderr io.Writer) error {
	cfg, err := s.loader.Load("lake.uri")
	if err != nil {
		return err
	}
	if s.Log, err = config.NewLogger(cfg.Log, stderr); err != nil {
		return mistake{err}
	}
	slog.SetDefault(s.Log)
	source, err := demand.SourceOf(cfg)
	if err != nil {
		return mistake{err}
	}
	if s.Source.Calendar, err = forecast.NewCalendar(source.Country, source.Closed); err != nil {
		return mistake{err}
	}
	s.Source.Lake, s.Source.Currency, s.Source.Horizon, s.Source.MaxAge = source.URI, source.Currency, cfg.Forecast.Horizon, cfg.Forecast.MaxAge
	if err := s.check(); err != nil {
		return mistake{err}
	}
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	server, err := serve.New(ctx, s.Options)
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w. Choose another with --listen (port 0: any free one)", s.listen, err)
	}
	go server.Watch(ctx, hangUp)
	s.Log.Info("serve", "address", "http://"+l.Addr().String(), "docs", "http://"+l.Addr().String()+"/docs")
	return server.Serve(ctx, l)
}

// check reads what flags name, and refuses what does not go together.
func (s *settings) check() (err error) {
	if s.tokenFile != "" {
		if s.Tokens, err = guard.ReadTokens(s.tokenFile); err != nil {
			return fmt.Errorf("--token-file: %w", err)
		}
	}
	if err := guard.CheckListen(s.listen, s.Tokens, s.insecure); err != nil {
		return fmt.Errorf("--listen: %w (or set --insecure)", err)
	}
	s.Hosts = guard.NewHosts(s.listen, s.hosts, s.Tokens)
	return s.Validate()
}
