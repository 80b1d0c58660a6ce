package forecast

import (
	"context"
	"math"
)

// Prediction is the forecast of one series on one day. The bounds enclose the
// day's value with a probability of 80 % and 95 %; NaN means that there are
// none.
type Prediction struct {
	Point   float64 // minimises the absolute error at the level's total
	Mean    float64 // expected value; adds up over series and days
	Lower80 float64
	Upper80 float64
	Lower95 float64
	Upper95 float64
}

// Forecast is what a model says of the days from Origin on.
type Forecast struct {
	Origin Day
	Open   []bool         // for each day of the horizon, whether the shop is open
	Rows   [][]Prediction // by series of the panel, and day
}

// Model is a method with its parameters. It is safe for concurrent use.
type Model interface {
	// Name is how tables and manifests call the model.
	Name() string
	// Fit learns from all days of the panel. A model without parameters to
	// learn returns itself.
	Fit(ctx context.Context, p *Panel) (Forecaster, error)
}

// Forecaster is a fitted model. It is safe for concurrent use.
type Forecaster interface {
	// Forecast predicts the panel's series for the horizon days from its end. The
	// panel may hold later days than the one that was fitted, and other series.
	// Days on which the shop is closed are forecast as 0.
	Forecast(ctx context.Context, p *Panel, horizon int) (*Forecast, error)
}

// none is a prediction without intervals.
func none(point float64) Prediction {
	nan := math.NaN()
	return Prediction{Point: point, Mean: point, Lower80: nan, Upper80: nan, Lower95: nan, Upper95: nan}
}

// axis is the panel's axis without closed days.
type axis struct {
	panel   *Panel
	opening *Opening
	days    []int // panel indices of past open days
	ahead   []Day // the days of the horizon
	open    []bool
}

func newAxis(p *Panel, horizon int) *axis {
	o := NewOpening(p)
	a := &axis{panel: p, opening: o, days: o.openDays(), ahead: make([]Day, horizon), open: make([]bool, horizon)}
	for h := range a.ahead {
		a.ahead[h] = p.End + Day(h)
		a.open[h] = o.Open(a.ahead[h])
	}
	return a
}

// values returns the series on open days since its first sale.
func (a *axis) values(s *Series) []float64 {
	vs := make([]float64, 0, len(a.days))
	for _, t := range a.days {
		if t >= s.First {
			vs = append(vs, s.Y[t])
		}
	}
	return vs
}

// forecast calls each for every series, and sets closed days to 0.
func (a *axis) forecast(ctx context.Context, each func(s *Series, row []Prediction)) (*Forecast, error) {
	f := &Forecast{Origin: a.panel.End, Open: a.open, Rows: make([][]Prediction, len(a.panel.Series))}
	cells := make([]Prediction, len(f.Rows)*len(a.ahead))
	for i := range f.Rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row := cells[i*len(a.ahead) : (i+1)*len(a.ahead)]
		each(&a.panel.Series[i], row)
		for h, open := range a.open {
			if !open {
				row[h] = Prediction{}
			}
		}
		f.Rows[i] = row
	}
	return f, nil
}
