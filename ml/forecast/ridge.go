package forecast

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Ridge is linear regression with an L2 penalty (Hoerl and Kennard 1970) over all
// series at once. Values are divided by the mean of the series' last 48 open
// days plus 1, so that large and small series share coefficients; a row weighs
// as much as its divisor, since the variance of demand grows with its mean.
type Ridge struct{ Horizon int }

// ridgePenalty is relative to the number of rows, on standardised features.
const ridgePenalty = 1e-3

// ridgeSeries are the series of the largest sums that ridge learns from.
const ridgeSeries = 1000

var ridgeFeatures = []string{
	"mean(y,48)", "lag(y,1)", "lag(y,2)", "mean(y,6)", "mean(y,12)", "mean(y,24)", "mean(y,96)", "median(y,24)", "max(y,24)", "sd(y,24)",
	"ewm(y,0.05)", "ewm(y,0.2)", "mean(w,12)", "mean(w,48)", "same_weekday(1)", "same_weekday(2)", "weekday_mean(4)", "weekday_mean(8)",
	"active(24)", "active(48)", "since_sale(60)", "price_level(12)", "ratio(y,12,48)", "horizon", "holiday", "weekday",
}

// ridgeScaled are the first features, which have the unit of the target.
const ridgeScaled = 18

// Name implements Model.
func (Ridge) Name() string { return "ridge" }

// Fit implements Model.
func (m Ridge) Fit(ctx context.Context, p *Panel) (Forecaster, error) {
	spec, err := ParseSpec(ridgeFeatures)
	if err != nil {
		return nil, err
	}
	r := newRows(spec, newAxis(p.Best(ridgeSeries, 0), 0), nil, nil)
	samples, y := r.training(m.Horizon, 0)
	if len(samples) == 0 {
		return nil, tooLittle("no series has been sold for the %d open days that ridge needs", minAge)
	}
	columns, err := r.columns(ctx, samples)
	if err != nil {
		return nil, err
	}
	fit := &ridgeFit{spec: spec}
	width := len(spec) - 1 + 7 // weekdays are one column each
	x, weights := make([]float64, len(samples)*width), make([]float64, len(samples))
	row := make([]float32, len(spec))
	for i := range samples {
		for f := range row {
			row[f] = columns[f][i]
		}
		weights[i] = expand(x[i*width:(i+1)*width], row)
		y[i] /= weights[i]
	}
	fit.standardise(x, weights, width)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return fit, fit.solve(ctx, x, y, weights, width)
}

// expand writes the columns of a row and returns its divisor.
func expand(out []float64, row []float32) float64 {
	scale := 1.0
	if m := float64(row[0]); m > 0 {
		scale += m
	}
	n := len(row) - 1
	for f, v := range row[:n] {
		out[f] = float64(v)
		if f < ridgeScaled {
			out[f] /= scale
		}
	}
	clear(out[n:])
	out[n+int(row[n])] = 1
	return scale
}

type ridgeFit struct {
	spec        Spec
	means, devs []float64 // by column
	intercept   float64
	slopes      []float64
}

// standardise brings the columns to mean 0 and deviation 1, missing values to
// the mean.
func (f *ridgeFit) standardise(x, weights []float64, width int) {
	f.means, f.devs = make([]float64, width), make([]float64, width)
	for c := range width {
		var n, total, squares float64
		for i, w := range weights {
			if v := x[i*width+c]; !math.IsNaN(v) {
				n += w
				total += w * v
			}
		}
		f.means[c] = total / max(n, 1e-12)
		for i, w := range weights {
			if v := x[i*width+c]; !math.IsNaN(v) {
				squares += w * (v - f.means[c]) * (v - f.means[c])
			}
		}
		f.devs[c] = math.Sqrt(squares / max(n, 1e-12))
		for i := range weights {
			x[i*width+c] = f.standard(c, x[i*width+c])
		}
	}
}

// standard is 0 where the value is missing, or a column always the same.
func (f *ridgeFit) standard(c int, v float64) float64 {
	if math.IsNaN(v) || f.devs[c] < 1e-12 {
		return 0
	}
	return (v - f.means[c]) / f.devs[c]
}

func (f *ridgeFit) solve(ctx context.Context, x, y, weights []float64, width int) error {
	var n, total float64
	for i, w := range weights {
		n += w
		total += w * y[i]
	}
	f.intercept = total / n
	gram, right := mat.NewSymDense(width, nil), mat.NewVecDense(width, nil)
	for i, w := range weights {
		if i%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		row := x[i*width : (i+1)*width]
		for a, u := range row {
			right.SetVec(a, right.AtVec(a)+w*u*(y[i]-f.intercept))
			for b := a; b < width; b++ {
				gram.SetSym(a, b, gram.At(a, b)+w*u*row[b])
			}
		}
	}
	for a := range width {
		gram.SetSym(a, a, gram.At(a, a)+ridgePenalty*n)
	}
	var cholesky mat.Cholesky
	if !cholesky.Factorize(gram) {
		return fmt.Errorf("the rows of ridge are not finite: is a value of the series too large?")
	}
	var slopes mat.VecDense
	if err := cholesky.SolveVecTo(&slopes, right); err != nil {
		return fmt.Errorf("solve ridge: %w", err)
	}
	f.slopes = slopes.RawVector().Data
	return nil
}

// Forecast implements Forecaster.
func (f *ridgeFit) Forecast(ctx context.Context, p *Panel, horizon int) (*Forecast, error) {
	a := newAxis(p, horizon)
	rows, err := newRows(f.spec, a, nil, nil).ahead(ctx)
	if err != nil {
		return nil, err
	}
	x := make([]float64, len(f.slopes))
	next := 0
	return a.forecast(ctx, func(s *Series, row []Prediction) {
		bounds := empirical(a.values(s))
		for h := range row {
			scale := expand(x, rows[next:next+len(f.spec)])
			next += len(f.spec)
			y := f.intercept
			for c, slope := range f.slopes {
				y += slope * f.standard(c, x[c])
			}
			row[h] = none(max(0, y*scale)).within(bounds)
		}
	})
}
