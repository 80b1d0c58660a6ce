// Command predict forecasts demand with the champion.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/ending"
	"example.com/shopstream/internal/phase"
	"example.com/shopstream/ml/demand"
)

func main() {
	ctx, _ := ending.Context() // until the process ends
	os.Exit(demand.Exit("predict", command().ExecuteContext(ctx), os.Stderr))
}

func command() *cobra.Command {
	var settings *demand.Settings
	var o demand.PredictOptions
	var format string
	c := &cobra.Command{
		Use:   "predict --lake LAKE",
		Short: "Forecast demand with the champion",
		Long: `Predict forecasts every product, every category and the shop, in units and in
revenue, for the days after the last complete day of gold, and writes them to the
table demand_predictions. Run again, it writes the same. Where the model cannot say,
a simpler forecast stands in, and its rows say why (column fallback).

To load the table into BigQuery: warehouse publish --table demand_predictions.

Exit codes: 0 done, 1 an error, 2 a wrong flag, 130 interrupted.`,
		Example: `  predict --lake /data/lake --country GB
  predict --lake gs://bucket/lake --horizon 14 --format json`,
		Args:          demand.Arguments(cobra.NoArgs),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if format != "table" && format != "json" {
				return demand.NewUsage(fmt.Errorf("there is no format %q: expected table or json", format))
			}
			if o.Store, o.Source, err = settings.Open(c.Context(), c.ErrOrStderr()); err != nil {
				return err
			}
			o.Horizon, o.MaxAge = settings.Config.Forecast.Horizon, settings.Config.Forecast.MaxAge
			defer func() { err = errors.Join(err, o.Store.Close()) }()
			end := phase.Doing(c.ErrOrStderr(), phase.Terminal(c.ErrOrStderr()), "predict: reading the days and forecasting")
			made, err := demand.Predict(c.Context(), o)
			end()
			if made == nil {
				return err
			}
			if format == "json" {
				e := json.NewEncoder(c.OutOrStdout())
				e.SetIndent("", "  ")
				return errors.Join(e.Encode(made), err)
			}
			return errors.Join(made.Write(c.OutOrStdout()), err)
		},
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return demand.NewUsage(err) })
	settings = demand.Bind(c, "lake", "forecast", "log")
	f := c.Flags()
	f.StringVar(&o.Name, "model", demand.ModelName, "name of the model")
	f.StringVar(&o.Version, "version", "", "version of the model (default: the champion, and the challenger)")
	f.BoolVar(&o.DryRun, "dry-run", false, "write nothing")
	f.StringVar(&format, "format", "table", "table or json")
	return c
}
