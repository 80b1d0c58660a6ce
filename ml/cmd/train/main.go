// Command train fits the model that predicts demand, and keeps its versions.
package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/ending"
	"example.com/shopstream/ml/demand"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/report"
)

func main() {
	ctx, _ := ending.Context() // until the process ends
	os.Exit(demand.Exit("train", command().ExecuteContext(ctx), os.Stderr))
}

func command() *cobra.Command {
	var p program
	o := demand.TrainOptions{Recipe: forecast.Recipe()}
	var promote, importFile, features, trainedTo, format string
	c := &cobra.Command{
		Use:   "train --lake LAKE",
		Short: "Fit the model that predicts demand, and keep its versions",
		Long: `Train backtests the model beside baselines and the champion, fits it on all complete
days of gold, and puts it into the lake as a new version. It becomes the champion if
it is better beyond noise on the same origins (or as --promote says).

Exit codes: 0 done, 1 an error, 2 a wrong flag, 130 interrupted.`,
		Example: `  train --lake /data/lake --country GB
  train --lake /data/lake --promote never
  train --lake /data/lake --import model.json --features features.txt --trained-to 2026-02-28 --promote always
  train list --lake /data/lake
  train promote 20260301T120000Z-1a2b3c4d --lake /data/lake --reason "won the test"
  train rollback --lake /data/lake`,
		Args:          demand.Arguments(cobra.NoArgs),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if o.Promote = demand.Promotion(promote); !slices.Contains([]demand.Promotion{demand.IfBetter, demand.Always, demand.Never}, o.Promote) {
				return demand.NewUsage(fmt.Errorf("--promote is %q: expected auto, always or never", promote))
			}
			if o.External, err = external(importFile, features, trainedTo); err != nil {
				return err
			}
			if err := checkFormat(format); err != nil {
				return err
			}
			if o.Store, o.Source, err = p.settings.Open(c.Context(), c.ErrOrStderr()); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, o.Store.Close()) }()
			o.Name, o.Now, o.Recipe.Horizon = p.name, time.Now(), p.settings.Config.Forecast.Horizon
			bar := demand.NewProgress(c.ErrOrStderr(), "train")
			o.Progress = bar.Set
			trained, err := demand.Train(c.Context(), o)
			bar.End()
			if err != nil {
				return err
			}
			if format == "json" {
				return writeJSON(c.OutOrStdout(), struct {
					Version  string `json:"version"`
					Promoted bool   `json:"promoted"`
					Reason   string `json:"reason"`
					Manifest any    `json:"manifest"`
				}{trained.Manifest.Version, trained.Promoted, trained.Reason, trained.Manifest})
			}
			if err := report.Table(c.OutOrStdout(), trained.Report); err != nil {
				return err
			}
			verdict := "It is not the champion: "
			if trained.Promoted {
				verdict = "It is the champion: "
			}
			fmt.Fprintf(c.OutOrStdout(), "\nVersion %s of %s, trained on %s to %s in %.1f s.\n%s%s.\n",
				trained.Manifest.Version, trained.Manifest.Name, trained.Manifest.DataFrom, trained.Manifest.DataTo, trained.Manifest.Seconds, verdict, trained.Reason)
			return nil
		},
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return demand.NewUsage(err) })
	p.register(c)
	f := c.Flags()
	f.IntVar(&o.Count, "origins", 4, "origins of the backtest, a horizon apart, up to the last day")
	f.BoolVar(&o.Refit, "refit", true, "fit at each origin of the backtest; false: only at the first")
	f.IntVar(&o.Recipe.TrainSeries, "series", o.Recipe.TrainSeries, "learn from so many products, those of the largest sums (0: all)")
	f.IntVar(&o.Recipe.TrainDays, "days", o.Recipe.TrainDays, "learn from forecasts that begin on so many of the newest open days (0: all)")
	f.Uint64Var(&o.Recipe.Seed, "seed", o.Recipe.Seed, "the same seed and data give the same model")
	f.StringVar(&promote, "promote", "auto", "make it the champion: auto (if better beyond noise), always or never")
	f.IntVar(&o.Keep, "keep", 0, "remove older versions but so many; never the champion, the challenger or the champion before (0: keep all)")
	f.StringVar(&importFile, "import", "", "take this model in XGBoost's JSON format instead of fitting one")
	f.StringVar(&features, "features", "", "file with the features of --import, one a line, in the order of its columns")
	f.StringVar(&trainedTo, "trained-to", "", "last day that --import was trained on, such as 2026-02-28")
	f.StringVar(&format, "format", "table", "table or json")
	c.AddCommand(p.list(), p.show(), p.diff(), p.promote(), p.rollback(), p.challenge())
	return c
}

// external reads a model that was trained elsewhere; nil without a file.
func external(model, features, trainedTo string) (*demand.External, error) {
	if (model == "") != (features == "") || (model == "") != (trainedTo == "") {
		return nil, demand.NewUsage(errors.New("--import, --features and --trained-to belong together"))
	}
	if model == "" {
		return nil, nil
	}
	last, err := forecast.ParseDay(trainedTo)
	if err != nil {
		return nil, demand.NewUsage(fmt.Errorf("--trained-to: %w", err))
	}
	text, err := os.ReadFile(features) //nolint:gosec // the file that the user named
	if err != nil {
		return nil, err
	}
	spec, err := forecast.ParseSpec(strings.Fields(string(text)))
	if err != nil {
		return nil, demand.NewUsage(fmt.Errorf("%s: %w", features, err))
	}
	data, err := os.ReadFile(model) //nolint:gosec // the file that the user named
	return &demand.External{Model: data, Features: spec, Last: last}, err
}

func checkFormat(format string) error {
	if format != "table" && format != "json" {
		return demand.NewUsage(fmt.Errorf("there is no format %q: expected table or json", format))
	}
	return nil
}
