package demand

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/report"
	"example.com/shopstream/ml/score"
)

// BacktestOptions say what to backtest.
type BacktestOptions struct {
	Source  Source
	Level   forecast.Level
	Target  forecast.Target
	Top     int            // series of the largest sums before the first origin; 0 is all
	Horizon int            // days
	Count   int            // origins, a horizon apart, up to the last day; used without Origins
	Origins []forecast.Day // first days of forecasts
	Models  []string       // names; none is all
	Refit   bool           // fit at each origin, not only at the first
	Seed    uint64
	Now     time.Time // when the report says it was made
	// Progress is told of each forecast that is about to be made; it may be nil.
	Progress func(done, total int, model string, origin forecast.Day)
}

// Backtested is the outcome of a backtest.
type Backtested struct {
	Report report.Report
	Cells  []score.Cell
	Panel  *forecast.Panel
	Result *forecast.Result
}

// Backtest compares models on rolling origins.
func Backtest(ctx context.Context, o BacktestOptions) (*Backtested, error) {
	models, err := forecast.Choose(forecast.Models(o.Level, o.Horizon, o.Seed), o.Models)
	switch {
	case err != nil:
		return nil, NewUsage(err)
	case o.Top < 0:
		return nil, NewUsage(fmt.Errorf("there are %d series of the largest sums: expected 1 or more, or 0 for all", o.Top))
	}
	d, err := o.Source.read(ctx)
	if err != nil {
		return nil, err
	}
	panel, err := d.sales.Panel(o.Level, o.Target, d.calendar)
	if err != nil {
		return nil, err
	}
	origins := o.Origins
	if len(origins) == 0 {
		origins = forecast.LastOrigins(panel, o.Count, o.Horizon)
	}
	if len(origins) > 0 {
		panel = panel.Best(o.Top, origins[0])
	}
	return run(ctx, panel, forecast.Backtest{Origins: origins, Horizon: o.Horizon, Models: models, Refit: o.Refit, Report: o.Progress}, o.Seed, o.Now)
}

// run backtests a panel and writes the report.
func run(ctx context.Context, p *forecast.Panel, b forecast.Backtest, seed uint64, now time.Time) (*Backtested, error) {
	result, err := b.Run(ctx, p)
	if err != nil {
		return nil, err
	}
	out := &Backtested{Cells: result.Cells, Panel: p, Result: result}
	r := &out.Report
	*r = report.Report{
		Title: fmt.Sprintf("Backtest of daily %s by %s", p.Target, p.Level), Target: string(p.Target), Unit: unit(p), Level: string(p.Level), Horizon: b.Horizon,
		DataFrom: report.Date(p.Start), DataTo: report.Date(p.End - 1), Seed: seed, Generated: now.UTC(), Notes: notes(p, b),
	}
	for _, origin := range b.Origins {
		r.Origins = append(r.Origins, report.Date(origin))
	}
	simple := forecast.Baselines()
	var baselines []string
	for _, m := range b.Models {
		if slices.ContainsFunc(simple, func(s forecast.Model) bool { return s.Name() == m.Name() }) {
			baselines = append(baselines, m.Name())
		}
	}
	if err := r.Score(result.Cells, baselines, score.BootstrapOptions{Seed: seed}); err != nil {
		return nil, err
	}
	last := p.Before(b.Origins[len(b.Origins)-1])
	for _, m := range r.Models {
		if e, ok := result.Fitted[m.Model].(forecast.Explainer); ok {
			const rows = 200
			features, err := e.Explain(ctx, last, rows)
			if err != nil {
				return nil, err
			}
			r.Importance = importance(features)
			break
		}
	}
	r.Examples = examples(p, b.Origins, result.Cells, shown(r.Models))
	return out, nil
}

func unit(p *forecast.Panel) string {
	if p.Target == forecast.Revenue {
		return p.Currency
	}
	return "units"
}

func importance(features []forecast.Importance) []report.Importance {
	const most = 20
	out := make([]report.Importance, 0, most)
	for _, f := range features[:min(most, len(features))] {
		out = append(out, report.Importance{Feature: f.Feature, Gain: f.Gain, SHAP: f.SHAP})
	}
	return out
}

// notes are what a reader should know of the data.
func notes(p *forecast.Panel, b forecast.Backtest) []string {
	how := "Each model was fitted at each origin, on the days before it."
	if !b.Refit {
		how = "Each model was fitted once, on the days before the first origin."
	}
	classes := forecast.Classify(p.Before(b.Origins[0]))
	return []string{
		how,
		"Demand is what was ordered: cancellations are not subtracted, and a day without stock looks like one without demand.",
		fmt.Sprintf("Before the first origin, of %d series %d sell on most days, %d are intermittent, %d are too new for a model of their own (less than 12 open days), and %d have not sold for 96 open days.",
			len(p.Series), classes[forecast.Smooth], classes[forecast.Intermittent], classes[forecast.New], classes[forecast.Dead]),
		"Every model forecasts 0 for days on which the shop is expected to be closed.",
	}
}

// shown are the models to draw: the best one and seasonal naive.
func shown(models []report.Model) []string {
	out := []string{models[0].Model}
	const naive = "seasonal_naive"
	if out[0] != naive && slices.ContainsFunc(models, func(m report.Model) bool { return m.Model == naive }) {
		out = append(out, naive)
	}
	return out
}

// exampleDays are the days before the first origin that a plot shows.
const exampleDays = 28

// examples draws the sum of all series, and those at the top, the first third and
// the second third of demand.
func examples(p *forecast.Panel, origins []forecast.Day, cells []score.Cell, models []string) []report.Plot {
	from := max(p.Start, origins[0]-exampleDays)
	known := p.Before(origins[0])
	order := make([]int, len(known.Series))
	sums := make([]float64, len(order))
	for i := range order {
		order[i] = i
		for _, y := range known.Series[i].Y {
			sums[i] += y
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sums[b], sums[a]) })
	var plots []report.Plot
	if len(order) > 1 {
		plots = append(plots, plot("All series", from, known, cells, models, nil))
	}
	var drawn []int
	for _, place := range []int{0, len(order) / 3, 2 * len(order) / 3} {
		if i := order[place]; !slices.Contains(drawn, i) {
			drawn = append(drawn, i)
			plots = append(plots, plot(known.Series[i].ID, from, known, cells, models, &known.Series[i]))
		}
	}
	return plots
}

// plot draws one series, or the sum of all if it is nil. A sum has no interval.
func plot(title string, from forecast.Day, known *forecast.Panel, cells []score.Cell, models []string, s *forecast.Series) report.Plot {
	out := report.Plot{Title: title}
	for d := from; d < known.End; d++ {
		out.Days = append(out.Days, report.Date(d))
		t, total := int(d-known.Start), 0.0
		for i := range known.Series {
			if s == nil || known.Series[i].ID == s.ID {
				total += known.Series[i].Y[t]
			}
		}
		out.Actual = append(out.Actual, total)
	}
	newest := map[int32]int32{} // origin, by day: forecasts may overlap
	for _, c := range cells {
		newest[c.Day] = max(newest[c.Day], c.Origin)
	}
	actual := map[int32]float64{}
	for m, model := range models {
		points, bounds := map[int32]float64{}, map[int32]score.Cell{}
		for _, c := range cells {
			if c.Model != model || s != nil && c.Series != s.ID || c.Origin != newest[c.Day] {
				continue
			}
			points[c.Day] += c.Point
			bounds[c.Day] = c
			if m == 0 {
				actual[c.Day] += c.Actual
			}
		}
		f := report.Forecast{Model: model}
		for _, d := range sortedDays(points) {
			f.Days, f.Point = append(f.Days, report.Date(d)), append(f.Point, points[d])
			if s != nil {
				c := bounds[d]
				f.Lower80, f.Upper80, f.Lower95, f.Upper95 = append(f.Lower80, c.Lower80), append(f.Upper80, c.Upper80), append(f.Lower95, c.Lower95), append(f.Upper95, c.Upper95)
			}
		}
		out.Forecasts = append(out.Forecasts, f)
	}
	for _, d := range sortedDays(actual) {
		out.Days, out.Actual = append(out.Days, report.Date(d)), append(out.Actual, actual[d])
	}
	return out
}

func sortedDays(m map[int32]float64) []int32 {
	days := make([]int32, 0, len(m))
	for d := range m {
		days = append(days, d)
	}
	slices.Sort(days)
	return days
}
