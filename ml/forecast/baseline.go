package forecast

import (
	"context"
	"math"
	"slices"
)

// baseline is a method that looks at one series at a time. Its intervals are the
// quantiles of the series' last 48 open days.
type baseline struct {
	name string
	// point fills the forecasts of a series: vs are its values on open days since
	// the first sale, and weekdays those of vs.
	point func(in baselineInput, out []float64)
}

type baselineInput struct {
	series *Series
	values []float64 // on open days since the first sale
	days   []Day     // of values
	ahead  []Day
	open   []bool // of ahead
	season int    // open days a week
}

// Baselines are the simple methods that a model has to beat.
func Baselines() []Model {
	return []Model{
		baseline{"naive", naive},
		baseline{"seasonal_naive", seasonalNaive},
		baseline{"weekday_mean", weekdayMean},
		baseline{"moving_average", movingAverage},
		baseline{"tsb", tsb},
		baseline{"croston", croston},
		baseline{"ets", ets},
	}
}

func (b baseline) Name() string { return b.name }

func (b baseline) Fit(context.Context, *Panel) (Forecaster, error) { return b, nil }

func (b baseline) Forecast(ctx context.Context, p *Panel, horizon int) (*Forecast, error) {
	a := newAxis(p, horizon)
	out := make([]float64, horizon)
	season := max(1, 7-len(a.opening.ClosedWeekdays()))
	days := make([]Day, 0, len(a.days))
	return a.forecast(ctx, func(s *Series, row []Prediction) {
		days = days[:0]
		for _, t := range a.days {
			if t >= s.First {
				days = append(days, p.Start+Day(t))
			}
		}
		in := baselineInput{series: s, values: a.values(s), days: days, ahead: a.ahead, open: a.open, season: season}
		clear(out)
		b.point(in, out)
		bounds := empirical(in.values)
		for h, y := range out {
			row[h] = none(max(0, y)).within(bounds)
		}
	})
}

// naive repeats the last open day.
func naive(in baselineInput, out []float64) {
	for h := range out {
		out[h] = in.values[len(in.values)-1]
	}
}

// seasonalNaive repeats the last week, day by day.
func seasonalNaive(in baselineInput, out []float64) {
	y := in.series.Y
	for h := range out {
		back := 7 * (h/7 + 1)
		if t := len(y) + h - back; t >= 0 {
			out[h] = y[t]
		}
	}
}

// weekdayMean is the mean of the last 8 open days of the same weekday.
func weekdayMean(in baselineInput, out []float64) {
	for h, d := range in.ahead {
		total, n := 0.0, 0
		for k := len(in.values) - 1; k >= 0 && n < 8; k-- {
			if in.days[k].Weekday() == d.Weekday() {
				total += in.values[k]
				n++
			}
		}
		if n > 0 {
			out[h] = total / float64(n)
		}
	}
}

// movingAverage is the mean of the last 28 open days.
func movingAverage(in baselineInput, out []float64) {
	m := mean(last(in.values, 28))
	for h := range out {
		out[h] = m
	}
}

// tsb smooths the size of demand and its probability separately (Teunter,
// Syntetos and Babai 2011), with factors 0.1 and 0.02.
func tsb(in baselineInput, out []float64) {
	const sizeFactor, shareFactor = 0.1, 0.02
	size, share := math.NaN(), math.NaN()
	for _, v := range in.values {
		sold := 0.0
		if v > 0 {
			sold = 1
			size = smooth(size, v, sizeFactor)
		}
		share = smooth(share, sold, shareFactor)
	}
	if math.IsNaN(size) {
		return
	}
	for h := range out {
		out[h] = size * share
	}
}

// croston divides the smoothed size of demand by the smoothed distance of two
// days with demand (Croston 1972), with the factor 0.1.
func croston(in baselineInput, out []float64) {
	const factor = 0.1
	size, gap := math.NaN(), math.NaN()
	since := 1.0
	for _, v := range in.values {
		if v > 0 {
			size, gap = smooth(size, v, factor), smooth(gap, since, factor)
			since = 0
		}
		since++
	}
	if math.IsNaN(size) {
		return
	}
	for h := range out {
		out[h] = size / gap
	}
}

// smooth is one step of exponential smoothing, which starts at the first value.
func smooth(state, value, factor float64) float64 {
	if math.IsNaN(state) {
		return value
	}
	return state + factor*(value-state)
}

// ets is exponential smoothing with an additive weekly season and no trend,
// ETS(A,N,A) (Hyndman et al. 2008). The factors are those of a grid with the
// least squared error one day ahead.
func ets(in baselineInput, out []float64) {
	m := in.season
	if len(in.values) < 2*m {
		movingAverage(in, out)
		return
	}
	best, bestError := etsState{}, math.Inf(1)
	for _, level := range []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.4} {
		for _, season := range []float64{0, 0.02, 0.05, 0.1, 0.2} {
			state := newETS(in.values, m)
			if e := state.run(in.values[m:], level, season); e < bestError {
				best, bestError = state, e
			}
		}
	}
	place := best.place
	for h, open := range in.open {
		if open { // the season goes on with each open day
			out[h] = best.level + best.season[place]
			place = (place + 1) % m
		}
	}
}

type etsState struct {
	level  float64
	season []float64
	place  int // of the next value in season
}

// newETS starts from the first season.
func newETS(values []float64, m int) etsState {
	s := etsState{level: mean(values[:m]), season: make([]float64, m)}
	for i := range s.season {
		s.season[i] = values[i] - s.level
	}
	return s
}

// run returns the sum of squared errors one day ahead.
func (s *etsState) run(values []float64, level, season float64) float64 {
	sse := 0.0
	for _, v := range values {
		e := v - s.level - s.season[s.place]
		s.level += level * e
		s.season[s.place] += season * e
		s.place = (s.place + 1) % len(s.season)
		sse += e * e
	}
	return sse
}

// last returns the last n values, or all.
func last(vs []float64, n int) []float64 { return vs[max(0, len(vs)-n):] }

func mean(vs []float64) float64 {
	if len(vs) == 0 {
		return 0
	}
	return sum(vs) / float64(len(vs))
}

// quantile of sorted values, with linear interpolation (Hyndman and Fan 1996,
// type 7); NaN of none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// empirical returns the quantiles of the last 48 values as bounds.
func empirical(values []float64) bounds {
	vs := slices.Sorted(slices.Values(last(values, 48)))
	return bounds{quantile(vs, 0.1), quantile(vs, 0.9), quantile(vs, 0.025), quantile(vs, 0.975)}
}
