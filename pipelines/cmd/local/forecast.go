package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/ml/demand"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/registry"
	"example.com/shopstream/ml/report"
)

const (
	// learnt are the days that are learnt from, at least, before a backtest.
	learnt = 28
	// backtests are the forecasts that are made as if their days were not known,
	// where there are enough days.
	backtests = 4
)

// laptop is the recipe made to fit in seconds: the newest days to learn from, of
// products of all sizes (of the best sellers alone it would learn nothing about
// the others), and fewer trees that learn faster, which on the simulated shop
// costs 0.001 of WAPE.
func laptop(horizon int) forecast.Trees {
	const fewer = 0.4
	r := forecast.Recipe()
	r.Horizon = horizon
	r.TrainSeries, r.TrainDays = 1000, 48
	for _, size := range []*forecast.TreeSize{&r.Small, &r.Big} {
		size.Trees = int(fewer * float64(size.Trees))
		size.Rate /= fewer
	}
	return r
}

// predict is outlook, where too little to forecast from is no error.
func predict(ctx context.Context, w io.Writer, cfg config.Config, set settings) error {
	err := outlook(ctx, w, cfg, set)
	var little *forecast.TooLittle
	if errors.As(err, &little) {
		fmt.Fprintf(w, "\nNo forecast yet: %s. %s\n", little, set.moreDays())
		return nil
	}
	return err
}

// outlook trains the model of demand on gold's complete days, unless one of them
// is there, forecasts the next days with the champion, and prints both.
func outlook(ctx context.Context, w io.Writer, cfg config.Config, set settings) error {
	horizon := cfg.Forecast.Horizon
	source, err := demand.SourceOf(cfg)
	if err != nil {
		return fmt.Errorf("forecast: %w", err)
	}
	st, err := lake.SharedNow(ctx, cfg.Lake.URI)
	if err != nil {
		return err
	}
	first, last, ok, err := completeDays(ctx, st)
	if err != nil {
		return fmt.Errorf("forecast: %w", err)
	}
	days := 0
	if ok {
		days = int(last-first) + 1
	}
	if days < learnt+horizon {
		fmt.Fprintf(w, "\nNo forecast yet: it takes %d complete days, and there are %d. %s\n", learnt+horizon, days, set.moreDays())
		return nil
	}
	fmt.Fprintln(w)
	model, err := train(ctx, w, st, demand.TrainOptions{
		Store: st, Source: source, Recipe: laptop(horizon), Count: min(backtests, (days-learnt)/horizon), Promote: demand.IfBetter, Now: time.Now(),
	}, last)
	if err != nil {
		return fmt.Errorf("forecast: train: %w", err)
	}
	writeBacktest(w, model)
	end := working(w, "forecast: the next days")
	made, err := demand.Predict(ctx, demand.PredictOptions{Store: st, Source: source, Horizon: horizon, MaxAge: cfg.Forecast.MaxAge})
	end()
	if err != nil {
		return fmt.Errorf("forecast: %w", err)
	}
	fmt.Fprintln(w)
	if err := made.Write(w); err != nil {
		return err
	}
	end = working(w, "forecast: plots")
	page, err := writePlots(ctx, st, set.data, model.report, made)
	end()
	if err != nil {
		return fmt.Errorf("forecast: plots: %w", err)
	}
	fmt.Fprintln(w, "Plots:", page)
	return nil
}

// moreDays says how to get to more complete days.
func (s *settings) moreDays() string {
	switch {
	case s.source == "" && s.history == 0:
		return "Let the shop go on, or give it a past with --history-days."
	case s.source == "":
		return "Go on with the shop, or import past daily sales with --history."
	}
	return "Replay more files into the same folder, or import past daily sales with --history."
}

// completeDays returns the first complete day of gold with sales or visits, and the
// last complete one; false if there is none.
func completeDays(ctx context.Context, st lake.Store) (first, last forecast.Day, ok bool, err error) {
	standing, err := lake.ReadPublications(ctx, st)
	if err != nil {
		return 0, 0, false, err
	}
	for date, p := range standing {
		if p.Number == 0 || !p.Complete {
			continue
		}
		day := forecast.DayOf(date)
		if p.Tables["daily_sales"].Rows > 0 && (!ok || day < first) {
			first, ok = day, true
		}
		last = max(last, day)
	}
	return first, last, ok, nil
}

// trained is a version of the model with its backtest.
type trained struct {
	manifest registry.Manifest
	report   report.Report
	refused  string // why it is not the champion, if it was trained now and is not
}

// train returns the newest version whose data end with the last day, and which was
// tested as far ahead, or a new one.
// Training is deterministic: the same days would make the same model.
func train(ctx context.Context, w io.Writer, st lake.Store, o demand.TrainOptions, last forecast.Day) (trained, error) {
	reg := registry.Open(lake.Root(st))
	versions, err := reg.List(ctx, demand.ModelName)
	if err != nil {
		return trained{}, err
	}
	for _, m := range slices.Backward(versions) {
		if m.DataTo != last.String() {
			continue
		}
		data, err := reg.File(ctx, m, "report.json")
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return trained{}, err
		}
		out := trained{manifest: m}
		if err := json.Unmarshal(data, &out.report); err != nil {
			return trained{}, fmt.Errorf("the report of version %s: %w", m.Version, err)
		}
		if out.report.Horizon == o.Recipe.Horizon {
			return out, nil
		}
	}
	progress := demand.NewProgress(w, "forecast")
	o.Progress = progress.Set
	made, err := demand.Train(ctx, o)
	progress.End()
	if err != nil {
		return trained{}, err
	}
	out := trained{manifest: made.Manifest, report: made.Report}
	if !made.Promoted {
		out.refused = made.Reason
	}
	return out, nil
}

// naive is the baseline that the summary compares with.
const naive = "seasonal_naive"

// writeBacktest prints how the model did beside the baseline.
func writeBacktest(w io.Writer, t trained) {
	m, r := t.manifest, t.report
	fmt.Fprintf(w, "Model %s, trained on %s to %s.\nBacktest: %d forecasts of %d days, up to %s, as if those were not known.\n\n",
		m.Version, m.DataFrom, m.DataTo, len(r.Origins), r.Horizon, r.DataTo)
	fmt.Fprintf(w, "  %-15s %6s %8s\n", "model", "WAPE", "bias")
	for _, scored := range r.Models {
		if scored.Model == m.Kind || scored.Model == naive {
			fmt.Fprintf(w, "  %-15s %6.3f %+7.1f%%\n", scored.Model, scored.Metrics.WAPE, 100*scored.Metrics.Bias)
		}
	}
	for _, scored := range r.Models {
		for _, a := range scored.Against {
			if scored.Model != m.Kind || a.Baseline != naive || a.Difference.Metric != "wape" {
				continue
			}
			d, verdict := a.Difference, "no clear difference"
			switch {
			case d.Better():
				verdict = "better"
			case d.Worse():
				verdict = "worse"
			}
			fmt.Fprintf(w, "\nDifference %+.3f (%.0f %% interval %+.3f to %+.3f): %s.\n", d.Difference, 100*d.Confidence, d.Lower, d.Upper, verdict)
		}
	}
	if t.refused != "" {
		fmt.Fprintf(w, "It is not the champion: %s.\n", t.refused)
	}
}
