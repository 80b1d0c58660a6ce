package score

import "math"

// The sums that all metrics are functions of. They are additive, so that a
// bootstrap can add up those of the series that it drew.
const (
	count = iota
	absErrors
	squaredErrors
	errorsOfPoint
	errorsOfMean // NaN where a cell has no mean
	actuals
	points

	runs // forecasts, one a model, series and origin
	scaledRuns
	scaledErrors
	squareScaledRuns
	squareScaledErrors

	intervals80
	covered80
	intervalScore80
	intervals95
	covered95
	intervalScore95
	pinball      // the first of len(PinballQuantiles) sums
	pinballCount = pinball + len(PinballQuantiles)

	totalsLength = pinballCount + len(PinballQuantiles)
)

type totals [totalsLength]float64

func (t *totals) addWeighted(o *totals, weight float64) {
	for i, v := range o {
		t[i] += weight * v
	}
}

// totalsOf adds up cells in the order of inOrder.
func totalsOf(sorted []*Cell) totals {
	var sums [totalsLength]sum
	for start := 0; start < len(sorted); {
		end := start + 1
		for end < len(sorted) && sameRun(sorted[start], sorted[end]) {
			end++
		}
		addRun(&sums, sorted[start:end])
		start = end
	}
	for _, c := range sorted {
		addErrors(&sums, c)
		if c.Open {
			addIntervals(&sums, c)
		}
	}
	var t totals
	for i := range sums {
		t[i] = sums[i].value()
	}
	return t
}

func addErrors(sums *[totalsLength]sum, c *Cell) {
	e := c.Point - c.Actual
	sums[count].add(1)
	sums[absErrors].add(math.Abs(e))
	sums[squaredErrors].add(e * e)
	sums[errorsOfPoint].add(e)
	sums[actuals].add(c.Actual)
	sums[points].add(c.Point)
	sums[errorsOfMean].add(c.Mean - c.Actual)
}

// addRun adds the scaled errors of one forecast; its cells share their scale.
func addRun(sums *[totalsLength]sum, run []*Cell) {
	var absolute, squared sum
	for _, c := range run {
		e := c.Point - c.Actual
		absolute.add(math.Abs(e))
		squared.add(e * e)
	}
	n, first := float64(len(run)), run[0]
	sums[runs].add(1)
	if first.Scale > 0 {
		sums[scaledRuns].add(1)
		sums[scaledErrors].add(absolute.value() / n / first.Scale)
	}
	if first.ScaleSquared > 0 {
		sums[squareScaledRuns].add(1)
		sums[squareScaledErrors].add(math.Sqrt(squared.value() / n / first.ScaleSquared))
	}
}

func addIntervals(sums *[totalsLength]sum, c *Cell) {
	level := func(lower, upper, alpha float64, counted, covered, score int) {
		if math.IsNaN(lower) || math.IsNaN(upper) {
			return
		}
		sums[counted].add(1)
		if lower <= c.Actual && c.Actual <= upper {
			sums[covered].add(1)
		}
		sums[score].add(upper - lower + 2/alpha*(max(lower-c.Actual, 0)+max(c.Actual-upper, 0)))
	}
	level(c.Lower80, c.Upper80, .2, intervals80, covered80, intervalScore80)
	level(c.Lower95, c.Upper95, .05, intervals95, covered95, intervalScore95)
	for i, forecast := range [len(PinballQuantiles)]float64{c.Lower95, c.Lower80, c.Point, c.Upper80, c.Upper95} {
		if math.IsNaN(forecast) && i != pinballOfPoint {
			continue
		}
		tau := PinballQuantiles[i]
		d := c.Actual - forecast
		sums[pinballCount+i].add(1)
		sums[pinball+i].add(max(tau*d, (tau-1)*d))
	}
}

// metrics turns sums into metrics. What is no function of them is left: the
// numbers of series and origins 0, R² and EqualBiasWAPE NaN.
func (t *totals) metrics() Metrics {
	ratio := func(sum, by int) float64 {
		if t[by] <= 0 {
			return math.NaN()
		}
		return t[sum] / t[by]
	}
	m := Metrics{
		N:               int(t[count]),
		MAE:             ratio(absErrors, count),
		RMSE:            math.Sqrt(ratio(squaredErrors, count)),
		R2:              math.NaN(),
		WAPE:            ratio(absErrors, actuals),
		Bias:            ratio(errorsOfPoint, actuals),
		MeanBias:        ratio(errorsOfMean, actuals),
		MASE:            ratio(scaledErrors, scaledRuns),
		RMSSE:           ratio(squareScaledErrors, squareScaledRuns),
		Unscaled:        int(t[runs] - t[scaledRuns]),
		Intervals80:     int(t[intervals80]),
		Coverage80:      ratio(covered80, intervals80),
		IntervalScore80: ratio(intervalScore80, intervals80),
		Intervals95:     int(t[intervals95]),
		Coverage95:      ratio(covered95, intervals95),
		IntervalScore95: ratio(intervalScore95, intervals95),
		EqualBiasWAPE:   math.NaN(),
	}
	for i := range m.Pinball {
		m.Pinball[i] = ratio(pinball+i, pinballCount+i)
	}
	return m
}
