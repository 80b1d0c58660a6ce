package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"example.com/shopstream/ml/score"
)

// sample is a report of simulated demand, with all that a report can have. It is
// the same on each call.
func sample(t testing.TB) Report {
	r := rand.New(rand.NewPCG(1, 1))
	const first, series = 15100, 24
	models := []struct {
		name   string
		spread float64
		lean   float64
		bands  bool
	}{
		{"quantile trees", .45, .95, true},
		{"Tweedie trees", .5, .93, false},
		{"TSB", .6, .97, false},
		{"weekday mean", .65, 1, true},
		{"ETS", .63, .99, false},
		{"ridge", .8, 1.05, false},
		{"naive", 1.3, 1.1, false},
		{"seasonal naive", 1.1, 1.02, false},
	}
	var cells []score.Cell
	example := Plot{Title: "PINK <b>MUG</b> & saucer"}
	for d := range 28 {
		example.Days, example.Actual = append(example.Days, Date(first-28+d)), append(example.Actual, math.Round(40+20*math.Sin(float64(d))))
	}
	example.Forecasts = make([]Forecast, 2)
	for s := range series {
		level := math.Exp(1 + 1.2*r.NormFloat64())
		for origin := range 4 {
			for day := range 7 {
				open := day != 1
				actual := 0.
				if open {
					actual = math.Floor(level * r.ExpFloat64() * 1.3)
				}
				for m, model := range models {
					c := score.Cell{
						Model: model.name, Series: fmt.Sprintf("series %d", s), Segment: [...]string{"high", "low", "middle"}[s%3],
						Origin: int32(first + 7*origin), Day: int32(first + 7*origin + day), Horizon: day + 1,
						Actual: actual, Open: open, Scale: level, ScaleSquared: 2 * level * level,
						Mean: math.NaN(), Lower80: math.NaN(), Upper80: math.NaN(), Lower95: math.NaN(), Upper95: math.NaN(),
					}
					if open {
						c.Point = max(0, model.lean*level*(1+model.spread*(1+.05*float64(day))*r.NormFloat64()))
						if model.bands {
							c.Lower80, c.Upper80, c.Lower95, c.Upper95 = math.Min(c.Point, level*.15), c.Point+2*level, 0, c.Point+3.6*level
						}
					}
					cells = append(cells, c)
					if s == 2 && m < 2 {
						f := &example.Forecasts[m]
						f.Model = model.name
						f.Days, f.Point = append(f.Days, Date(c.Day)), append(f.Point, c.Point)
						if model.bands {
							f.Lower80, f.Upper80 = append(f.Lower80, c.Lower80), append(f.Upper80, c.Upper80)
							f.Lower95, f.Upper95 = append(f.Lower95, c.Lower95), append(f.Upper95, c.Upper95)
						}
						if m == 0 {
							example.Days, example.Actual = append(example.Days, Date(c.Day)), append(example.Actual, actual)
						}
					}
				}
			}
		}
	}
	next := Plot{Title: "The shop, next week", Days: example.Days[:28], Actual: example.Actual[:28]}
	f := Forecast{Model: "quantile trees"}
	for day := range 7 {
		v := 1200 + 300*math.Sin(float64(day))
		f.Days, f.Point = append(f.Days, Date(first+day)), append(f.Point, v)
		f.Lower80, f.Upper80 = append(f.Lower80, v*.8), append(f.Upper80, v*1.25)
		f.Lower95, f.Upper95 = append(f.Lower95, v*.7), append(f.Upper95, v*1.5)
	}
	next.Actual = Values{}
	for d := range next.Days {
		next.Actual = append(next.Actual, 1200+300*math.Sin(float64(d))+100*r.NormFloat64())
	}
	next.Forecasts = []Forecast{f}
	report := Report{
		Title: "Demand backtest", Target: "units", Unit: "units", Level: "product", Horizon: 7,
		Origins: []Date{first, first + 7, first + 14, first + 21}, DataFrom: first - 400, DataTo: first + 27,
		Seed: 7, Generated: time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC),
		Notes:    []string{"3 series were left out: they sold on fewer than 12 days.", "Demand is what was recorded: days without stock look like days without demand."},
		Examples: []Plot{example}, Next: []Plot{next},
	}
	for i, name := range []string{"units, mean of 12 days", "units, 8 weeks by weekday", "weekday", "price over its mean of 48 days", "days since last sale", "horizon", "invoices a day, smoothed .1"} {
		report.Importance = append(report.Importance, Importance{Feature: name, Gain: 1000 / float64(1+i*i), SHAP: 2 / float64(1+i)})
	}
	if err := report.Score(cells, []string{"seasonal naive", "TSB"}, score.BootstrapOptions{Seed: 7, Resamples: 200}); err != nil {
		t.Fatal(err)
	}
	return report
}
