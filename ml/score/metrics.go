package score

import (
	"cmp"
	"math"
	"slices"
)

// PinballQuantiles are the quantiles τ of Metrics.Pinball, in its order.
var PinballQuantiles = [...]float64{.025, .1, .5, .9, .975}

const pinballOfPoint = 2 // the place of .5, whose forecast is the point

// EqualBias is the bias that EqualBiasWAPE brings all models to. Σ|y−f| of
// skewed demand falls as forecasts shrink towards the median, so that a WAPE
// alone rewards forecasts that are too low.
const EqualBias = -.05

// Metrics are the scores of a set of cells, pooled: sums over all cells are
// taken first and divided once. y is the actual, f the point forecast. A metric
// is NaN where it is undefined: no cell, a divisor that is not above 0, no
// interval, or a cell whose actual or point is NaN. MAE, RMSE, pinball loss and
// interval scores are in the target's unit a day, all others have none.
type Metrics struct {
	N       int // cells
	Series  int // distinct
	Origins int // distinct

	MAE  float64 // Σ|y−f| / N
	RMSE float64 // √(Σ(y−f)² / N)

	// R2 is 1 − Σ(y−f)² / Σ(y−ȳ)² with ȳ the mean of all actuals here; NaN where
	// they are all the same. High where series of different size are pooled,
	// whatever the forecast is worth.
	R2 float64

	// WAPE is Σ|y−f| / Σy, also called ND (Salinas et al. 2020, "DeepAR").
	WAPE float64

	// Bias is Σ(f−y) / Σy: below 0, too little was forecast. MeanBias is the same
	// with f = Mean; NaN where a cell has none.
	Bias, MeanBias float64

	// EqualBiasWAPE is the WAPE after all points are multiplied by the one factor
	// that makes Bias equal EqualBias: models that lean to different sides compare
	// fairly. NaN where Σf or Σy is not above 0.
	EqualBiasWAPE float64

	// MASE is the mean over forecasts (model, series, origin) of their MAE over
	// Scale (Hyndman & Koehler 2006, "Another look at measures of forecast
	// accuracy"; lag 7). RMSSE is the mean of √(MSE / ScaleSquared), unweighted
	// (Makridakis et al. 2022, "M5 accuracy competition"). Forecasts whose scale
	// is 0 are left out; Unscaled counts those left out of MASE.
	MASE, RMSSE float64
	Unscaled    int

	// Pinball is the mean over open days of max(τ(y−q), (τ−1)(y−q)) at
	// PinballQuantiles (Koenker & Bassett 1978). q is the interval's bound, and
	// the point at .5, though the point may be another quantile of its model.
	Pinball [len(PinballQuantiles)]float64

	// Intervals count the open days with an interval of that level, Coverage is
	// the share of these with lower ≤ y ≤ upper. IntervalScore is the mean of
	// (u−l) + 2/α·max(l−y, 0) + 2/α·max(y−u, 0), α = 1 − level (Gneiting & Raftery
	// 2007, "Strictly proper scoring rules", eq. 43): narrow is good, a miss costs.
	Intervals80, Intervals95         int
	Coverage80, Coverage95           float64
	IntervalScore80, IntervalScore95 float64
}

// Summarise pools cells of any models, series, origins and days into metrics.
// The order of the cells changes no bit of the result. Run Check before: here a
// broken cell makes a metric NaN and nothing tells why.
func Summarise(cells []Cell) Metrics {
	sorted := inOrder(cells)
	t := totalsOf(sorted)
	m := t.metrics()
	series, origins := map[string]struct{}{}, map[int32]struct{}{}
	for _, c := range sorted {
		series[c.Series] = struct{}{}
		origins[c.Origin] = struct{}{}
	}
	m.Series, m.Origins = len(series), len(origins)
	if spread := spreadOf(sorted, t[actuals]); spread > 0 {
		m.R2 = 1 - t[squaredErrors]/spread
	}
	if factor := equalBiasFactor(&t); !math.IsNaN(factor) {
		var errors sum
		for _, c := range sorted {
			errors.add(math.Abs(factor*c.Point - c.Actual))
		}
		m.EqualBiasWAPE = errors.value() / t[actuals]
	}
	return m
}

// spreadOf returns Σ(y−ȳ)², exactly 0 where all actuals are the same.
func spreadOf(cells []*Cell, total float64) float64 {
	if len(cells) == 0 {
		return 0
	}
	byActual := func(a, b *Cell) int { return cmp.Compare(a.Actual, b.Actual) }
	lowest, highest := slices.MinFunc(cells, byActual).Actual, slices.MaxFunc(cells, byActual).Actual
	mean := min(max(total/float64(len(cells)), lowest), highest) // a rounded mean may lie outside
	var spread sum
	for _, c := range cells {
		spread.add((c.Actual - mean) * (c.Actual - mean))
	}
	return spread.value()
}

// equalBiasFactor returns k with Σ(kf−y)/Σy = EqualBias, or NaN.
func equalBiasFactor(t *totals) float64 {
	if !(t[points] > 0) || !(t[actuals] > 0) {
		return math.NaN()
	}
	return (1 + EqualBias) * t[actuals] / t[points]
}
