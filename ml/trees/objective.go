package trees

import (
	"errors"
	"fmt"
	"math"
)

// Objective is what a model minimises. Its gradients are those of XGBoost.
type Objective int

// The objectives. AbsoluteError, Gamma and Logistic can be read from a file
// but not trained; Quantile with Alpha 0.5 trains for the absolute error.
const (
	SquaredError  Objective = iota
	Poisson                 // counts, log link
	Tweedie                 // non-negative with many zeros, log link
	Quantile                // pinball loss
	AbsoluteError           // read only
	Gamma                   // read only, log link
	Logistic                // read only, logit link
)

// objectiveNames are XGBoost's.
var objectiveNames = [...]string{
	SquaredError:  "reg:squarederror",
	Poisson:       "count:poisson",
	Tweedie:       "reg:tweedie",
	Quantile:      "reg:quantileerror",
	AbsoluteError: "reg:absoluteerror",
	Gamma:         "reg:gamma",
	Logistic:      "binary:logistic",
}

// String is the name that XGBoost uses.
func (o Objective) String() string {
	if o < 0 || int(o) >= len(objectiveNames) {
		return fmt.Sprintf("objective(%d)", int(o))
	}
	return objectiveNames[o]
}

// response maps a margin to the scale of the target.
func (o Objective) response(margin float64) float64 {
	switch o {
	case Poisson, Tweedie, Gamma:
		return math.Exp(margin)
	case Logistic:
		return 1 / (1 + math.Exp(-margin))
	default:
		return margin
	}
}

// margin is the inverse of response.
func (o Objective) margin(response float64) float64 {
	switch o {
	case Poisson, Tweedie, Gamma:
		return math.Log(response)
	case Logistic:
		return math.Log(response / (1 - response))
	default:
		return response
	}
}

// loss has the arithmetic of one objective for training.
type loss interface {
	// start is the constant margin that training begins with.
	start(y, weight []float64) float64
	// gradient is the first and second derivative of the loss by the margin.
	gradient(margin, y float64) (g, h float64)
	// value is the loss itself, up to a constant of y.
	value(margin, y float64) float64
	// finish turns the mean value into the metric that Progress shows.
	finish(mean float64) float64
	// constantHessian tells that h is 1 for every row.
	constantHessian() bool
	// check refuses a target that the objective has no loss for.
	check(y float64) error
}

// newLoss returns the arithmetic for checked parameters.
func newLoss(p Params) loss {
	switch p.Objective {
	case Poisson:
		return poisson{inflation: math.Exp(p.MaxDelta)}
	case Tweedie:
		return tweedie{power: p.Power}
	case Quantile:
		return quantile{alpha: p.Alpha}
	default:
		return squared{}
	}
}

func weightedMean(y, weight []float64) float64 {
	sum, total := 0.0, 0.0
	for i, v := range y {
		w := 1.0
		if weight != nil {
			w = weight[i]
		}
		sum += w * v
		total += w
	}
	return sum / total
}

// logMean is the start for a log link. A target that is 0 throughout has no
// logarithm; a small one stands in.
func logMean(y, weight []float64) float64 {
	return math.Log(max(weightedMean(y, weight), 1e-6))
}

type squared struct{}

func (squared) start(y, weight []float64) float64         { return weightedMean(y, weight) }
func (squared) gradient(margin, y float64) (g, h float64) { return margin - y, 1 }
func (squared) value(margin, y float64) float64           { return (margin - y) * (margin - y) }
func (squared) finish(mean float64) float64               { return math.Sqrt(mean) }
func (squared) constantHessian() bool                     { return true }
func (squared) check(float64) error                       { return nil }

// poisson is the negative log likelihood of a count. XGBoost inflates the
// second derivative by exp(max_delta_step), which keeps early steps small.
type poisson struct{ inflation float64 }

func (poisson) start(y, weight []float64) float64 { return logMean(y, weight) }
func (p poisson) gradient(margin, y float64) (g, h float64) {
	mean := math.Exp(margin)
	return mean - y, mean * p.inflation
}
func (poisson) value(margin, y float64) float64 { return math.Exp(margin) - y*margin }
func (poisson) finish(mean float64) float64     { return mean }
func (poisson) constantHessian() bool           { return false }
func (poisson) check(y float64) error           { return checkNotNegative(y) }

// tweedie is the negative log likelihood of the compound Poisson-gamma family
// with variance mean^power, up to terms of y.
type tweedie struct{ power float64 }

func (tweedie) start(y, weight []float64) float64 { return logMean(y, weight) }
func (t tweedie) gradient(margin, y float64) (g, h float64) {
	a, b := math.Exp((1-t.power)*margin), math.Exp((2-t.power)*margin)
	return b - y*a, (2-t.power)*b - (1-t.power)*y*a
}

func (t tweedie) value(margin, y float64) float64 {
	return math.Exp((2-t.power)*margin)/(2-t.power) - y*math.Exp((1-t.power)*margin)/(1-t.power)
}
func (tweedie) finish(mean float64) float64 { return mean }
func (tweedie) constantHessian() bool       { return false }
func (tweedie) check(y float64) error       { return checkNotNegative(y) }

// quantile is the pinball loss. Its second derivative is 0, so splits are
// found with 1 and leaves are set afterwards (see quantileLeaves).
type quantile struct{ alpha float64 }

func (q quantile) start(y, weight []float64) float64 {
	return weightedQuantile(append([]float64(nil), y...), append([]float64(nil), weight...), q.alpha)
}

func (q quantile) gradient(margin, y float64) (g, h float64) {
	if margin >= y {
		return 1 - q.alpha, 1
	}
	return -q.alpha, 1
}

func (q quantile) value(margin, y float64) float64 {
	if margin >= y {
		return (1 - q.alpha) * (margin - y)
	}
	return q.alpha * (y - margin)
}
func (quantile) finish(mean float64) float64 { return mean }
func (quantile) constantHessian() bool       { return true }
func (quantile) check(float64) error         { return nil }

func checkNotNegative(y float64) error {
	if y < 0 {
		return errors.New("the objective has a log link and needs targets of 0 or more")
	}
	return nil
}
