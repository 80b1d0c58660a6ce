package forecast

import (
	"context"
	"slices"
)

// Index forecasts a series that sells every open day, such as the shop's total:
// a weekday index times a smoothed level.
//
// The index of a weekday is the mean, over the last 16 weeks, of the day's value
// over the mean of the open week around it, brought to mean 1 over the weekdays;
// the level is the exponentially smoothed value over its index (classical
// decomposition, and Brown's simple smoothing). Closed days are not on the axis.
type Index struct{}

// Parameters of Index.
const (
	indexWeeks  = 16
	indexFactor = 0.1
)

// Name implements Model.
func (Index) Name() string { return "weekday_index" }

// Fit implements Model: there is nothing to learn.
func (Index) Fit(context.Context, *Panel) (Forecaster, error) { return Index{}, nil }

// Forecast implements Forecaster. The intervals are the quantiles of what the
// same method would have missed at the ends of the last 26 weeks.
func (Index) Forecast(ctx context.Context, p *Panel, horizon int) (*Forecast, error) {
	a := newAxis(p, horizon)
	weekdays := make([]int, len(a.days))
	for i, t := range a.days {
		weekdays[i] = int((p.Start + Day(t)).Weekday())
	}
	season := max(1, 7-len(a.opening.ClosedWeekdays()))
	return a.forecast(ctx, func(s *Series, row []Prediction) {
		vs := a.values(s)
		days := weekdays[len(weekdays)-len(vs):]
		level, index := indexOf(vs, days, season)
		ratios := pastRatios(vs, days, season)
		for h, d := range a.ahead {
			y := level * index[d.Weekday()]
			p := none(y)
			if len(ratios) > 0 {
				p = p.within(bounds{y * quantile(ratios, 0.1), y * quantile(ratios, 0.9), y * quantile(ratios, 0.025), y * quantile(ratios, 0.975)}.around(y))
			}
			row[h] = p
		}
	})
}

// indexOf returns the level after the last value, and the index by weekday. The
// level begins at the mean of the first two weeks.
func indexOf(values []float64, weekdays []int, season int) (level float64, index [7]float64) {
	index = weekdayIndex(values, weekdays, season)
	start := min(2*season, len(values))
	for i, v := range values {
		deseasoned := v / index[weekdays[i]]
		if i < start {
			level += (deseasoned - level) / float64(i+1)
		} else {
			level = smooth(level, deseasoned, indexFactor)
		}
	}
	return level, index
}

// weekdayIndex returns the index by weekday, with mean 1 over the weekdays that
// were seen; 1 for the others.
func weekdayIndex(values []float64, weekdays []int, season int) [7]float64 {
	var sums, counts [7]float64
	for i := max(0, len(values)-indexWeeks*season); i < len(values); i++ {
		if c := centredMean(values, i, season); c > 0 {
			sums[weekdays[i]] += values[i] / c
			counts[weekdays[i]]++
		}
	}
	index, total, n := [7]float64{1, 1, 1, 1, 1, 1, 1}, 0.0, 0.0
	for w := range index {
		if counts[w] > 0 && sums[w] > 0 {
			index[w] = sums[w] / counts[w]
			total += index[w]
			n++
		}
	}
	for w := range index {
		if counts[w] > 0 && sums[w] > 0 {
			index[w] *= n / total
		}
	}
	return index
}

// centredMean is the mean of the season around i, with i in its middle or just
// after it; 0 where the values do not reach so far.
func centredMean(values []float64, i, season int) float64 {
	from := i - season/2
	if from < 0 || from+season > len(values) {
		return 0
	}
	return mean(values[from : from+season])
}

// pastRatios returns value over forecast for the days of the last 26 weeks, each
// forecast from the week's end before it, in increasing order.
func pastRatios(values []float64, weekdays []int, season int) []float64 {
	const weeks, least = 26, 8
	var ratios []float64
	for w := 1; w <= weeks; w++ {
		end := len(values) - w*season
		if end < least*season {
			break
		}
		level, index := indexOf(values[:end], weekdays[:end], season)
		for i := end; i < end+season; i++ {
			if y := level * index[weekdays[i]]; y > 0 {
				ratios = append(ratios, values[i]/y)
			}
		}
	}
	slices.Sort(ratios)
	return ratios
}
