package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"example.com/shopstream/ml/score"
)

// Report is a backtest: what was forecast and how, and how good it was.
type Report struct {
	Title     string    `json:"title"`
	Target    string    `json:"target"`  // what was forecast: "units", "revenue"
	Unit      string    `json:"unit"`    // of the target a day: "units", "GBP"; may be empty
	Level     string    `json:"level"`   // of what: "product", "category", "total"
	Horizon   int       `json:"horizon"` // days a forecast
	Origins   []Date    `json:"origins"` // first days that were forecast
	DataFrom  Date      `json:"data_from"`
	DataTo    Date      `json:"data_to"` // last day of data, inclusive
	Seed      uint64    `json:"seed"`
	Generated time.Time `json:"generated"`
	Notes     []string  `json:"notes"` // what a reader should know, a sentence each

	// Models are sorted by WAPE, the best first. Score sets these four.
	Models    []Model `json:"models"`
	ByHorizon []Part  `json:"by_horizon"` // Name is the day of the forecast, from 1
	BySegment []Part  `json:"by_segment"`
	ByOrigin  []Part  `json:"by_origin"` // Name is the date, as in "2006-01-02"

	Importance []Importance `json:"importance"` // of the best model's features
	Examples   []Plot       `json:"examples"`   // series with their forecasts of the past
	Next       []Plot       `json:"next"`       // series with a forecast of days to come
}

// Model is a model's scores over everything, and how it compares.
type Model struct {
	Model    string        `json:"model"`
	Baseline bool          `json:"baseline"` // others are compared with it
	Metrics  score.Metrics `json:"metrics"`
	Against  []Against     `json:"against"` // one a baseline and metric
}

// Against is the difference to a baseline: below 0, the model is better.
type Against struct {
	Baseline   string         `json:"baseline"`
	Difference score.Interval `json:"difference"`
}

// Part is a model's scores over some of the cells.
type Part struct {
	Model   string        `json:"model"`
	Name    string        `json:"name"`
	Metrics score.Metrics `json:"metrics"`
}

// Importance is how much a model leans on a feature. Only the shares matter, so
// gain and SHAP may have any unit.
type Importance struct {
	Feature string  `json:"feature"`
	Gain    float64 `json:"gain"` // sum of the loss that its splits saved
	SHAP    float64 `json:"shap"` // mean |SHAP value| (Lundberg & Lee 2017); 0: not computed
}

// Plot is one series by days.
type Plot struct {
	Title     string     `json:"title"`
	Days      []Date     `json:"days"`   // ascending
	Actual    Values     `json:"actual"` // one a day; NaN: unknown
	Forecasts []Forecast `json:"forecasts"`
}

// Forecast is one model's forecast of a series, of one or more origins.
type Forecast struct {
	Model   string `json:"model"`
	Days    []Date `json:"days"` // ascending
	Point   Values `json:"point"`
	Lower80 Values `json:"lower_80"` // bounds: one a day, or none at all
	Upper80 Values `json:"upper_80"`
	Lower95 Values `json:"lower_95"`
	Upper95 Values `json:"upper_95"`
}

// compared are the metrics in which a model is compared with a baseline.
var compared = []score.Metric{score.WAPE, score.EqualBiasWAPE}

// Score sets the report's models, their parts and their differences to the
// baselines, in WAPE and in WAPE at equal bias, from the cells of a backtest.
// Of a single series, such as the shop, origins are drawn for the intervals even
// if the options do not ask for it: nothing else tells chance.
//
// It returns an error if score.Check rejects a cell, a baseline has none, or two
// models were not scored on the same forecasts.
func (r *Report) Score(cells []score.Cell, baselines []string, o score.BootstrapOptions) error {
	if err := score.Check(cells); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	byModel := map[string][]score.Cell{}
	for _, c := range cells {
		byModel[c.Model] = append(byModel[c.Model], c)
	}
	for _, b := range baselines {
		if byModel[b] == nil {
			return fmt.Errorf("report: baseline %q has no cell: backtest it, or leave it out of the baselines", b)
		}
	}
	if o.OriginBlock == 0 && !slices.ContainsFunc(cells, func(c score.Cell) bool { return c.Series != cells[0].Series }) {
		o.OriginBlock = 1
	}
	r.Models = nil
	for _, g := range score.By(cells, score.ByModel) {
		m := Model{Model: g.Keys[0], Metrics: g.Metrics, Baseline: slices.Contains(baselines, g.Keys[0])}
		for _, b := range baselines {
			if m.Baseline {
				break // baselines are what the others are held to
			}
			for _, metric := range compared {
				d, err := score.Difference(byModel[m.Model], byModel[b], metric, o)
				if err != nil {
					return fmt.Errorf("report: compare %q with baseline %q: %w", m.Model, b, err)
				}
				m.Against = append(m.Against, Against{Baseline: b, Difference: d})
			}
		}
		r.Models = append(r.Models, m)
	}
	sortModels(r.Models)
	r.ByHorizon = partsOf(cells, score.ByHorizon)
	r.BySegment = partsOf(cells, score.BySegment)
	r.ByOrigin = partsOf(cells, score.ByOrigin)
	return nil
}

func partsOf(cells []score.Cell, key score.Key) []Part {
	var parts []Part
	for _, g := range score.By(cells, score.ByModel, key) {
		parts = append(parts, Part{Model: g.Keys[0], Name: g.Keys[1], Metrics: g.Metrics})
	}
	return parts
}

// sortModels puts the lowest WAPE first, and undefined ones last.
func sortModels(models []Model) {
	slices.SortStableFunc(models, func(a, b Model) int {
		x, y := a.Metrics.WAPE, b.Metrics.WAPE
		if math.IsNaN(x) != math.IsNaN(y) {
			if math.IsNaN(x) {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a.Model, b.Model))
	})
}

// prepared returns the report as it is shown: models and features in order, the
// caller's slices left as they are.
func (r Report) prepared() (Report, error) {
	r.Models = slices.Clone(r.Models)
	sortModels(r.Models)
	r.Importance = slices.Clone(r.Importance)
	bySHAP := slices.ContainsFunc(r.Importance, func(i Importance) bool { return i.SHAP > 0 })
	slices.SortStableFunc(r.Importance, func(a, b Importance) int {
		if bySHAP {
			return cmp.Or(cmp.Compare(b.SHAP, a.SHAP), cmp.Compare(b.Gain, a.Gain))
		}
		return cmp.Compare(b.Gain, a.Gain)
	})
	for _, p := range slices.Concat(r.Examples, r.Next) {
		if err := p.check(); err != nil {
			return Report{}, err
		}
	}
	return r, nil
}

func (p Plot) check() error {
	if len(p.Days) != len(p.Actual) {
		return fmt.Errorf("report: plot %q has %d days and %d actuals, expected one a day", p.Title, len(p.Days), len(p.Actual))
	}
	if !ascending(p.Days) {
		return fmt.Errorf("report: the days of plot %q are not ascending: sort them", p.Title)
	}
	for _, f := range p.Forecasts {
		n := len(f.Days)
		if len(f.Point) != n {
			return fmt.Errorf("report: plot %q, forecast of %q: %d days and %d points, expected one a day", p.Title, f.Model, n, len(f.Point))
		}
		if !ascending(f.Days) {
			return fmt.Errorf("report: plot %q, forecast of %q: the days are not ascending: sort them, and plot each day once", p.Title, f.Model)
		}
		for _, bound := range []Values{f.Lower80, f.Upper80, f.Lower95, f.Upper95} {
			if len(bound) != 0 && len(bound) != n {
				return fmt.Errorf("report: plot %q, forecast of %q: %d days and a bound of %d values, expected one a day or none", p.Title, f.Model, n, len(bound))
			}
		}
	}
	return nil
}

func ascending(days []Date) bool {
	for i := 1; i < len(days); i++ {
		if days[i] <= days[i-1] {
			return false
		}
	}
	return true
}
