// Command backtest compares forecasting models on days that are known.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/ending"
	"example.com/shopstream/ml/demand"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/report"
)

func main() {
	ctx, _ := ending.Context() // until the process ends
	os.Exit(demand.Exit("backtest", command().ExecuteContext(ctx), os.Stderr))
}

func command() *cobra.Command {
	var settings *demand.Settings
	var data string
	var o demand.BacktestOptions
	var level, target, origins, format, out, export string
	c := &cobra.Command{
		Use:   "backtest --data LAKE",
		Short: "Compare forecasting models on days that are known",
		Long: `Backtest makes forecasts from several days of the past (rolling origins), with the
days before each alone, and compares them with what happened.

Data is a lake with gold, or a Parquet file of daily_sales. Closed days are found
from the data, a country's public holidays and --closed.

Exit codes: 0 done, 1 an error, 2 a wrong flag, 130 interrupted.`,
		Example: `  backtest --data /data/lake
  backtest --data /data/lake --level total --target revenue --origins 8
  backtest --data /data/lake --top 200 --origins 2011-11-11,2011-11-18 --format html --out report.html`,
		Args:          demand.Arguments(cobra.NoArgs),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if o.Source, err = settings.Source(c.ErrOrStderr()); err != nil {
				return err
			}
			if o.Source.URI = cmp.Or(data, o.Source.URI); o.Source.URI == "" {
				return demand.NewUsage(errors.New("--data is missing: expected a lake with gold, or a Parquet file of daily_sales"))
			}
			o.Horizon = settings.Config.Forecast.Horizon
			if o.Level, err = forecast.ParseLevel(level); err != nil {
				return demand.NewUsage(err)
			}
			if o.Target, err = forecast.ParseTarget(target); err != nil {
				return demand.NewUsage(err)
			}
			if o.Count, o.Origins, err = demand.ParseOrigins(origins); err != nil {
				return demand.NewUsage(err)
			}
			write, ok := map[string]func(io.Writer, report.Report) error{"table": report.Table, "json": report.JSON, "html": report.HTML}[format]
			if !ok {
				return demand.NewUsage(fmt.Errorf("there is no format %q: expected table, json or html", format))
			}
			for _, name := range []string{out, export} {
				if err := demand.CheckFolder(name); name != "" && err != nil {
					return err
				}
			}
			o.Now = time.Now()
			bar := demand.NewProgress(c.ErrOrStderr(), "backtest")
			o.Progress = func(done, total int, model string, origin forecast.Day) {
				bar.Set(done, total, fmt.Sprintf("%s from %v", model, origin))
			}
			b, err := demand.Backtest(c.Context(), o)
			bar.End()
			if err != nil {
				return err
			}
			if export != "" {
				if err := b.Export(export); err != nil {
					return err
				}
			}
			if out == "" {
				return write(c.OutOrStdout(), b.Report)
			}
			var text bytes.Buffer
			return errors.Join(write(&text, b.Report), demand.WriteFile(out, text.Bytes()))
		},
	}
	settings = demand.Bind(c, "forecast", "lake", "log")
	f := c.Flags()
	f.StringVar(&data, "data", "", "a lake with gold, or a Parquet file of daily_sales (default: --lake)")
	f.StringVar(&level, "level", "product", "what a series is: product, category or total")
	f.StringVar(&target, "target", "units", "what is forecast: units or revenue")
	f.IntVar(&o.Top, "top", 0, "only the series of the largest sums before the first origin (0: all)")
	f.StringVar(&origins, "origins", "4", "first days of forecasts: how many, a horizon apart, up to the last day; or dates, separated by commas")
	f.StringSliceVar(&o.Models, "models", nil, "only these models (default: all that suit the level)")
	f.BoolVar(&o.Refit, "refit", true, "fit at each origin; false: only at the first")
	f.Uint64Var(&o.Seed, "seed", 1, "the same seed and data give the same result")
	f.StringVar(&format, "format", "table", "table, json or html")
	f.StringVar(&out, "out", "", "write the report to a file")
	f.StringVar(&export, "export", "", "also write series, forecasts and scores to a folder, as CSV and JSON")
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return demand.NewUsage(err) })
	return c
}
