package trees

import (
	"errors"
	"fmt"
	"math"
)

// Params are the settings of Train. Zero values switch a rule off, or mean
// the default where one is named.
type Params struct {
	Objective Objective
	Alpha     float64 // Quantile: the quantile, in (0, 1)
	Power     float64 // Tweedie: the variance power, in (1, 2); 0: 1.5
	// MaxDelta bounds a leaf's step before the learning rate, as XGBoost's
	// max_delta_step. 0: 0.7 for Poisson, no bound otherwise.
	MaxDelta float64

	Trees        int     // rounds, at least 1
	LearningRate float64 // in (0, 1]

	MaxDepth  int // splits from the root to a leaf; 0: as many as a file may have (512)
	MaxLeaves int // above 0: grow best first up to so many leaves; 0: depth-wise

	MinRows    int     // rows a leaf needs (LightGBM's min_data_in_leaf); 0: 1
	MinHessian float64 // hessian a leaf needs (XGBoost's min_child_weight)
	L2         float64 // added to the hessian of a leaf
	MinGain    float64 // gain that a split must exceed (XGBoost's gamma)
	// CategorySmooth is added to the hessian when categories are ordered, so
	// that rare ones move to the middle (LightGBM's cat_smooth).
	CategorySmooth float64

	Subsample   float64 // share of rows a tree, drawn without replacement; 0: all
	ColumnShare float64 // share of columns a tree; 0: all

	// EarlyStopping ends training after so many rounds without a better
	// validation loss, and keeps the trees up to the best round. 0: off.
	EarlyStopping int

	Seed    uint64
	Workers int // goroutines; 0: all cores. The model is the same for any number.
}

// maxDepth bounds the depth of a tree, grown or read: SHAP needs memory for a
// path.
const maxDepth = 512

// check returns the parameters with defaults filled in.
func (p Params) check() (Params, error) {
	fill := func(v *float64, otherwise float64) {
		if *v == 0 {
			*v = otherwise
		}
	}
	fill(&p.Subsample, 1)
	fill(&p.ColumnShare, 1)
	p.MinRows = max(p.MinRows, 1)
	if p.MaxDepth == 0 {
		p.MaxDepth = maxDepth
	}
	switch p.Objective {
	case SquaredError:
	case Poisson:
		fill(&p.MaxDelta, 0.7)
	case Tweedie:
		fill(&p.Power, 1.5)
		if !(p.Power > 1 && p.Power < 2) {
			return p, fmt.Errorf("trees: Power is %v, must be between 1 and 2", p.Power)
		}
	case Quantile:
		if !(p.Alpha > 0 && p.Alpha < 1) {
			return p, fmt.Errorf("trees: Alpha is %v, must be between 0 and 1", p.Alpha)
		}
	default:
		return p, fmt.Errorf("trees: objective %v cannot be trained: use SquaredError, Poisson, Tweedie or Quantile", p.Objective)
	}
	for _, limit := range []struct {
		name  string
		value float64
	}{
		{"MaxDelta", p.MaxDelta},
		{"MinHessian", p.MinHessian},
		{"L2", p.L2},
		{"MinGain", p.MinGain},
		{"CategorySmooth", p.CategorySmooth},
		{"MaxDepth", float64(p.MaxDepth)},
		{"EarlyStopping", float64(p.EarlyStopping)},
	} {
		if !(limit.value >= 0) || math.IsInf(limit.value, 0) {
			return p, fmt.Errorf("trees: %s is %v, must be 0 or more", limit.name, limit.value)
		}
	}
	switch {
	case p.MaxDepth > maxDepth:
		return p, fmt.Errorf("trees: MaxDepth is %d, must be at most %d", p.MaxDepth, maxDepth)
	case p.Trees < 1:
		return p, fmt.Errorf("trees: Trees is %d, must be at least 1", p.Trees)
	case !(p.LearningRate > 0 && p.LearningRate <= 1):
		return p, fmt.Errorf("trees: LearningRate is %v, must be above 0 and at most 1", p.LearningRate)
	case !(p.Subsample > 0 && p.Subsample <= 1):
		return p, fmt.Errorf("trees: Subsample is %v, must be above 0 and at most 1", p.Subsample)
	case !(p.ColumnShare > 0 && p.ColumnShare <= 1):
		return p, fmt.Errorf("trees: ColumnShare is %v, must be above 0 and at most 1", p.ColumnShare)
	case p.MaxLeaves < 0 || p.MaxLeaves == 1:
		return p, fmt.Errorf("trees: MaxLeaves is %d, must be 0 or at least 2", p.MaxLeaves)
	}
	return p, nil
}

// Data are rows to train on: Y and Weight have one value a row. Weight may be
// nil: every row counts 1.
type Data struct {
	X      *Binned
	Y      []float64
	Weight []float64
}

// ValidData are rows that training is watched on. X comes from Like of the
// training rows' Binned.
type ValidData = Data

func (d Data) check(l loss) error {
	if d.X == nil {
		return errors.New("no rows: X is nil")
	}
	if len(d.Y) != d.X.rows {
		return fmt.Errorf("%d targets for %d rows", len(d.Y), d.X.rows)
	}
	if d.Weight != nil && len(d.Weight) != d.X.rows {
		return fmt.Errorf("%d weights for %d rows", len(d.Weight), d.X.rows)
	}
	for i, y := range d.Y {
		if math.IsNaN(y) || math.Abs(y) > math.MaxFloat32 {
			return fmt.Errorf("target of row %d is %v, must be a finite float32", i, y)
		}
		if err := l.check(y); err != nil {
			return fmt.Errorf("target of row %d is %v: %w", i, y, err)
		}
	}
	total := 0.0
	for i, w := range d.Weight {
		if !(w >= 0) || w > math.MaxFloat32 {
			return fmt.Errorf("weight of row %d is %v, must be finite and not negative", i, w)
		}
		total += w
	}
	if d.Weight != nil && total == 0 {
		return errors.New("all weights are 0")
	}
	return nil
}
