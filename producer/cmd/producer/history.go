package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"cloud.google.com/go/civil"
	"github.com/spf13/cobra"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/phase"
	"example.com/shopstream/producer"
)

type historyFlags struct {
	days    int
	until   string
	out     string
	density float64
	foreign float64
	force   bool
}

func historyCommand() *cobra.Command {
	var f historyFlags
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Write past daily sales of the simulated shop, for forecasts to learn from",
		Long: `Write the daily sales of the simulated shop before its first event, for gold to
import (gold.history): the products, prices and promotions of simulate with the
same seed, and demand that ends at its level, with seasons, trends, promotions
that pay, products that come and go or sell on few days, days without stock,
closed days and returns.

The same options give the same file. --density, or --rate and --speedup, are
those of the simulation that goes on where the history ends.`,
		Example: `  producer history --out history.parquet
  producer history --days 730 --until 2026-03-01 --seed 1 --speedup 60 --out history.csv`,
		Args: cobra.NoArgs,
	}
	loader := bind(cmd, "simulate.seed", "simulate.rate", "simulate.speedup", "gold.time_zone")
	fl := cmd.Flags()
	fl.IntVar(&f.days, "days", 730, "how many days")
	fl.StringVar(&f.until, "until", "", "the day after the last one, such as 2026-03-01 (default: today in the shop's time zone)")
	fl.StringVar(&f.out, "out", "", "the `file` to write, .parquet or .csv (required)")
	fl.Float64Var(&f.density, "density", 0, "mean events per second of event time (0: from --rate and --speedup, or 1000)")
	fl.Float64Var(&f.foreign, "foreign", 0, "share of customers who pay in GBP, CHF or PLN")
	fl.BoolVar(&f.force, "force", false, "replace the file if it is there")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loader.Load()
		if err != nil {
			return err
		}
		return history(cfg, f, cmd.ErrOrStderr())
	}
	return cmd
}

func history(cfg config.Config, f historyFlags, stderr io.Writer) error {
	o, err := historyOptions(cfg, f, time.Now())
	if err != nil {
		return mistake{err}
	}
	past, err := producer.NewHistory(o)
	if err != nil {
		return mistake{err}
	}
	if f.out == "" {
		return mistake{errors.New("--out is missing: expected the name of the file to write, such as history.parquet")}
	}
	switch err := producer.CheckHistoryFile(f.out, f.force); {
	case errors.Is(err, fs.ErrExist):
		return mistake{fmt.Errorf("%s is there already: use --force to replace it, or another --out", f.out)}
	case err != nil:
		return mistake{err}
	}
	end := phase.Doing(stderr, phase.Terminal(stderr), fmt.Sprintf("making %d days of history", f.days))
	rows, err := past.Rows()
	end()
	if err != nil {
		return err
	}
	if err := producer.WriteHistoryFile(f.out, rows, f.force); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%s rows of daily sales, %s to %s, written to %s\n", grouped(int64(len(rows))), past.First(), past.Last(), f.out)
	return nil
}

// historyOptions joins configuration and flags; now is only for an end that is
// not given.
func historyOptions(cfg config.Config, f historyFlags, now time.Time) (producer.HistoryOptions, error) {
	o := producer.HistoryOptions{Seed: uint64(cfg.Simulate.Seed), Days: f.days, Density: f.density, Foreign: f.foreign}
	if f.days == 0 {
		return o, errors.New("--days is 0: expected 1 or more")
	}
	if o.Density == 0 && cfg.Simulate.Rate > 0 {
		o.Density = cfg.Simulate.Rate / cfg.Simulate.Speedup
	}
	if f.until == "" {
		zone, err := time.LoadLocation(cfg.Gold.TimeZone)
		if err != nil {
			return o, fmt.Errorf("gold.time_zone: %w", err)
		}
		o.Until = civil.DateOf(now.In(zone))
		return o, nil
	}
	until, err := civil.ParseDate(f.until)
	if err != nil {
		return o, fmt.Errorf("--until %q: expected a day such as 2026-03-01", f.until)
	}
	o.Until = until
	return o, nil
}
